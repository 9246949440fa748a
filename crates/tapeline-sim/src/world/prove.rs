//! The program that runs many seeds: in parallel, with progress, and with an account at the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tapeline_core::defect::Defect;

use super::Figures;
use super::drill::{Drill, Outcome, Violation, drill, twins};
use super::kinds::fault_names;

const USAGE: &str =
    "usage: prove [--seeds FROM..TO] [--minutes N] [--calm] [--plain] [--twice] [--threads N] [--lines N] [--for SECONDS] [--defect NAME|all] [--known]
  --seeds    the seeds to run (0..64)
  --minutes  how long each world lasts (30)
  --calm     nothing goes wrong
  --plain    every feed has one line and the usual settings
  --twice    the wall clock is set all the time, and every seed runs again, and again without that: all must be equal
  --lines    how much of what happened is shown with a violation (30)
  --defect   plant this mistake (or all, one by one) and say by whom and which seed it is caught
  --known    plant every mistake in the one world, or the drill, that is known to show it
  --for      go on with new seeds for this long
";

/// Seeds of which one shows a mistake, in a world or in the drill that is known to. When the feed changes, the worlds do too, and the seeds may move:
/// `scripts/prove defects` finds them again.
const fn known_seeds(defect: Defect) -> Range<u64> {
    match defect {
        Defect::MissMutedTopic => 9..14,
        Defect::StopTimerOnReconnect => 33..36,
        Defect::ReapplyOldDelta => 3..6,
        // Two runs of one world can be equal by chance; of many they are not.
        Defect::ReorderByHash => 0..16,
        _ => 0..3,
    }
}

/// A kind of fault that did something less often has hardly been tried.
const OFTEN: u64 = 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Task {
    from: u64,
    to: u64,
    minutes: u64,
    calm: bool,
    plain: bool,
    twice: bool,
    threads: usize,
    lines: usize,
    /// Planted one after the other; nothing is proved of a program without mistakes then.
    defects: Vec<Defect>,
    /// Only in the worlds that are known to show them.
    known: bool,
    lasts: Option<Duration>,
}

impl Task {
    /// The seed at which it ends, if none but time ends it.
    const fn end(&self) -> u64 {
        if self.lasts.is_some() { u64::MAX } else { self.to }
    }

    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut task = Self {
            from: 0,
            to: 64,
            minutes: 30,
            calm: false,
            plain: false,
            twice: false,
            threads,
            lines: 30,
            defects: Vec::new(),
            known: false,
            lasts: None,
        };
        while let Some(word) = words.next() {
            let mut number = || words.next()?.parse::<u64>().ok();
            match word.as_str() {
                "--minutes" => task.minutes = number()?,
                "--lines" => task.lines = usize::try_from(number()?).ok()?,
                "--threads" => task.threads = usize::try_from(number()?.max(1)).ok()?,
                "--for" => task.lasts = Some(Duration::from_secs(number()?)),
                "--defect" => {
                    let name = words.next()?;
                    let all = Defect::all().filter(|known| name == "all" || known.name() == name);
                    task.defects = Some(all.collect()).filter(|found: &Vec<_>| !found.is_empty())?;
                }
                "--known" => (task.known, task.defects) = (true, Defect::all().collect()),
                "--calm" => task.calm = true,
                "--plain" => task.plain = true,
                "--twice" => task.twice = true,
                "--seeds" => {
                    let range = words.next()?;
                    let (from, to) = range.split_once("..").unwrap_or((&range, ""));
                    task.from = from.parse().ok()?;
                    task.to = if to.is_empty() { task.from + 1 } else { to.parse().ok()? };
                }
                _ => return None,
            }
        }
        Some(task)
    }
}

/// What all seeds together came to.
#[derive(Debug, Default)]
struct Account {
    seeds: u64,
    seconds: f64,
    busy: Duration,
    frames: u64,
    updates: u64,
    /// What the lines missed, and what REST brought.
    others: [u64; 5],
    struck: BTreeMap<&'static str, u64>,
    ordered: BTreeMap<&'static str, u64>,
    violations: Vec<(&'static str, u64)>,
}

impl Account {
    fn add(&mut self, outcome: &Outcome, took: Duration) {
        self.seeds += 1;
        self.seconds += outcome.seconds;
        self.busy += took;
        self.frames += outcome.figures.frames;
        self.updates += outcome.figures.updates;
        let Figures { repaired, late, declared, polled, rotations, .. } = outcome.figures;
        for (sum, count) in self.others.iter_mut().zip([repaired, late, declared, polled, rotations]) {
            *sum += count;
        }
        for (all, these) in [(&mut self.struck, &outcome.struck), (&mut self.ordered, &outcome.ordered)] {
            for (name, count) in these {
                *all.entry(name).or_default() += count;
            }
        }
    }

    fn object(&mut self, violation: &Violation) {
        self.violations.push((violation.oracle, violation.seed));
        say(&format!("{violation}"));
    }

