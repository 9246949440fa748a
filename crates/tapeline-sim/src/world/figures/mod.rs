//! Measured drills in virtual time: how fast, how often and how reliably a feed does what it promises, each figure
//! beside its bound.
//!
//! - `rig`, `far`, `notes`: a feed and a venue with the way between them, and what is noted
//! - `metronome`: a venue of prescribed rhythms, where a whole exchange would be too much
//! - `flapping`, `pacing`, `books`, `stalls`, `mutes`, `calm`, `outages`, `speed`: one figure each
//! - `between`: a venue whose lines do not tell alike; `pair`, `both`, `rotation`, `gaps`, `crowd`, `ladder`: one figure
//!   each
//!
//! The tests take a few samples of each figure; the program `figures` takes all of them.

mod between;
mod books;
mod both;
mod calm;
mod crowd;
mod far;
mod flapping;
mod gaps;
mod ladder;
mod metronome;
mod mutes;
mod notes;
mod outages;
mod pacing;
mod pair;
mod rig;
mod rotation;
mod speed;
mod stalls;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use super::clock::SEC;

/// One measured figure.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    found: String,
    bound: String,
    holds: bool,
}

impl Row {
    /// A figure that must not be above its bound.
    fn at_most(what: &str, found: f64, bound: f64, unit: &str) -> Self {
        let tell = |value: f64| format!("{} {unit}", short(value)).trim_end().to_owned();
        let (found_text, bound_text) = (tell(found), format!("<= {}", tell(bound)));
        Self { what: what.to_owned(), found: found_text, bound: bound_text, holds: found <= bound }
    }

    /// A figure that must not be below its bound.
    fn at_least(what: &str, found: f64, bound: f64, unit: &str) -> Self {
        let turned = Self::at_most(what, found, bound, unit);
        Self { bound: turned.bound.replace("<=", ">="), holds: found >= bound, ..turned }
    }

    /// A figure without a bound, for those who want to know.
    fn told(what: &str, found: String) -> Self {
        Self { what: what.to_owned(), found, bound: String::new(), holds: true }
    }
}

