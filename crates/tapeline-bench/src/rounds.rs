//! Interleaved rounds: every contender once per round, each in a fresh process; at the end the medians
//! of the figures, and of their ratios to the limit of the same round.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::market::{Kind, SYMBOLS};
use crate::readers::{Contender, Run, Tally};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which frames.
    pub kind: Kind,
    /// Frames per run.
    pub frames: u64,
    /// Rounds; the figure is the median.
    pub rounds: usize,
    /// Who runs, in this order.
    pub contenders: Vec<Contender>,
}

/// Runs `plan` and prints its table.
///
/// # Errors
/// A process that fails or a contender that saw something else than the others.
pub fn measure(plan: &Plan) -> io::Result<()> {
    let venue = Server::start(plan.kind, plan.frames)?;
    let mut figures: HashMap<Contender, Vec<f64>> = HashMap::new();
    let mut expected: Option<Tally> = None;
    for round in 0..plan.rounds {
        // Each starts a round once: who comes after whom shall not matter.
        let mut order = plan.contenders.clone();
        order.rotate_left(round % plan.contenders.len().max(1));
        for contender in &order {
            let run = run(*contender, &venue.address, plan)?;
            check(*contender, run, plan, &mut expected)?;
            let each = run.cpu_ns as f64 / run.frames as f64;
            figures.entry(*contender).or_default().push(each);
            eprint_progress(round, *contender, each);
        }
    }
    print_table(plan, &figures);
    Ok(())
}

/// A contender that decodes must have seen what the others saw.
fn check(contender: Contender, run: Run, plan: &Plan, expected: &mut Option<Tally>) -> io::Result<()> {
    if run.frames != plan.frames {
        return Err(io::Error::other(format!("{contender:?} read {} of {} frames", run.frames, plan.frames)));
    }
    if contender == Contender::Bytes {
        return Ok(());
    }
    let seen = *expected.get_or_insert(run.seen);
    let mut got = run.seen;
    if matches!(contender, Contender::Tapeline | Contender::Pair) {
        // Whoever keeps books delivers changes of them, not the levels of each frame; and what comes
        // before a snapshot becomes part of it.
        got.levels = seen.levels;
        if got.depths <= seen.depths && got.depths + SYMBOLS.len() as u64 >= seen.depths {
            got.depths = seen.depths;
        }
    }
    if got != seen {
        return Err(io::Error::other(format!("{contender:?} saw {:?}, the others {seen:?}", run.seen)));
    }
    Ok(())
}

fn print_table(plan: &Plan, figures: &HashMap<Contender, Vec<f64>>) {
    let limits = figures.get(&Contender::Limit);
    println!();
    println!(
        "{:?}: {} frames per run, {} rounds, CPU of the reading process",
        plan.kind, plan.frames, plan.rounds
    );
    println!("{:<12} {:>12} {:>10} {:>10} {:>9}", "reader", "us per frame", "least", "most", "x limit");
    for contender in &plan.contenders {
        let Some(list) = figures.get(contender) else { continue };
        let (least, most) =
            list.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        // A machine with other work is fast in one round and slow in another; within a round less so.
        let ratio = limits.map_or_else(String::new, |limits| {
            let paired: Vec<f64> = list.iter().zip(limits).map(|(each, limit)| each / limit).collect();
            format!("{:.2}", median(&paired))
        });
        println!(
            "{:<12} {:>12.3} {:>10.3} {:>10.3} {:>9}",
            format!("{contender:?}").to_lowercase(),
            median(list) / 1000.0,
            least / 1000.0,
            most / 1000.0,
            ratio
        );
    }
    if let (Some(one), Some(two)) = (figures.get(&Contender::Tapeline), figures.get(&Contender::Pair)) {
        let paired: Vec<f64> = two.iter().zip(one).map(|(two, one)| two / one).collect();
        println!("two lines cost {:.2} x one for each event delivered (goal: at most 1.7)", median(&paired));
    }
}

#[expect(clippy::print_stderr, reason = "progress goes beside the table")]
fn eprint_progress(round: usize, contender: Contender, each: f64) {
    eprintln!("round {} {contender:?}: {each:.1} ns per frame", round + 1);
}

/// The middle of the list, the mean of the two middles if it is even.
pub fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The venue's process; it ends with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(kind: Kind, frames: u64) -> io::Result<Self> {
        let mut child = itself()?
            .args(["serve", "--kind", word(kind), "--frames", &frames.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let address = address.ok_or_else(|| io::Error::other(format!("the venue said {line:?}")))?;
        Ok(Self { child, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(contender: Contender, address: &str, plan: &Plan) -> io::Result<Run> {
    let reader = format!("{contender:?}").to_lowercase();
    let frames = plan.frames.to_string();
    let output = itself()?
        .args([
            "read",
            "--reader",
            &reader,
            "--address",
            address,
            "--kind",
            word(plan.kind),
            "--frames",
            &frames,
        ])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).map_err(|_| io::Error::other(format!("{reader} failed: {text}")))
}

fn itself() -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Trades => "trades",
        Kind::Mix => "mix",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        for (list, expected) in [(&[3.0, 1.0, 2.0][..], 2.0), (&[4.0, 1.0, 3.0, 2.0], 2.5), (&[7.0], 7.0)] {
            assert_eq!(median(list), expected);
        }
    }
}
