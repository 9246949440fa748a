//! What clients cost that never read: the others' delay, and the memory of the gateway.
//!
//! Healthy clients read a busy feed all the time. Windows without and with stuck clients alternate; a window with them
//! begins before they connect and ends when the gateway has got rid of the last of them, so that it holds everything
//! that happens to one: it falls behind, is told 4008, does not hear that either, and is given up.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use tapeline_bench::market::SYMBOLS;
use tapeline_bench::rounds::median;

use super::{Process, resident, words};

/// Messages of the venue in a second, and in one burst.
const RATE: u64 = 2_000;
const BURST: u64 = 20;
/// What gateway and feed keep for those who come back: all logs are full after it.
const HISTORY_S: u64 = 10;
/// A window is so long, a little more than the life of a stuck client, and longer if that lives longer.
const WINDOW: Duration = Duration::from_secs(16);
const LONGEST: Duration = Duration::from_secs(60);
/// Between two windows: sockets of the one before are gone.
const REST: Duration = Duration::from_secs(2);
/// What one may cost: 256 KiB and a fifth.
const GOAL_BYTES: f64 = 256.0 * 1024.0 * 1.2;
/// By how much the others' p99 may grow.
const GOAL_RATIO: f64 = 2.0;

/// The topics of everybody: half of them events, half of them state.
pub(crate) fn topics() -> Vec<String> {
    let channels = ["trade", "agg_trade", "quote", "book"];
    let of = |symbol: &&str| channels.map(|channel| format!("binance:{channel}:{symbol}"));
    SYMBOLS.iter().flat_map(of).collect()
}

/// What was seen in a window.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Milliseconds from the feed's receipt to the client.
    events_p50: f64,
    events_p99: f64,
    state_p99: f64,
    messages: f64,
    /// Resident memory: the most, and in the middle of the samples.
    most: f64,
    usual: f64,
    /// The most that waited for stuck clients, as the gateway says.
    unsent: f64,
    /// Until the last of them was gone.
    stood: f64,
}

/// Alternates windows without, with one, and with `many` stuck clients.
pub(crate) fn run(clients: usize, many: usize, rounds: usize) -> io::Result<()> {
    let kinds = [0, 1, many];
    let seconds = HISTORY_S + 10 + (rounds * kinds.len()) as u64 * (LONGEST + REST).as_secs();
    let mut venue = Process::start(&words(&format!(
        "venue --mix --frames {} --burst {BURST} --period-us {}",
        seconds * RATE,
        BURST * 1_000_000 / RATE
    )))?;
    let address = venue.line()?;
    let mut server = Process::start(&words(&format!(
        "server --contender tapeline --venue {address} --clients {} --frames 0 --history-s {HISTORY_S}",
        clients + many
    )))?;
    let address = server.line()?;
    let mut swarm =
        Process::start(&words(&format!("swarm --address {address} --clients {clients} --timed")))?;
    swarm.line()?;
    thread::sleep(Duration::from_secs(HISTORY_S + 5));
    let mut seen: [Vec<Seen>; 3] = Default::default();
    for round in 0..rounds {
        for turn in 0..kinds.len() {
            let at = (round + turn) % kinds.len();
            let bench = Bench { address: &address, clients, server: server.child.id() };
            let window = bench.window(kinds[at], &mut swarm)?;
            eprintln!("round {} with {:>2} stuck: {window:?}", round + 1, kinds[at]);
            seen[at].push(window);
            thread::sleep(REST);
        }
    }
    print_table(clients, kinds, &seen, bench_closes(&address)?);
    Ok(())
}

fn bench_closes(address: &str) -> io::Result<f64> {
    Ok(figure(&metrics(address)?, "tapeline_client_closes_total{code=\"4008\"}"))
}

struct Bench<'a> {
    address: &'a str,
    clients: usize,
    server: u32,
}

