//! The program that runs every drill with one seed or several, and counts; `tapeline drill` shows them one by one.

use std::io::Write as _;
use std::process::ExitCode;

use super::{Report, Summary, list, markdown, run, sum_up};

const USAGE: &str = "usage: drills [--seed N] [--seeds FROM..TO] [NAME …]
       drills --page    the tables of docs/drills.md\n";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    from: u64,
    to: u64,
    names: Vec<String>,
    page: bool,
}

impl Task {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut task = Self { from: 1, to: 2, names: Vec::new(), page: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => {
                    task.from = words.next()?.parse().ok()?;
                    task.to = task.from.checked_add(1)?;
                }
                "--page" => task.page = true,
                "--seeds" => {
                    let range = words.next()?;
                    let (from, to) = range.split_once("..")?;
                    (task.from, task.to) = (from.parse().ok()?, to.parse().ok()?);
                }
                _ if word.starts_with('-') => return None,
                _ => task.names.push(word),
            }
        }
        Some(task)
    }
}

/// Runs what the arguments ask for. Fails if a drill fails or there is none of a name.
pub fn program() -> ExitCode {
    let Some(task) = Task::read(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    if task.page {
        say(&markdown());
        return ExitCode::SUCCESS;
    }
    let mut names = task.names;
    if names.is_empty() {
        names.extend(list().iter().map(|drill| drill.name.to_owned()));
    }
    let mut failed = 0;
    for seed in task.from..task.to {
        let reports: Result<Vec<Report>, _> = names.iter().map(|name| run(name, seed)).collect();
        match reports {
            Ok(reports) => {
                let all = sum_up(seed, reports);
                failed += all.summary.failed;
                say(&told(&all));
            }
            Err(unknown) => {
                say(&format!("{unknown}\n"));
                return ExitCode::from(2);
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What failed and why, then the figures of all together.
fn told(all: &Summary) -> String {
    let total = &all.summary;
    let mut text = String::new();
    for item in all.items.iter().filter(|item| !item.passed) {
        text.push_str(&format!("{} FAILED: {}\n", item.name, item.failures.join("\n    ")));
    }
    let words = format!(
        "{} of {} drills passed with seed {}: {} outages, {} lost, {} doubled, {} declared\n",
        total.passed, total.drills, total.seed, total.outages, total.lost, total.duplicated, total.declared
    );
    text + &words
}

/// Whoever reads may have left; the exit code tells them what matters.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(u64, u64, usize)> {
        let task = Task::read(text.split_whitespace().map(str::to_owned))?;
        Some((task.from, task.to, task.names.len()))
    }

    #[test]
    fn a_seed_a_range_and_names_are_read() {
        assert_eq!(read(""), Some((1, 2, 0)));
        assert_eq!(read("--seed 7 reset fin"), Some((7, 8, 2)));
        assert_eq!(read("--seeds 3..9"), Some((3, 9, 0)));
        for wrong in ["--seed", "--seed x", "--seeds 3", "--nonsense"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_failed_is_told_before_the_figures() {
        let fine = run("late-line", 1).unwrap();
        let bad =
            Report { passed: false, failures: vec!["3 events lost".to_owned()], lost: 3, ..fine.clone() };
        let text = told(&sum_up(1, vec![fine, bad]));
        assert!(text.starts_with("late-line FAILED: 3 events lost\n1 of 2 drills passed"), "{text}");
        assert!(text.contains("3 lost"), "{text}");
    }
}
