//! `tapeline drill`: named troubles in virtual time, or over real sockets, with verdicts and figures.

mod real;

use std::io::Write as _;

use tapeline_sim::drills::{self, Report, Summary, Unknown, staged};

use tokio::task::JoinHandle;

use self::real::NotPlayed;
use crate::args::{DrillAction, Global};
use crate::exit::{Exit, Failed};
use crate::out::{print, print_to_reader};

/// Runs the command.
pub(crate) async fn run(action: DrillAction, global: &Global) -> Result<Exit, Failed> {
    match action {
        DrillAction::List { json } => list(json),
        DrillAction::Run { name, all: _, real, json, seed } => {
            let names: Vec<String> = match name {
                Some(name) => {
                    let unknown = |why: Unknown| Failed::new(Exit::Usage, why);
                    drills::check(&name)
                        .map_err(|why| unknown(why).hint("`tapeline drill list` shows all of them"))?;
                    vec![name]
                }
                None if real => staged::stageable().into_iter().map(str::to_owned).collect(),
                None => drills::list().iter().map(|drill| drill.name.to_owned()).collect(),
            };
            play(&names, Manner { real, json, seed }, global).await
        }
    }
}

fn list(json: bool) -> Result<Exit, Failed> {
    let all = drills::list();
    if json {
        print(&format!("{}\n", drills::catalogue()))?;
        return Ok(Exit::Done);
    }
    let mut out = format!("{:<20}  {:<12}  WHAT HAPPENS\n", "DRILL", "FAULTS");
    for drill in all {
        out.push_str(&format!("{:<20}  {:<12}  {}\n", drill.name, drill.faults.join(" "), drill.about));
    }
    print(&out)?;
    Ok(Exit::Done)
}

/// A drill that is being played.
type Played = JoinHandle<Result<Report, NotPlayed>>;

/// How drills are run and told.
#[derive(Debug, Clone, Copy)]
struct Manner {
    real: bool,
    json: bool,
    seed: u64,
}

/// The report of a drill: of one that is being played over real sockets, or of one in virtual time.
async fn report(name: &str, seed: u64, played: Option<Played>) -> Result<Report, Failed> {
    let usage = |why: Unknown| Failed::new(Exit::Usage, why);
    let Some(played) = played else { return drills::run(name, seed).map_err(usage) };
    let report = played.await.map_err(|panicked| Failed::new(Exit::Internal, panicked))?;
    report.map_err(|why| match why {
        NotPlayed::Unknown(why) => usage(why),
        NotPlayed::Virtual(why) => {
            let words = format!("{name} is played in virtual time only: {why}");
            Failed::new(Exit::Usage, words).hint("leave --real out")
        }
        NotPlayed::Failed(why) => Failed::new(Exit::Failure, why),
    })
}

async fn play(names: &[String], manner: Manner, global: &Global) -> Result<Exit, Failed> {
    let Manner { json, seed, .. } = manner;
    let paint = Paint(global.colour());
    let mut reports = Vec::new();
    let mut played = if manner.real { real::start(names, seed) } else { Vec::new() }.into_iter();
    for (place, name) in names.iter().enumerate() {
        if global.louder() >= 0 {
            // Whoever closed stderr wants no progress.
            let _ = writeln!(std::io::stderr(), "[{}/{}] {name}", place + 1, names.len());
        }
        let report = report(name, seed, played.next()).await?;
        if !json {
            let head = if place == 0 { head() } else { String::new() };
            if !print_to_reader(&(head + &row(&report, paint)))? {
                // Nobody reads on.
                return Ok(Exit::Done);
            }
        }
        reports.push(report);
    }
    let all = drills::sum_up(seed, reports);
    if json {
        let text = serde_json::to_string(&all).map_err(|error| Failed::new(Exit::Internal, error))?;
        print(&(text + "\n"))?;
    } else {
        print(&foot(&all, paint))?;
    }
    Ok(if all.summary.failed == 0 { Exit::Done } else { Exit::Failure })
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn verdict(self, passed: bool) -> String {
        let (word, colour) = if passed { ("passed", 32) } else { ("FAILED", 31) };
        if self.0 { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

fn head() -> String {
    format!(
        "{:<20}  VERDICT  {:>8}  {:>8}  {:>10}  {:>9}  {:>9}  {:>5}  {:>7}  {:>8}\n",
        "DRILL", "TTD", "MTTR", "MTBF", "AVAILABLE", "RECOVERED", "LOST", "DOUBLED", "DECLARED"
    )
}

fn row(report: &Report, paint: Paint) -> String {
    let mut out = format!(
        "{:<20}  {}   {:>8}  {:>8}  {:>10}  {:>9}  {:>9}  {:>5}  {:>7}  {:>8}\n",
        report.name,
        paint.verdict(report.passed),
        seconds(report.ttd_s),
        seconds(report.mttr_s),
        seconds(report.mtbf_s),
        share(report.availability, 3),
        share(report.recovery, 0),
        report.lost,
        report.duplicated,
        report.declared,
    );
    for words in report.failures.iter().flat_map(|words| words.lines()) {
        out.push_str(&format!("    {words}\n"));
    }
    out
}

fn foot(all: &Summary, paint: Paint) -> String {
    let total = &all.summary;
    format!(
        "{}: {} of {} drills with seed {}; {} outages, slowest detection {}, slowest repair {}, recovered {}; lost {}, \
         doubled {}, declared {}\n",
        paint.verdict(total.failed == 0),
        total.passed,
        total.drills,
        total.seed,
        total.outages,
        seconds(total.ttd_max_s),
        seconds(total.ttr_max_s),
        share(total.recovery, 1),
        total.lost,
        total.duplicated,
        total.declared,
    )
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2} s"))
}

/// A share in percent, never rounded up to the whole.
fn share(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let factor = 10f64.powi(i32::try_from(digits).unwrap_or(0));
    format!("{:.digits$} %", (value * 100.0 * factor).floor() / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        drills::run("late-line", 1).unwrap_or_else(|why| panic!("{why}"))
    }

    #[test]
    fn a_row_stands_under_its_heading() {
        let report =
            Report { mttr_s: Some(1.5), mtbf_s: Some(1_440.0), availability: Some(0.99999), ..report() };
        let row = row(&report, Paint(false));
        let width = |text: &str| text.trim_end().chars().count();
        assert_eq!(width(&row), width(&head()), "{}{row}", head());
        assert!(row.contains("passed") && row.contains("1.50 s") && row.contains("99.999 %"), "{row}");
    }

    #[test]
    fn what_failed_stands_below_and_colours_are_only_for_terminals() {
        let report = Report { passed: false, failures: vec!["a\nb".to_owned()], ..report() };
        let plain = row(&report, Paint(false));
        assert!(plain.contains("FAILED") && plain.ends_with("    a\n    b\n") && !plain.contains('\x1b'));
        assert!(row(&report, Paint(true)).contains("\x1b[31mFAILED\x1b[0m"));
    }

    #[test]
    fn nothing_is_rounded_up_to_the_whole() {
        assert_eq!(share(Some(0.999_999), 3), "99.999 %");
        assert_eq!(share(Some(1.0), 0), "100 %");
        assert_eq!(share(None, 0), "–");
    }
}