/// As few digits as tell it.
fn short(value: f64) -> String {
    if value.fract().abs() < 1e-9 || value.abs() >= 1_000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// Durations that were measured, in nanoseconds.
#[derive(Debug, Clone, Default)]
struct Samples(Vec<u64>);

impl Samples {
    fn add(&mut self, nanos: u64) {
        self.0.push(nanos);
    }

    /// The value that so many of a hundred do not pass, in seconds; without samples there is no such value.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).map_or(f64::NAN, |nanos| *nanos as f64 / SEC as f64)
    }

    fn worst(&self) -> f64 {
        self.percentile(100)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Says how far a figure has come.
type Tell<'a> = &'a dyn Fn(u64, u64);

/// A figure: its name, how many samples the program takes, and what takes them.
struct Figure {
    name: &'static str,
    what: &'static str,
    samples: u64,
    measure: fn(u64, Tell<'_>) -> Vec<Row>,
}

const FIGURES: [Figure; 14] = [
    Figure {
        name: "flapping",
        what: "ten minutes of a venue that accepts and closes after 0.1 to 10 s, by seeds",
        samples: 500,
        measure: flapping::measure,
    },
    Figure {
        name: "pacing",
        what: "1,000 streams subscribed while the venue pings, by seeds",
        samples: 60,
        measure: pacing::measure,
    },
    Figure {
        name: "books",
        what: "500 books at limit 1000 under enforced weights, by seeds",
        samples: 6,
        measure: books::measure,
    },
    Figure {
        name: "stalls",
        what: "lines that stall, by seeds of each kind",
        samples: 400,
        measure: stalls::measure,
    },
    Figure {
        name: "mutes",
        what: "one topic among 1,000 falls mute, by seeds",
        samples: 100,
        measure: mutes::measure,
    },
    Figure {
        name: "calm",
        what: "quiet, sparse and jittery topics on healthy lines, in hours",
        samples: 1_000,
        measure: calm::measure,
    },
    Figure {
        name: "outages",
        what: "cuts of stable lines, and outages from seconds to hours",
        samples: 10_000,
        measure: outages::measure,
    },
    Figure {
        name: "pair",
        what: "one of two lines is cut, in turns, 70 s and more apart",
        samples: 1_000,
        measure: pair::measure,
    },
    Figure {
        name: "both",
        what: "both lines are cut, and the venue is away for 1 to 5 s",
        samples: 200,
        measure: both::measure,
    },
    Figure {
        name: "rotation",
        what: "lines that are cut after a day, and told to leave once a day, in days",
        samples: 30,
        measure: rotation::measure,
    },
    Figure {
        name: "gaps",
        what: "a delta of one of four books is lost",
        samples: 1_000,
        measure: gaps::measure,
    },
    Figure {
        name: "crowd",
        what: "lines of 1,000 symbols are cut, one by one and both",
        samples: 40,
        measure: crowd::measure,
    },
    Figure {
        name: "ladder",
        what: "no line for ten minutes, then nothing for three, by seeds",
        samples: 20,
        measure: ladder::measure,
    },
    Figure {
        name: "speed",
        what: "how fast worlds with faults live, by seeds of 30 minutes",
        samples: 2,
        measure: speed::measure,
    },
];

/// The program: all figures, or the one that is named; with a number after it, so many samples.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let name = words.first().map(String::as_str);
    let samples = words.get(1).and_then(|word| word.parse::<u64>().ok());
    let chosen: Vec<&Figure> =
        FIGURES.iter().filter(|figure| name.is_none_or(|name| name == figure.name)).collect();
    if chosen.is_empty() || words.len() > 2 || samples.is_none() && words.len() == 2 {
        let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        say(&format!("usage: figures [NAME [SAMPLES]]\nfigures: {}\n", names.join(", ")));
        return ExitCode::from(2);
    }
    let mut missed = 0;
    for figure in chosen {
        let samples = samples.unwrap_or(figure.samples);
        say(&format!("{}: {} ({samples})\n", figure.name, figure.what));
        let started = std::time::Instant::now();
        let tell = |done: u64, of: u64| {
            let step = (of / 5).max(1);
            if done.is_multiple_of(step) && done < of {
                say(&format!("  {done} of {of}, {:.0} s\n", started.elapsed().as_secs_f64()));
            }
        };
        let rows = (figure.measure)(samples, &tell);
        missed += rows.iter().filter(|row| !row.holds).count();
        say(&table(&rows));
    }
    say(&format!("{missed} figures missed\n"));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { what, found, bound, holds } in rows {
        let verdict = match (bound.is_empty(), holds) {
            (true, _) => "",
            (_, true) => "holds",
            (_, false) => "MISSED",
        };
        let _ = writeln!(text, "  {what:58} {found:>14}  {bound:>12}  {verdict}");
    }
    text
}

/// Writes to standard output; a reader that went away is no reason to fail.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
fn assert_holds(rows: &[Row]) {
    assert!(
        rows.iter().any(|row| !row.bound.is_empty()) && rows.iter().all(|row| row.holds),
        "\n{}",
        table(rows)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_above_its_bound_does_not_hold() {
        assert!(Row::at_most("", 2.0, 2.0, "s").holds && !Row::at_most("", 2.001, 2.0, "s").holds);
        assert!(Row::at_least("", 2.0, 2.0, "").holds && !Row::at_least("", 1.9, 2.0, "").holds);
        assert!(!Row::at_most("nothing was measured", Samples::default().worst(), 2.0, "s").holds);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let samples = Samples((1..=200).map(|n| n * SEC).collect());
        assert_eq!((samples.percentile(50), samples.percentile(99), samples.worst()), (100.0, 198.0, 200.0));
    }
}
