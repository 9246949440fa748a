//! The command line: help, mistakes, and what is said about them.

use crate::process::{Ended, run};

#[track_caller]
fn check(arguments: &[&str], code: i32, expected: &str) {
    let Ended { code: got, stdout, stderr } = run(arguments);
    assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
    assert!(stdout.is_empty() && stderr.contains(expected), "{arguments:?}: {stdout} {stderr}");
}

#[test]
fn mistakes_are_told_on_stderr_with_code_2() {
    check(&[], 2, "tapeline demo");
    check(&["wach"], 2, "watch");
    check(&["watch"], 2, "<TOPIC>...");
    check(&["watch", "--delivery", "some", "binance:trade:X"], 2, "every, conflate");
    for wrong in ["foo", "http//a", "https://a", "a:b", "http://a/b"] {
        check(&["status", "--gateway", wrong], 2, "write it like http://127.0.0.1:8480");
    }
    check(&["simulate", "--speed", "0"], 2, "max");
    check(&["simulate", "--drop", "BTCUSDT"], 2, "BTCUSDT:50");
    check(&["simulate", "--port", "0", "--symbols", "NOPE"], 2, "it has BTCUSDT");
    check(&["simulate", "--script", "/no/such/script"], 2, "/no/such/script: ");
    // Any text will do: this one is a manifest.
    check(
        &["simulate", "--script", "Cargo.toml"],
        2,
        "Cargo.toml: line 1: \"[package]\" is no kind of trouble",
    );
}

#[test]
fn a_topic_that_is_none_is_told_with_what_to_write_instead() {
    check(&["watch", "BTCUSDT"], 2, "binance:trade:BTCUSDT");
    check(&["watch", "binance:trads:BTCUSDT"], 2, "did you mean");
    check(&["watch", "binance:nonsense:BTCUSDT"], 2, "channels are trade, ");
    check(&["watch", "binanze:trade:BTCUSDT"], 2, "binance-usdm");
    check(&["watch", "binance:liquidation:BTCUSDT"], 2, "does not offer");
    check(&["watch", "one", "two"], 2, "`two`");
}

#[test]
fn help_and_version_go_to_stdout() {
    for arguments in [&["--help"][..], &["help", "watch"], &["simulate", "--help"], &["--version"]] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ended.stdout.contains("tapeline"), "{arguments:?}");
    }
}

#[test]
fn the_preview_of_delays_is_nominal_with_true_bounds() {
    let ended = run(&["backoff", "preview"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let nominal: Vec<&str> =
        ended.stdout.lines().skip(1).take(7).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(nominal, ["1", "2", "4", "8", "16", "30", "30"], "{}", ended.stdout);
    let ended =
        run(&["backoff", "preview", "--json", "--failures", "3", "--set", "timing.backoff_spread=0.5"]);
    let rows: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[2]["nominal_ms"], &rows[2]["low_ms"], &rows[2]["high_ms"]),
        (&4000.into(), &2000.into(), &6000.into())
    );
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(&["completions", shell]);
        assert!(ended.code == Some(0) && ended.stdout.contains("reconnect"), "{shell}: {}", ended.stderr);
    }
}
