//! `tapeline simulate`.

use crate::process::{Running, simulator, tapeline, watch};

#[test]
fn it_tells_its_port_first_and_leaves_as_asked() {
    for (signal, code) in [("INT", 130), ("TERM", 0)] {
        let (mut simulator, port) = simulator(&[]);
        assert_ne!(port, 0);
        simulator.signal(signal);
        assert_eq!(simulator.code(), Some(code), "after {signal}");
    }
}

#[test]
fn a_taken_port_is_told_with_what_to_do() {
    let (_first, port) = simulator(&[]);
    let mut second = Running::start(&mut tapeline(&["simulate", "--port", &port.to_string()]));
    assert!(second.told(|line| line.contains("--port 0")).contains(&port.to_string()));
    assert_eq!(second.code(), Some(1));
}

#[test]
fn the_end_of_a_playback_is_told_and_the_venue_stays_open() {
    let (mut simulator, port) = simulator(&["--frames", "2000", "--speed", "max"]);
    let first = Running::start(&mut watch(port, &["binance:trade:BTCUSDT"]));
    first.line();
    let told = simulator.line();
    let frames = told.strip_prefix("playback finished frames=").and_then(|frames| frames.parse::<u64>().ok());
    assert!(frames.is_some_and(|frames| frames >= 1_000), "{told}");
    // Still there: a second reader is served its status, and the simulator leaves only when told.
    let second = Running::start(&mut watch(port, &["binance:book:BTCUSDT"]));
    assert!(second.line().starts_with('{'));
    simulator.signal("TERM");
    assert_eq!(simulator.code(), Some(0));
}

#[test]
fn a_folder_that_is_no_capture_is_told() {
    let mut failed =
        Running::start(&mut tapeline(&["simulate", "--port", "0", "--capture", "/no/such/capture"]));
    failed.told(|line| line.contains("frames.ndjson"));
    assert_eq!(failed.code(), Some(1));
}

#[test]
fn with_tls_the_certificate_to_trust_is_written_down() {
    let dir = std::env::temp_dir().join(format!("tapeline-cli-tls-{}", std::process::id()));
    let (mut simulator, _) = simulator(&["--tls", dir.to_str().unwrap()]);
    let written = std::fs::read_to_string(dir.join("ca.pem")).unwrap();
    assert!(written.starts_with("-----BEGIN CERTIFICATE-----"), "{written}");
    simulator.signal("TERM");
    assert_eq!(simulator.code(), Some(0));
    std::fs::remove_dir_all(&dir).unwrap();
    let nowhere = ["simulate", "--port", "0", "--tls", "/dev/null/here"];
    let mut failed = Running::start(&mut tapeline(&nowhere));
    failed.told(|line| line.contains("ca.pem"));
    assert_eq!(failed.code(), Some(1));
}
