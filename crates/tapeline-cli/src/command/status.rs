//! `tapeline status`: what a running gateway does, as tables.

mod sources;

use std::io::IsTerminal as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::args::{Asked, Global};
use crate::exit::{Exit, Failed};
use crate::out::print;
use crate::remote::Remote;
use crate::view::number::{age, count};
use crate::view::table::{self, Column, Field};
use crate::view::text::{Line, Tone};

/// Topics that are shown in a pipe without `--all`.
const MOST: usize = 200;

/// Runs the command.
pub(crate) async fn run(args: &Asked, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let status = remote.get("/api/v1/status").await?.granted(&remote)?;
    if status.get("level").is_none() {
        return Err(remote.is_none("its answer is not a gateway's"));
    }
    if args.json {
        print(&format!("{status}\n"))?;
        return Ok(Exit::Done);
    }
    let lines = remote.get("/api/v1/lines").await?.granted(&remote)?;
    let topics = remote.get("/api/v1/topics").await?.granted(&remote)?;
    let (terminal, columns) = (std::io::stdout().is_terminal(), columns());
    let mut out = head(&status, &remote);
    for reason in verdict(&status).1 {
        out.push(Line::new().with(Tone::Warning, format!("  {reason}")));
    }
    out.push(Line::new());
    if !items(&status).is_empty() {
        out.extend(sources::venues(items(&status), columns));
        out.push(Line::new());
    }
    out.extend(line_table(items(&lines), columns));
    let endpoints = sources::endpoints(items(&status), columns);
    if !endpoints.is_empty() {
        out.push(Line::new());
        out.extend(endpoints);
    }
    out.push(Line::new());
    let rows = usize::from(crate::view::screen::size().1);
    let room = match (args.all, terminal) {
        (true, _) => usize::MAX,
        // A heading above, the line about what is left out, and the prompt below.
        (false, true) => rows.saturating_sub(out.len() + 3).max(1),
        (false, false) => MOST,
    };
    out.extend(topic_table(items(&topics), columns, room, terminal));
    show(&out, global)?;
    Ok(Exit::Done)
}

/// How wide a table may be. A pipe has no width: everything is shown there.
pub(crate) fn columns() -> usize {
    let terminal = std::io::stdout().is_terminal();
    if terminal { usize::from(crate::view::screen::size().0).max(60) } else { 240 }
}

/// Prints lines, with colours where they are wanted.
pub(crate) fn show(lines: &[Line], global: &Global) -> Result<(), Failed> {
    let (columns, colour) = (columns(), global.colour());
    let text: String =
        lines.iter().map(|line| format!("{}\n", line.render(columns, colour).trim_end())).collect();
    print(&text)
}