    fn speed(&self) -> f64 {
        self.seconds / self.busy.as_secs_f64().max(1e-9)
    }
}

/// The program.
pub fn main() -> ExitCode {
    let Some(task) = Task::read(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    // A panic of the feed is caught and judged; its usual report would only be in the way.
    std::panic::set_hook(Box::new(|_| {}));
    if !task.defects.is_empty() {
        return catch(&task);
    }
    let account = Mutex::new(Account::default());
    let (next, begun) = (AtomicU64::new(task.from), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..task.threads {
            scope.spawn(|| work(&task, &next, begun, &account));
        }
    });
    let account = account.into_inner().unwrap_or_default();
    report(&account, begun.elapsed());
    say(&format!("every seed from {} on is left for the next run\n", next.into_inner().min(task.end())));
    if account.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plants one mistake after the other and says who catches it; all must be caught.
fn catch(task: &Task) -> ExitCode {
    if cfg!(not(feature = "defects")) {
        say("this program was built without the feature `defects`\n");
        return ExitCode::from(2);
    }
    let (next, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..task.threads {
            scope.spawn(|| {
                while let Some(defect) = task.defects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seeds = if task.known { known_seeds(*defect) } else { task.from..task.to };
                    let found = seeds.clone().find_map(|seed| noticed(task, *defect, seed));
                    let name = defect.name();
                    match found {
                        Some(words) => say(&format!("{name:28} {words}\n")),
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                            say(&format!("{name:28} NOT CAUGHT by seeds {seeds:?}\n"));
                        }
                    }
                }
            });
        }
    });
    let (missed, all) = (missed.into_inner(), task.defects.len());
    say(&format!("{} of {all} planted mistakes caught\n", all - missed));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Who notices a mistake with a seed, and what they say: a drill where only drills can, else a judge of a world.
fn noticed(task: &Task, defect: Defect, seed: u64) -> Option<String> {
    #[cfg(feature = "defects")]
    if Defect::IN_DRILLS.contains(&defect) {
        let (drill, words) = crate::drills::failed_by(defect, seed)?;
        let drill = format!("the drill {drill}");
        return Some(format!("{drill:24} seed {seed}: {words}"));
    }
    let Violation { oracle, at, words, .. } = caught(task, defect, seed)?;
    Some(format!("{oracle:24} seed {seed} at {at}: {words}"))
}

fn caught(task: &Task, defect: Defect, seed: u64) -> Option<Violation> {
    let ask = Drill { defect: Some(defect), lines: task.lines, ..Drill::new(seed, task.minutes * 60) };
    if defect == Defect::UseWallTime {
        // Others notice it too; that it is the clock only the twins can say.
        let ask = Drill { jumpy: true, ..ask };
        return twins(ask, &drill(ask));
    }
    let outcome = drill(ask);
    outcome.violation.clone().or_else(|| twins(ask, &outcome))
}

fn work(task: &Task, next: &AtomicU64, begun: Instant, account: &Mutex<Account>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let over = task.lasts.map_or(seed >= task.to, |lasts| begun.elapsed() >= lasts);
        if over {
            return;
        }
        let ask = Drill {
            calm: task.calm,
            plain: task.plain,
            jumpy: task.twice,
            lines: task.lines,
            ..Drill::new(seed, task.minutes * 60)
        };
        let (start, wall) = (cpu_time(), Instant::now());
        let outcome = drill(ask);
        let took = start.zip(cpu_time()).map_or_else(|| wall.elapsed(), |(from, to)| to.saturating_sub(from));
        let twin = if task.twice && outcome.violation.is_none() { twins(ask, &outcome) } else { None };
        let Ok(mut account) = account.lock() else { return };
        account.add(&outcome, took);
        for violation in outcome.violation.iter().chain(&twin) {
            account.object(violation);
        }
        if account.seeds.is_multiple_of(8) {
            let (hours, count) = (account.seconds / 3_600.0, account.violations.len());
            let speed = account.speed();
            say(&format!(
                "{} seeds, {hours:.1} h simulated, {speed:.0} h per CPU hour, {count} violations\n",
                account.seeds
            ));
        }
    }
}

/// How long this thread has had a processor, where the system tells.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn report(account: &Account, took: Duration) {
    let mut text =
        String::from("\nfaults by kind, how often they did something and how often they were ordered:\n");
    let count = |of: &BTreeMap<&str, u64>, name: &str| of.get(name).copied().unwrap_or(0);
    for (place, name) in fault_names().iter().enumerate() {
        let (struck, ordered) = (count(&account.struck, name), count(&account.ordered, name));
        let end = if place % 3 == 2 { "\n" } else { "" };
        text.push_str(&format!("  {name:20} {struck:7} of {ordered:4}{end}"));
    }
    let rare: Vec<&str> =
        fault_names().into_iter().filter(|name| count(&account.struck, name) < OFTEN).collect();
    if !rare.is_empty() {
        text.push_str(&format!("\nless than {OFTEN} times: {}\n", rare.join(", ")));
    }
    let faults: u64 = account.ordered.values().sum();
    let (hours, rate) = (account.seconds / 3_600.0, account.frames as f64 / account.seconds.max(1.0));
    text.push_str(&format!(
        "\n{} seeds, {hours:.1} h simulated in {:.0} s, {:.0} x real time per core, {rate:.0} frames/s, \
         {} updates, {faults} faults, {} violations\n",
        account.seeds,
        took.as_secs_f64(),
        account.speed(),
        account.updates,
        account.violations.len(),
    ));
    let [repaired, late, declared, polled, rotations] = account.others;
    text.push_str(&format!(
        "missed events told {repaired}, of them late {late}, ids declared {declared}, updates polled {polled}, \
         lines left to followers {rotations}\n"
    ));
    let mut by_oracle: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (oracle, seed) in &account.violations {
        by_oracle.entry(oracle).or_default().push(*seed);
    }
    for (oracle, seeds) in by_oracle {
        text.push_str(&format!("  {oracle}: seeds {seeds:?}\n"));
    }
    say(&text);
}

/// Writes to standard output; a reader that went away is no reason to fail.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let read = |words: &str| Task::read(words.split_whitespace().map(str::to_owned));
        let task = read("--seeds 5..9 --minutes 3 --twice").unwrap();
        assert_eq!((task.from, task.to, task.minutes, task.twice), (5, 9, 3, true));
        assert_eq!(read("--seeds 5").map(|task| (task.from, task.to)), Some((5, 6)));
        assert_eq!(read("--seed 5"), None);
        assert_eq!(read("--minutes many"), None);
    }
}
