//! Where the data comes from: each venue's rung of the fallback ladder with its reason, and its endpoints.

use serde_json::Value;

use super::{number, since, text, tone};
use crate::view::number::count;
use crate::view::table::{self, Column, Field};
use crate::view::text::{Line, Tone};

/// The venues.
pub(super) fn venues(items: &[Value], columns: usize) -> Vec<Line> {
    const COLUMNS: &[Column] = &[
        Column { name: "VENUE", right: false, spare: 0, least: 10 },
        Column { name: "LEVEL", right: false, spare: 0, least: 8 },
        Column { name: "FROM", right: false, spare: 0, least: 8 },
        Column { name: "SINCE", right: true, spare: 2, least: 5 },
        Column { name: "POLLED", right: true, spare: 3, least: 0 },
        Column { name: "ROTATED", right: true, spare: 4, least: 0 },
        Column { name: "DISAGREED", right: true, spare: 5, least: 0 },
        Column { name: "WHY", right: false, spare: 1, least: 0 },
    ];
    let row = |item: &Value| -> Vec<Field> {
        let none = Value::Null;
        let ladder = item.get("fallback").unwrap_or(&none);
        let (rung, level) = (text(ladder, "rung"), text(item, "level"));
        let held = ladder.get("pinned").and_then(Value::as_bool) == Some(true);
        let shown = if held { format!("{rung} (pinned)") } else { rung.to_owned() };
        let figure = |value: Option<u64>| value.map(count).unwrap_or_default();
        vec![
            (Tone::Strong, text(item, "id").to_owned()),
            (tone(level), level.to_owned()),
            (if rung == "primary" { Tone::Good } else { Tone::Warning }, shown),
            (Tone::Dim, since(ladder, "since")),
            (Tone::Plain, figure(number(ladder, "polled"))),
            (Tone::Plain, figure(number(item, "rotations"))),
            (Tone::Plain, figure(number(item, "mismatches"))),
            (Tone::Dim, text(ladder, "reason").to_owned()),
        ]
    };
    let rows: Vec<Vec<Field>> = items.iter().map(row).collect();
    table::draw(COLUMNS, &rows, columns)
}

/// The endpoints of all venues.
pub(super) fn endpoints(items: &[Value], columns: usize) -> Vec<Line> {
    const COLUMNS: &[Column] = &[
        Column { name: "ENDPOINT", right: false, spare: 0, least: 16 },
        Column { name: "FOR", right: false, spare: 0, least: 0 },
        Column { name: "BREAKER", right: false, spare: 0, least: 7 },
        Column { name: "SCORE", right: true, spare: 1, least: 0 },
        Column { name: "DIALS", right: true, spare: 2, least: 0 },
        Column { name: "FAILED", right: true, spare: 3, least: 0 },
        Column { name: "HELD", right: true, spare: 4, least: 0 },
    ];
    let mut rows: Vec<Vec<Field>> = Vec::new();
    for venue in items {
        for item in venue.get("endpoints").and_then(Value::as_array).into_iter().flatten() {
            let breaker = text(item, "breaker");
            // REST is asked, not dialled.
            let dials = |name: &str| number(item, name).filter(|_| text(item, "protocol") == "ws").map(count);
            let held = number(item, "held_ms").filter(|held| *held > 0);
            let score = item.get("score").and_then(Value::as_f64).map(|score| format!("{score:.0}"));
            rows.push(vec![
                (Tone::Strong, text(item, "origin").to_owned()),
                (Tone::Dim, format!("{} {}", text(venue, "id"), text(item, "protocol"))),
                (if breaker == "closed" { Tone::Good } else { Tone::Warning }, breaker.replace('_', " ")),
                (Tone::Plain, score.unwrap_or_else(|| "–".to_owned())),
                (Tone::Plain, dials("dials_opened").unwrap_or_default()),
                (Tone::Plain, dials("dials_failed").unwrap_or_default()),
                (Tone::Dim, held.map(crate::view::number::age).unwrap_or_default()),
            ]);
        }
    }
    if rows.is_empty() { Vec::new() } else { table::draw(COLUMNS, &rows, columns) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_venue_on_a_lower_rung_says_which_and_why() {
        let ladder = json!({"rung": "poll", "reason": "no line is live", "pinned": true, "polled": 4});
        let endpoints = json!([
            {"protocol": "ws", "origin": "wss://a", "breaker": "half_open", "score": 62.0, "dials_opened": 3,
             "dials_failed": 1, "held_ms": 12_000},
            {"protocol": "rest", "origin": "https://b", "breaker": "closed", "score": null, "held_ms": 0},
        ]);
        let venue = json!({"id": "binance", "level": "degraded", "fallback": ladder, "endpoints": endpoints});
        let shown = |lines: Vec<Line>| -> Vec<String> {
            lines.iter().map(|line| line.render(200, false).trim_end().to_owned()).collect()
        };
        let lines = shown(venues(std::slice::from_ref(&venue), 200));
        assert!(lines[1].contains("poll (pinned)") && lines[1].ends_with("no line is live"), "{lines:?}");
        let lines = shown(super::endpoints(&[venue], 200));
        assert!(lines[1].contains("half open") && lines[1].contains("62"), "{lines:?}");
        assert!(lines[1].ends_with("12s") && lines[2].contains("binance rest"), "{lines:?}");
    }
}
