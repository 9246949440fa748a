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