impl Bench<'_> {
    fn window(&self, stuck: usize, swarm: &mut Process) -> io::Result<Seen> {
        let begun = Instant::now();
        swarm.tell("begin")?;
        let held = match stuck {
            0 => None,
            _ => {
                let address = self.address;
                let mut held =
                    Process::start(&words(&format!("stall --address {address} --clients {stuck}")))?;
                held.line()?;
                Some(held)
            }
        };
        let mut seen = Seen::default();
        let mut resident_bytes = Vec::new();
        loop {
            resident_bytes.push(resident(self.server)? as f64);
            if resident_bytes.len() % 5 == 0 {
                let text = metrics(self.address)?;
                seen.unsent = seen.unsent.max(figure(&text, "tapeline_client_unsent_bytes"));
                // Of one format there is one series.
                let there = figure(&text, "tapeline_clients{format=\"json\"}") as usize;
                if there > self.clients {
                    seen.stood = begun.elapsed().as_secs_f64();
                } else if begun.elapsed() > WINDOW {
                    break;
                }
                if begun.elapsed() > LONGEST {
                    return Err(io::Error::other(format!("after {LONGEST:?} {there} clients are there")));
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        swarm.tell("end")?;
        drop(held);
        let line = swarm.line()?;
        let figures: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [p50, p99, state, messages] = figures[..] else {
            return Err(io::Error::other(format!("the clients said {line:?}")));
        };
        (seen.events_p50, seen.events_p99, seen.state_p99, seen.messages) = (p50, p99, state, messages);
        seen.most = resident_bytes.iter().copied().fold(0.0, f64::max);
        seen.usual = median(&resident_bytes);
        Ok(seen)
    }
}

fn print_table(clients: usize, kinds: [usize; 3], seen: &[Vec<Seen>; 3], told: f64) {
    let of = |at: usize, what: fn(&Seen) -> f64| seen[at].iter().map(what).collect::<Vec<_>>();
    let verdict = |good: bool| if good { "met" } else { "MISSED" };
    println!(
        "\n{clients} clients read 20 topics of events and 20 of conflated state, {RATE} messages a second of the venue;\n\
         from the feed's receipt to the client, medians of {} rounds; x without: median of the ratios of each round",
        seen[0].len()
    );
    println!(
        "{:<18} {:>10} {:>10} {:>10} {:>11} {:>10} {:>12}",
        "", "events p50", "events p99", "state p99", "x p99 ev.", "x p99 st.", "goal"
    );
    for (at, stuck) in kinds.iter().enumerate() {
        let ratio = |what: fn(&Seen) -> f64| {
            median(&of(at, what).iter().zip(of(0, what)).map(|(with, less)| with / less).collect::<Vec<_>>())
        };
        let (events, state) = (ratio(|seen| seen.events_p99), ratio(|seen| seen.state_p99));
        let goal = match at {
            0 => String::new(),
            _ => format!("<= 2, {}", verdict(events <= GOAL_RATIO && state <= GOAL_RATIO)),
        };
        println!(
            "{:<18} {:>7.2} ms {:>7.2} ms {:>7.2} ms {events:>11.2} {state:>10.2} {goal:>12}",
            format!("{stuck} stuck"),
            median(&of(at, |seen| seen.events_p50)),
            median(&of(at, |seen| seen.events_p99)),
            median(&of(at, |seen| seen.state_p99)),
        );
    }
    println!(
        "\nresident memory of the gateway's process: the most of a window, beside that without, of the same round"
    );
    println!(
        "{:<18} {:>12} {:>12} {:>12} {:>24} {:>9}",
        "", "growth", "each", "said unsent", "goal each", "gone in"
    );
    for (at, stuck) in kinds.iter().enumerate().skip(1) {
        let (with, less) = (of(at, |seen| seen.most), of(0, |seen| seen.most));
        let growth = median(&with.iter().zip(less).map(|(with, less)| with - less).collect::<Vec<_>>());
        let each = growth / *stuck as f64;
        println!(
            "{:<18} {:>8.0} KiB {:>8.0} KiB {:>8.0} KiB {:>24} {:>7.1} s",
            format!("{stuck} stuck"),
            growth / 1024.0,
            each / 1024.0,
            median(&of(at, |seen| seen.unsent)) / 1024.0,
            format!("<= {:.0} KiB, {}", GOAL_BYTES / 1024.0, verdict(each <= GOAL_BYTES)),
            median(&of(at, |seen| seen.stood)),
        );
    }
    let usual = of(0, |seen| seen.most);
    let (least, most) = usual.iter().fold((f64::MAX, 0.0_f64), |(low, high), x| (low.min(*x), high.max(*x)));
    let all = kinds.iter().sum::<usize>() * seen[0].len();
    println!("without stuck clients: {:.1} to {:.1} MB; told 4008: {told} of {all}", least / 1e6, most / 1e6);
}

/// The gateway's metrics, over its own HTTP.
fn metrics(address: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    let mut request = String::new();
    let _ = write!(request, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The value of a series; 0 if there is none.
fn figure(metrics: &str, series: &str) -> f64 {
    let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
    metrics.lines().find_map(value).unwrap_or_default()
}
