//! What it costs to tell many clients the same: the gateway beside a minimal writer of one shared log, and beside
//! what one writes first, a task and a channel per client.
//!
//! ```text
//! cargo run --release -p tapeline-bench --bin fanout                 100 clients, bursts and single messages
//! cargo run --release -p tapeline-bench --bin fanout -- --quick      the same, fewer messages
//! cargo run --release -p tapeline-bench --bin fanout -- idle         memory of 10,000 clients that wait
//! cargo run --release -p tapeline-bench --bin fanout -- stuck        what clients cost that never read
//! ```
//!
//! The venue, the server and the clients are processes of their own; the figure is the CPU time of the server's
//! process per message delivered. Everybody sends messages of the same size.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod server;
mod stuck;
mod swarm;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use tapeline_bench::market::{self, Cut, Kind};
use tapeline_bench::rounds::median;
use tapeline_bench::unix_ms;
use tapeline_bench::venue::{Pace, Venue};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The cost of telling many clients the same.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Fewer messages, for a first look.
    #[arg(long)]
    quick: bool,
    /// Clients.
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Rounds; the figures are medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Memory of clients that wait.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
    },
    /// Delay of the others and memory of the gateway beside clients that never read.
    Stuck {
        /// Clients that read.
        #[arg(long, default_value_t = 50)]
        clients: usize,
        /// Clients that do not, in the windows with many of them.
        #[arg(long, default_value_t = 20)]
        stuck: usize,
    },
    /// The venue's process.
    Venue {
        /// Quotes, trades and depth instead of trades only.
        #[arg(long)]
        mix: bool,
        #[arg(long)]
        frames: u64,
        #[arg(long)]
        burst: u64,
        #[arg(long)]
        period_us: u64,
    },
    /// The server's process.
    Server {
        #[arg(long)]
        contender: Contender,
        #[arg(long)]
        venue: String,
        #[arg(long)]
        clients: usize,
        #[arg(long)]
        frames: u64,
        /// How long history is kept.
        #[arg(long, default_value_t = 1)]
        history_s: u64,
    },
    /// The process of all clients.
    Swarm {
        #[arg(long)]
        address: String,
        #[arg(long)]
        clients: usize,
        /// Topics of each.
        #[arg(long, default_value_t = 9)]
        topics: usize,
        /// Read the mix, and tell how late its messages are.
        #[arg(long)]
        timed: bool,
    },
    /// The process of the clients that never read.
    Stall {
        #[arg(long)]
        address: String,
        #[arg(long)]
        clients: usize,
    },
}

/// Who tells the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Contender {
    /// One thread, one log of encoded frames, one position per client.
    Shared,
    /// A task, a broadcast channel and a WebSocket library per client.
    Naive,
    /// The gateway.
    Tapeline,
}

const ALL: [Contender; 3] = [Contender::Shared, Contender::Naive, Contender::Tapeline];

/// A child process that is told and tells line by line, and goes with its handle.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
    input: Option<ChildStdin>,
}

impl Process {
    fn start(arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
        Ok(Self { input: child.stdin.take(), child, lines })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(io::Error::other("a process of the benchmark ended early"));
        }
        Ok(line.trim().to_owned())
    }

    fn tell(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or_else(|| io::Error::other("no input"))?;
        writeln!(input, "{line}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.part {
        None => compare(&arguments),
        Some(Part::Idle { clients }) => idle(clients),
        Some(Part::Stuck { clients, stuck }) => stuck::run(clients, stuck, arguments.rounds),
        Some(Part::Venue { mix, frames, burst, period_us }) => {
            venue(if mix { Kind::Mix } else { Kind::Trades }, frames, burst, period_us)
        }
        Some(Part::Server { contender, venue, clients, frames, history_s }) => {
            server::run(contender, &venue, clients, frames, Duration::from_secs(history_s))
        }
        Some(Part::Swarm { address, clients, timed: true, .. }) => swarm::timed(&address, clients),
        Some(Part::Swarm { address, clients, topics, .. }) => swarm::run(&address, clients, topics),
        Some(Part::Stall { address, clients }) => swarm::stall(&address, clients),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanout: {error}");
            ExitCode::FAILURE
        }
    }
}

