//! `tapeline demo` in a pipe.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::process::run;

/// The word behind `key` in a line of words.
fn after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace().skip_while(|word| *word != key);
    words.nth(1)
}

#[test]
fn ten_symbols_trade_and_their_books_are_live_within_seconds() {
    let ended = run(&["demo", "--seconds", "4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("tapeline watch binance:book:BTCUSDT --gateway http://127.0.0.1:"),
        "{}",
        ended.stderr
    );
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let counts = |line: &&str| line.split_whitespace().nth(1) == Some("lines");
    let told = ended.stdout.lines().rfind(counts).expect("a line of counts per second");
    assert!(told.contains("binance live") && told.contains("binance-usdm live"), "{told}");
    for line in ended.stdout.lines().filter(|line| !counts(line)) {
        let symbol = line.split_whitespace().nth(1).unwrap();
        of.entry(symbol).or_default().push(line);
    }
    assert_eq!(of.len(), 10, "{}", ended.stdout);
    for (symbol, lines) in of {
        let (first, last) = (lines[0], lines[lines.len() - 1]);
        assert!(last.ends_with("book live"), "{last}");
        assert_eq!(after(last, "gaps"), Some("0"), "{last}");
        let trades = |line| after(line, "trades").and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        assert!(trades(last) > trades(first), "{symbol}: {first} → {last}");
    }
}

#[test]
fn a_terminal_gets_a_picture_and_is_given_back() {
    // `script` lends a pseudo-terminal; its input is none, so that only the deadline ends the view.
    let program = format!("{} demo --seconds 3", env!("CARGO_BIN_EXE_tapeline"));
    let run = Command::new("script").args(["-qec", &program, "/dev/null"]).stdin(Stdio::null()).output();
    let Ok(output) = run else {
        eprintln!("SKIPPED: the program `script`, which lends a terminal, is not installed");
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let (before, after) = shown.split_once("\u{1b}[?1049l").expect("the alternate screen is left");
    assert!(
        before.contains("\u{1b}[?1049h") && before.contains("BTCUSDT") && before.contains("● live"),
        "{before}"
    );
    assert!(before.contains("\u{1b}[?25l") && shown.contains("\u{1b}[?25h"), "the cursor comes back");
    // The last picture stays in the terminal's history.
    assert!(after.contains("LTCUSDT"), "{after}");
}
