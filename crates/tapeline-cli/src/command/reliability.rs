//! `tapeline reliability`: how available topics were, and how soon outages were found and mended.

use serde_json::Value;

use super::ledger::encoded;
use super::status::{columns, items, number, show, text};
use crate::args::{Global, Reliability};
use crate::exit::{Exit, Failed};
use crate::remote::Remote;
use crate::view::number::{age, count};
use crate::view::table::{self, Column, Field};
use crate::view::text::{Line, Tone};

/// Runs the command.
pub(crate) async fn run(args: &Reliability, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let window = args.window.as_deref().unwrap_or_default();
    let path = format!("/api/v1/reliability?window={}", encoded(window));
    let told = remote.get(&path).await?.granted(&remote)?;
    if args.json {
        crate::out::print(&format!("{told}\n"))?;
        return Ok(Exit::Done);
    }
    show(&drawn(&told, columns()), global)?;
    Ok(Exit::Done)
}

fn drawn(told: &Value, columns: usize) -> Vec<Line> {
    const fn figure(name: &'static str, spare: u8) -> Column {
        Column { name, right: true, spare, least: 0 }
    }
    const COLUMNS: &[Column] = &[
        Column { name: "OF", right: false, spare: 0, least: 16 },
        // From a line, and from a line or by polling.
        figure("AVAILABLE", 0),
        figure("OR POLLED", 3),
        figure("OUTAGES", 0),
        figure("DOWN", 2),
        figure("FOUND IN", 1),
        figure("MTTR", 0),
        figure("LONGEST", 4),
        figure("MTBF", 2),
    ];
    let window = told.get("window_s").and_then(Value::as_f64);
    let over =
        window.map_or("since the start".to_owned(), |window| format!("of the latest {}", span(window)));
    let covered = told.get("covered_s").and_then(Value::as_f64).unwrap_or(0.0);
    let mut lines =
        vec![Line::new().with(Tone::Dim, format!("{over}; {} of it are on record", span(covered)))];
    if items(told).is_empty() {
        let why = "nothing is measured yet: a topic counts from when somebody asks for it";
        lines.push(Line::new().with(Tone::Dim, why));
        return lines;
    }
    let mut rows = vec![row("everything".to_owned(), told)];
    for venue in items(told) {
        rows.push(row(text(venue, "id").to_owned(), venue));
        for topic in venue.get("topics").and_then(Value::as_array).into_iter().flatten() {
            rows.push(row(format!("  {}", text(topic, "topic")), topic));
        }
    }
    lines.extend(table::draw(COLUMNS, &rows, columns));
    lines.push(Line::new().with(Tone::Dim, borne(told)));
    lines
}

/// How well faults of lines were borne.
fn borne(told: &Value) -> String {
    let figure =
        |name: &str| told.pointer(&format!("/tolerance/faults/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let (all, felt) = (figure("lines"), figure("felt"));
    let score = told.pointer("/tolerance/score").and_then(Value::as_f64);
    let score = score.map(|score| format!("; fault tolerance {score:.1} of 100")).unwrap_or_default();
    format!("lines lost {}, of which topics felt {}{score}", count(all), count(felt))
}

fn row(name: String, report: &Value) -> Vec<Field> {
    let of =
        |service: &str, name: &str| report.pointer(&format!("/{service}/{name}")).and_then(Value::as_f64);
    let full = report.get("full").unwrap_or(&Value::Null);
    let failures = number(full, "failures").unwrap_or(0);
    let tone = if failures == 0 { Tone::Good } else { Tone::Warning };
    let length = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), span);
    vec![
        (Tone::Strong, name),
        (tone, share(of("full", "availability"))),
        (Tone::Plain, share(of("any", "availability"))),
        (tone, count(failures)),
        (Tone::Plain, length(of("full", "down_s").filter(|down| *down > 0.0))),
        (Tone::Plain, length(of("full", "ttd/p50_s"))),
        (Tone::Plain, length(of("full", "mttr_s"))),
        (Tone::Dim, length(of("full", "ttr/max_s"))),
        (Tone::Dim, length(of("full", "mtbf_s"))),
    ]
}

/// A share in per cent, rounded down: what is not whole is never shown as 100 %.
fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.3} %", (share * 1e5).floor() / 1e3))
}

fn span(seconds: f64) -> String {
    match seconds {
        0.0..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => age((seconds * 1e3) as u64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outage_is_told_and_what_is_not_known_is_a_dash() {
        let figures = json!({"availability": 0.999_999_9, "failures": 1, "down_s": 0.25, "mttr_s": 0.25,
            "mtbf_s": 3600.0, "ttr": {"max_s": 0.25}, "ttd": {"p50_s": 0.012}});
        let none = json!({"availability": null, "failures": 0, "down_s": 0.0, "mttr_s": null});
        let topic = json!({"topic": "a:trade:X", "full": figures, "any": none});
        let venue = json!({"id": "a", "full": figures, "any": none, "topics": [topic]});
        let told = json!({"window_s": 3600.0, "covered_s": 600.0, "full": figures, "any": none,
            "tolerance": {"faults": {"lines": 3, "felt": 1}, "score": 97.5}, "items": [venue]});
        let shown = |told: &Value| -> Vec<String> {
            drawn(told, 160).iter().map(|line| line.render(160, false).trim_end().to_owned()).collect()
        };
        let lines = shown(&told);
        assert_eq!(lines[0], "of the latest 60m; 10m of it are on record");
        assert!(
            lines[2].contains("99.999 %") && lines[2].contains("250 ms") && lines[2].contains("12 ms"),
            "{lines:?}"
        );
        assert!(lines[4].starts_with("  a:trade:X") && lines[4].contains('–'), "{lines:?}");
        assert_eq!(lines[5], "lines lost 3, of which topics felt 1; fault tolerance 97.5 of 100");
        assert!(shown(&json!({"items": []}))[1].contains("nothing is measured"));
    }
}