/// The items of a list.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text of an item; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A number of an item, also one that is written as a text.
pub(crate) fn number(value: &Value, name: &str) -> Option<u64> {
    let value = value.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A time in nanoseconds since 1970 as an age.
pub(crate) fn since(value: &Value, name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    match number(value, name) {
        Some(nanos) if nanos > 0 => age(now.saturating_sub(nanos / 1_000_000)),
        _ => "–".to_owned(),
    }
}

/// How a level is shown.
pub(crate) fn tone(level: &str) -> Tone {
    match level {
        "healthy" => Tone::Good,
        "warning" => Tone::Warning,
        "" => Tone::Dim,
        _ => Tone::Bad,
    }
}

fn head(status: &Value, remote: &Remote) -> Vec<Line> {
    let level = text(status, "level");
    let mut line = Line::new().with(Tone::Accent, "tapeline ").with(Tone::Strong, remote.url());
    line.push(tone(level), format!("  ● {level}"));
    let mut facts = Vec::new();
    if let Some(version) = status.get("version").and_then(Value::as_str) {
        facts.push(format!("version {version}"));
    }
    if number(status, "started").is_some() {
        facts.push(format!("up {}", since(status, "started")));
    }
    for name in ["connections", "clients"] {
        if let Some(value) = number(status, name) {
            facts.push(format!("{name} {}", count(value)));
        }
    }
    vec![line, Line::new().with(Tone::Dim, facts.join(" · "))]
}

/// Why a level is shown of which nothing is left to be told: levels improve one at a time, each after a while.
pub(crate) const HELD: &str = "nothing is wrong now; called healthy when that has lasted (100 s at most)";

/// The level of the whole, and why.
pub(crate) fn verdict(status: &Value) -> (&str, Vec<String>) {
    let (level, mut reasons) = (text(status, "level"), reasons(status));
    if reasons.is_empty() && !matches!(level, "healthy" | "") {
        reasons.push(HELD.to_owned());
    }
    (level, reasons)
}

fn reasons(status: &Value) -> Vec<String> {
    let list = status.get("reasons").and_then(Value::as_array).into_iter().flatten();
    list.map(|reason| match reason.get("detail").and_then(Value::as_str).or(reason.as_str()) {
        Some(detail) => detail.replace(char::is_control, " "),
        None => reason.to_string(),
    })
    .collect()
}

fn line_table(items: &[Value], columns: usize) -> Vec<Line> {
    const COLUMNS: &[Column] = &[
        Column { name: "LINE", right: false, spare: 0, least: 10 },
        Column { name: "PHASE", right: false, spare: 0, least: 8 },
        Column { name: "LEVEL", right: false, spare: 0, least: 8 },
        Column { name: "SINCE", right: true, spare: 2, least: 5 },
        Column { name: "STREAMS", right: true, spare: 3, least: 0 },
        Column { name: "MESSAGES", right: true, spare: 4, least: 0 },
        Column { name: "RTT", right: true, spare: 5, least: 0 },
        Column { name: "RECONNECTS", right: true, spare: 1, least: 0 },
        Column { name: "ENDPOINT", right: false, spare: 6, least: 0 },
        Column { name: "SIDE", right: false, spare: 1, least: 0 },
        Column { name: "FIRST", right: true, spare: 2, least: 0 },
        Column { name: "LAG", right: true, spare: 2, least: 0 },
    ];
    // What tells two lines of the same topics apart.
    const OF_PAIRS: usize = 3;
    if items.is_empty() {
        return vec![Line::new().with(Tone::Dim, "no lines: nobody has asked for anything yet")];
    }
    let pairs = items.iter().any(|item| text(item, "side") == "b");
    let shown = COLUMNS.len() - if pairs { 0 } else { OF_PAIRS };
    let rows: Vec<Vec<Field>> = items
        .iter()
        .map(|item| {
            let mut row = line_row(item);
            row.truncate(shown);
            row
        })
        .collect();
    table::draw(&COLUMNS[..shown], &rows, columns)
}

fn line_row(item: &Value) -> Vec<Field> {
    let (level, phase) = (text(item, "level"), text(item, "phase"));
    let wanted = number(item, "wanted").unwrap_or(0);
    let confirmed = number(item, "confirmed").unwrap_or(0);
    let millis = |name: &str, unit: f64| number(item, name).map(|value| value as f64 / unit);
    let millis = |name: &str, unit: f64| {
        millis(name, unit).map_or_else(|| "–".to_owned(), |millis| format!("{millis:.1} ms"))
    };
    let shown = match (text(item, "venue"), text(item, "id")) {
        (venue, "") => format!("{venue}/{}", number(item, "id").unwrap_or(0)),
        (_, id) => id.to_owned(),
    };
    let heir = number(item, "heir").map(|heir| format!(" → {heir}")).unwrap_or_default();
    vec![
        (Tone::Strong, shown),
        (if phase == "live" { Tone::Good } else { Tone::Warning }, format!("{phase}{heir}")),
        (tone(level), level.to_owned()),
        (Tone::Dim, since(item, "since")),
        (Tone::Plain, format!("{confirmed}/{wanted}")),
        (Tone::Plain, number(item, "frames").map(count).unwrap_or_default()),
        (Tone::Dim, millis("round_trip_us", 1e3)),
        (Tone::Plain, number(item, "reconnects").map(count).unwrap_or_default()),
        (Tone::Dim, text(item, "endpoint").to_owned()),
        (Tone::Plain, text(item, "side").to_owned()),
        (Tone::Plain, number(item, "first").map(count).unwrap_or_default()),
        (Tone::Dim, millis("lag_ns", 1e6)),
    ]
}

/// How the source of data is shown.
fn source_tone(source: &str) -> Tone {
    if matches!(source, "" | "live") { Tone::Plain } else { Tone::Warning }
}

/// The topics. Where there are more than `room`, healthy ones are only counted if `brief`, and the rest is cut.
fn topic_table(items: &[Value], columns: usize, room: usize, brief: bool) -> Vec<Line> {
    const COLUMNS: &[Column] = &[
        Column { name: "TOPIC", right: false, spare: 0, least: 16 },
        Column { name: "LEVEL", right: false, spare: 0, least: 8 },
        Column { name: "PHASE", right: false, spare: 2, least: 0 },
        Column { name: "SOURCE", right: false, spare: 2, least: 0 },
        Column { name: "AGE", right: true, spare: 0, least: 4 },
        Column { name: "READERS", right: true, spare: 1, least: 0 },
        Column { name: "OFFSET", right: true, spare: 3, least: 0 },
        Column { name: "WHY", right: false, spare: 4, least: 0 },
    ];
    let row = |item: &Value| -> Vec<Field> {
        let level = text(item, "level");
        let readers = item.get("subscribers");
        let readers =
            readers.and_then(|list| list.as_array().map(|list| list.len() as u64).or_else(|| list.as_u64()));
        let offset =
            item.pointer("/position/offset").and_then(Value::as_u64).or_else(|| number(item, "offset"));
        vec![
            (Tone::Strong, text(item, "topic").to_owned()),
            (tone(level), level.to_owned()),
            (Tone::Plain, text(item, "phase").to_owned()),
            (source_tone(text(item, "source")), text(item, "source").to_owned()),
            (Tone::Dim, since(item, "last_message")),
            (Tone::Plain, readers.map(count).unwrap_or_default()),
            (Tone::Dim, offset.map(count).unwrap_or_default()),
            (Tone::Warning, text(item, "reason").to_owned()),
        ]
    };
    if items.is_empty() {
        return vec![
            Line::new().with(Tone::Dim, "no topics: `tapeline watch --gateway URL TOPIC…` asks for some"),
        ];
    }
    let healthy = |item: &&Value| text(item, "level") == "healthy";
    let hidden = if brief && items.len() > room { items.iter().filter(healthy).count() } else { 0 };
    let listed: Vec<&Value> = items.iter().filter(|item| hidden == 0 || !healthy(item)).collect();
    let rows: Vec<Vec<Field>> = listed.iter().take(room).map(|item| row(item)).collect();
    let mut lines = if rows.is_empty() { Vec::new() } else { table::draw(COLUMNS, &rows, columns) };
    let more = listed.len().saturating_sub(room);
    let counts = [(hidden, "healthy"), (more, "more")].into_iter().filter(|(number, _)| *number > 0);
    let counts: Vec<String> =
        counts.map(|(number, word)| format!("{} {word}", count(number as u64))).collect();
    if !counts.is_empty() {
        let what = if rows.is_empty() { "topics: " } else { "… " };
        let told = format!("{what}{}; --all lists every topic", counts.join(" and "));
        lines.push(Line::new().with(Tone::Dim, told));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(levels: &[&str], room: usize, brief: bool) -> Vec<String> {
        let item = |(at, level): (usize, &&str)| json!({"topic": format!("v:trade:S{at}"), "level": level});
        let items: Vec<Value> = levels.iter().enumerate().map(item).collect();
        let lines = topic_table(&items, 80, room, brief);
        lines.iter().map(|line| line.render(80, false).trim_end().to_owned()).collect()
    }

    #[test]
    fn healthy_topics_are_counted_where_there_is_no_room_for_all() {
        let levels = ["healthy", "warning", "healthy", "healthy"];
        assert_eq!(shown(&levels, 4, true).len(), 5, "a heading and all");
        let lines = shown(&levels, 3, true);
        assert!(lines.len() == 3 && lines[1].starts_with("v:trade:S1"), "{lines:?}");
        assert_eq!(lines[2], "… 3 healthy; --all lists every topic");
        assert_eq!(shown(&["healthy"; 3], 2, true), ["topics: 3 healthy; --all lists every topic"]);
        assert_eq!(shown(&["warning"; 4], 2, true)[3], "… 2 more; --all lists every topic");
        assert_eq!(shown(&levels, 2, false)[3], "… 2 more; --all lists every topic");
    }

    #[test]
    fn a_level_that_only_waits_says_so() {
        assert_eq!(
            verdict(&json!({"level": "degraded", "reasons": []})),
            ("degraded", vec![HELD.to_owned()])
        );
        assert_eq!(
            verdict(&json!({"level": "warning", "reasons": ["x: y"]})),
            ("warning", vec!["x: y".to_owned()])
        );
        assert_eq!(verdict(&json!({"level": "healthy"})), ("healthy", Vec::new()));
    }
}
