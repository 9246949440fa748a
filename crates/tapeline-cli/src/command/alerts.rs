//! `tapeline alerts`: what is wrong with a running gateway and its venues, and what to do.

use serde_json::Value;

use super::status::{columns, items, number, show, since, text, tone};
use crate::args::{Alerts, Global};
use crate::exit::{Exit, Failed};
use crate::remote::Remote;
use crate::view::number::count;
use crate::view::text::{Line, Tone, wrapped};

/// Alerts that are over and shown.
const OVER: usize = 20;

/// Runs the command.
pub(crate) async fn run(args: &Alerts, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let told = remote.get("/api/v1/alerts").await?.granted(&remote)?;
    if args.json {
        crate::out::print(&format!("{told}\n"))?;
        return Ok(Exit::Done);
    }
    show(&drawn(&told, args.all, columns()), global)?;
    Ok(Exit::Done)
}

fn is(alert: &Value, name: &str) -> bool {
    alert.get(name).and_then(Value::as_bool) == Some(true)
}

fn drawn(told: &Value, all: bool, columns: usize) -> Vec<Line> {
    let quiet = |alert: &&Value| text(alert, "state") == "pending" || is(alert, "muted");
    let shown: Vec<&Value> = items(told).iter().filter(|alert| all || !quiet(alert)).collect();
    let mut lines: Vec<Line> = shown.iter().flat_map(|alert| one(alert, columns)).collect();
    if shown.is_empty() {
        lines.push(Line::new().with(Tone::Good, "nothing is wrong that has lasted"));
    }
    let hidden = items(told).len() - shown.len();
    if hidden > 0 {
        let text = format!("… {} pending or explained by others; --all lists them", count(hidden as u64));
        lines.push(Line::new().with(Tone::Dim, text));
    }
    let over = told.get("resolved").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all && !over.is_empty() {
        lines.push(Line::new());
        lines.push(Line::new().with(Tone::Dim, "over:"));
        lines.extend(over.iter().rev().take(OVER).map(head));
    }
    if let Some(refused) = number(told, "refused").filter(|refused| *refused > 0) {
        let text = format!("{} more for which there was no room", count(refused));
        lines.push(Line::new().with(Tone::Warning, text));
    }
    lines
}

/// What, whose, how bad, since when.
fn head(alert: &Value) -> Line {
    let level = text(alert, "level");
    let whose = match (text(alert, "venue"), text(alert, "part")) {
        ("", "") => "this process".to_owned(),
        ("", part) => part.to_owned(),
        (venue, "") => venue.to_owned(),
        // A topic says its venue itself.
        (venue, part) if part.starts_with(venue) => part.to_owned(),
        (venue, part) => format!("{venue} {part}"),
    };
    let mut line = Line::new().with(tone(level), format!("● {level:<10}"));
    line.push(Tone::Strong, format!("{:<18}", text(alert, "rule")));
    line.push(Tone::Plain, whose.replace(char::is_control, " "));
    let mut notes = vec![format!("for {}", since(alert, "since"))];
    match text(alert, "state") {
        "pending" => notes.push("pending".to_owned()),
        "resolved" => notes = vec![format!("began {} ago", since(alert, "since"))],
        _ => {}
    }
    for (name, word) in [("muted", "explained by another"), ("flapping", "comes and goes")] {
        if is(alert, name) {
            notes.push(word.to_owned());
        }
    }
    line.with(Tone::Dim, format!("  {}", notes.join(", ")))
}

/// One alert with its evidence and what to do.
fn one(alert: &Value, columns: usize) -> Vec<Line> {
    let mut lines = vec![head(alert)];
    for (name, tone) in [("evidence", Tone::Plain), ("action", Tone::Dim)] {
        let said = text(alert, name).replace(char::is_control, " ");
        let parts = wrapped(&said, columns.saturating_sub(4).max(20));
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        lines.extend(parts.map(|part| Line::new().with(tone, format!("    {part}"))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(told: &Value, all: bool) -> Vec<String> {
        drawn(told, all, 100).iter().map(|line| line.render(100, false).trim_end().to_owned()).collect()
    }

    #[test]
    fn what_is_wrong_comes_with_evidence_and_action_and_the_rest_on_demand() {
        let firing = json!({"rule": "venue_down", "venue": "a", "part": "", "level": "critical", "state": "firing",
            "evidence": "all lines\u{7} down", "action": "look at the page"});
        let muted = json!({"rule": "stale", "venue": "a", "part": "a:trade:X", "level": "warning",
            "state": "firing", "muted": true});
        let over = json!({"rule": "gaps", "venue": "a", "part": "", "level": "warning", "state": "resolved"});
        let told = json!({"items": [firing, muted], "resolved": [over], "refused": 0});
        let lines = shown(&told, false);
        assert!(lines[0].starts_with("● critical") && lines[0].contains("venue_down"), "{lines:?}");
        assert_eq!(lines[1..3], ["    all lines  down", "    look at the page"]);
        assert!(lines[3].starts_with("… 1 pending or explained") && lines.len() == 4, "{lines:?}");
        let lines = shown(&told, true);
        assert!(lines.iter().any(|line| line.contains("a:trade:X") && line.contains("explained by another")));
        assert!(lines.iter().any(|line| line.contains("gaps")), "{lines:?}");
        assert_eq!(shown(&json!({"items": []}), false), ["nothing is wrong that has lasted"]);
    }
}
