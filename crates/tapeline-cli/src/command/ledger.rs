//! `tapeline ledger`: what a running gateway expected of venues, and what came of it.

use serde_json::Value;

use super::status::{columns, items, number, show, text};
use crate::args::{Global, Ledger};
use crate::exit::{Exit, Failed};
use crate::remote::Remote;
use crate::view::number::count;
use crate::view::table::{self, Column, Field};
use crate::view::text::{Line, Tone};

/// The figures, in the order of their columns.
const FIGURES: [&str; 6] = ["expected", "received", "duplicate", "repaired", "lost", "unverifiable"];

/// Runs the command.
pub(crate) async fn run(args: &Ledger, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let of = args.of.as_deref().unwrap_or_default();
    let ledger = remote.get(&format!("/api/v1/ledger?of={}", encoded(of))).await?.granted(&remote)?;
    if args.json {
        crate::out::print(&format!("{ledger}\n"))?;
        return Ok(Exit::Done);
    }
    show(&drawn(&ledger, of.contains(':'), columns()), global)?;
    Ok(Exit::Done)
}

/// A text as it may stand behind `=` in a URL.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@,!/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The table: of topics, or of one topic's minutes.
fn drawn(ledger: &Value, by_minute: bool, columns: usize) -> Vec<Line> {
    const fn figure(name: &'static str, spare: u8) -> Column {
        Column { name, right: true, spare, least: 0 }
    }
    const COLUMNS: [Column; 8] = [
        Column { name: "", right: false, spare: 0, least: 16 },
        figure("COMPLETE", 0),
        figure("EXPECTED", 2),
        figure("RECEIVED", 1),
        figure("COPIES", 4),
        figure("REPAIRED", 0),
        figure("LOST", 0),
        figure("UNVERIFIABLE", 3),
    ];
    let topics = items(ledger);
    if topics.is_empty() {
        let told = "nothing has come of any topic yet: `tapeline watch --gateway URL TOPIC…` asks for some";
        return vec![Line::new().with(Tone::Dim, told)];
    }
    let mut all = COLUMNS;
    let mut rows: Vec<Vec<Field>> = Vec::new();
    if by_minute {
        all[0].name = "MINUTE (UTC)";
        let minutes = topics.iter().filter_map(|topic| topic.get("minutes")?.as_array()).flatten();
        rows.extend(minutes.map(|minute| row(clock(number(minute, "start").unwrap_or(0)), minute)));
        let total = topics.first().and_then(|topic| topic.get("total")).unwrap_or(&Value::Null);
        rows.push(row("since the start".to_owned(), total));
    } else {
        all[0].name = "TOPIC";
        for topic in topics {
            let total = topic.get("total").unwrap_or(&Value::Null);
            rows.push(row(text(topic, "topic").to_owned(), total));
        }
        let total = ledger.get("total").unwrap_or(&Value::Null);
        rows.push(row("all, also those that are gone".to_owned(), total));
    }
    table::draw(&all, &rows, columns)
}

fn row(name: String, counts: &Value) -> Vec<Field> {
    let [expected, received, duplicate, repaired, lost, unverifiable] =
        FIGURES.map(|name| number(counts, name).unwrap_or(0));
    let lost_tone = if lost == 0 { Tone::Good } else { Tone::Bad };
    vec![
        (Tone::Strong, name),
        (lost_tone, complete(expected, lost)),
        (Tone::Plain, count(expected)),
        (Tone::Plain, count(received)),
        (Tone::Dim, count(duplicate)),
        (Tone::Plain, count(repaired)),
        (lost_tone, count(lost)),
        (Tone::Dim, count(unverifiable)),
    ]
}

/// The share that is here. What is not whole is never shown as 100 %.
fn complete(expected: u64, lost: u64) -> String {
    let (expected, here) = (u128::from(expected), u128::from(expected.saturating_sub(lost)));
    match (here * 100_000).checked_div(expected) {
        None => "–".to_owned(),
        Some(share) => format!("{}.{:03} %", share / 1_000, share % 1_000),
    }
}

/// Nanoseconds since 1970 as a time of day.
fn clock(nanos: u64) -> String {
    let minutes = nanos / 60_000_000_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(ledger: &Value, by_minute: bool) -> Vec<String> {
        let lines = drawn(ledger, by_minute, 120);
        lines.iter().map(|line| line.render(120, false).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_ledger_is_a_table_and_nothing_lost_is_hidden_by_rounding() {
        let total =
            json!({"expected": 1_000_000, "received": 999_990, "duplicate": 3, "repaired": 9, "lost": 1});
        let minute = json!({"start": "1781000040000000000", "expected": 5, "received": 5});
        let topic = json!({"topic": "a:trade:X", "total": total, "minutes": [minute]});
        let ledger = json!({"total": total, "items": [topic]});
        let lines = shown(&ledger, false);
        assert!(lines[0].starts_with("TOPIC") && lines[1].starts_with("a:trade:X"), "{lines:?}");
        assert!(lines[1].contains("99.999 %") && lines.len() == 3, "{lines:?}");
        let lines = shown(&ledger, true);
        assert!(lines[1].starts_with("10:14") && lines[1].contains("100.000 %"), "{lines:?}");
        assert!(shown(&json!({"items": []}), false)[0].contains("nothing has come"));
        assert_eq!(complete(0, 0), "–");
    }

    #[test]
    fn a_topic_goes_into_a_url() {
        assert_eq!(encoded("binance:candle:X@interval=1m&a b"), "binance:candle:X@interval%3D1m%26a%20b");
    }
}