fn venue(kind: Kind, frames: u64, burst: u64, period_us: u64) -> io::Result<()> {
    let sent = (0..=frames / burst + 1).map(|_| AtomicU64::new(0)).collect();
    let pace = Pace { period: Duration::from_micros(period_us), origin: Instant::now(), sent };
    let rendered = market::render(kind, frames, Cut::Frames(burst), unix_ms());
    let venue = Venue::bind(rendered, kind, Some(Arc::new(pace)))?;
    println!("{}", venue.address()?);
    venue.serve()
}

/// One way in which messages come.
struct Load {
    name: &'static str,
    burst: u64,
    period_us: u64,
    frames: u64,
}

fn compare(arguments: &Arguments) -> io::Result<()> {
    let less = if arguments.quick { 5 } else { 1 };
    let loads = [
        Load { name: "bursts of 100", burst: 100, period_us: 20_000, frames: 50_000 / less },
        Load { name: "one by one", burst: 1, period_us: 4_000, frames: 2_500 / less },
    ];
    for load in loads {
        let mut figures = vec![Vec::new(); ALL.len()];
        for round in 0..arguments.rounds {
            for turn in 0..ALL.len() {
                let who = (round + turn) % ALL.len();
                let each = run(ALL[who], arguments.clients, &load)?;
                eprintln!("{} round {} {:?}: {each:.3} us per delivery", load.name, round + 1, ALL[who]);
                figures[who].push(each);
            }
        }
        println!("\n{} clients, {}, CPU of the server's process", arguments.clients, load.name);
        println!(
            "{:<10} {:>16} {:>10} {:>10} {:>10}",
            "server", "us per delivery", "least", "most", "x shared"
        );
        for (who, list) in ALL.iter().zip(&figures) {
            let ratios: Vec<f64> = list.iter().zip(&figures[0]).map(|(each, shared)| each / shared).collect();
            let least = list.iter().copied().fold(f64::MAX, f64::min);
            let most = list.iter().copied().fold(0.0, f64::max);
            let name = format!("{who:?}").to_lowercase();
            println!(
                "{name:<10} {:>16.3} {least:>10.3} {most:>10.3} {:>10.2}",
                median(list),
                median(&ratios)
            );
        }
    }
    Ok(())
}

/// CPU microseconds per delivery.
fn run(contender: Contender, clients: usize, load: &Load) -> io::Result<f64> {
    let Load { burst, period_us, frames, .. } = load;
    let mut venue =
        Process::start(&words(&format!("venue --frames {frames} --burst {burst} --period-us {period_us}")))?;
    let address = venue.line()?;
    let who = format!("{contender:?}").to_lowercase();
    let told = format!("server --contender {who} --venue {address} --clients {clients} --frames {frames}");
    let mut server = Process::start(&words(&told))?;
    let address = server.line()?;
    let mut swarm = Process::start(&words(&format!("swarm --address {address} --clients {clients}")))?;
    swarm.line()?;
    let told = server.line()?;
    let mut parts = told.split(' ').filter_map(|word| word.parse::<u64>().ok());
    let (Some(nanoseconds), Some(deliveries)) = (parts.next(), parts.next()) else {
        return Err(io::Error::other(format!("{contender:?} told {told:?}")));
    };
    let heard: u64 = swarm.line()?.parse().map_err(io::Error::other)?;
    // Answers and notices come beside the messages.
    if heard < deliveries || deliveries == 0 {
        return Err(io::Error::other(format!("{contender:?}: {heard} of {deliveries} messages were heard")));
    }
    Ok(nanoseconds as f64 / 1_000.0 / deliveries as f64)
}

fn idle(clients: usize) -> io::Result<()> {
    let mut venue = Process::start(&words("venue --frames 1 --burst 1 --period-us 1"))?;
    let address = venue.line()?;
    let told = format!("server --contender tapeline --venue {address} --clients {clients} --frames 0");
    let mut server = Process::start(&words(&told))?;
    let address = server.line()?;
    let before = resident(server.child.id())?;
    let told = format!("swarm --address {address} --clients {clients} --topics 1");
    let mut swarm = Process::start(&words(&told))?;
    swarm.line()?;
    // What was needed for the handshakes is given back.
    std::thread::sleep(Duration::from_secs(3));
    let after = resident(server.child.id())?;
    let each = (after - before) as f64 / clients as f64;
    println!(
        "{clients} clients of one topic that wait: {:.1} MB, {each:.0} B each",
        (after - before) as f64 / 1e6
    );
    Ok(())
}

/// Resident memory of a process, in bytes.
fn resident(process: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::Error::other("no VmRSS"))
}
