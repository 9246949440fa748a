//! `tapeline config`.

use crate::process::{Folder, end, run, tapeline};

#[test]
fn check_says_ok_and_where_it_looked() {
    let ended = run(&["config", "check"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("configuration ok\n"), "{}", ended.stdout);
    let folder = Folder::new("sources");
    folder.write("tapeline.toml", "[timing]\nlinger = \"1m\"\n");
    let mut command = tapeline(&["config", "check"]);
    let ended = end(command.current_dir(folder.path()).env("TAPELINE_LIMITS__TOPICS", "5"));
    assert!(ended.stdout.contains("tapeline.toml"), "{}", ended.stdout);
    assert!(ended.stdout.contains("environment  1 key"), "{}", ended.stdout);
}

#[test]
fn every_problem_is_told_at_once_with_code_78() {
    let folder = Folder::new("problems");
    let file = folder.write("bad.toml", "[timing]\nlinger = 5\nlingr = \"5m\"\n[venues.nasdaq]\n");
    let file = file.to_str().unwrap();
    let ended = end(tapeline(&["config", "check", "-c", file]).env("TAPELINE_LIMITS__TOPICS", "none"));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.stderr);
    assert!(
        lines[0].starts_with(&format!("{file}:2:10: timing.linger: expected a duration")),
        "{}",
        lines[0]
    );
    assert!(lines[1].ends_with("did you mean `linger`?"), "{}", lines[1]);
    assert!(lines[2].contains("binance, binance-usdm"), "{}", lines[2]);
    assert!(
        lines[3].starts_with("environment TAPELINE_LIMITS__TOPICS: expected a whole number"),
        "{}",
        lines[3]
    );
}

#[test]
fn a_wrong_configuration_stops_every_command_before_it_does_anything() {
    for command in [&["watch", "binance:trade:BTCUSDT"][..], &["config", "show"]] {
        let ended = end(tapeline(command).args(["-c", "no/such.toml"]));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{command:?}");
        assert!(
            ended.stderr.starts_with("no/such.toml: expected a readable configuration file"),
            "{}",
            ended.stderr
        );
    }
    let ended = run(&["config", "check", "--set", "timing.linger=forever"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.starts_with("--set timing.linger: expected a duration"), "{}", ended.stderr);
}

#[test]
fn what_show_prints_is_a_configuration_with_the_same_effect() {
    let folder = Folder::new("show");
    let mut command = tapeline(&["config", "show", "--set", "timing.sweep=2s"]);
    command.env("TAPELINE_VENUES__BINANCE__STREAMS", "[\"ws://127.0.0.1:7\"]");
    let shown = end(&mut command);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("# environment TAPELINE_VENUES__BINANCE__STREAMS"), "{}", shown.stdout);
    assert!(shown.stdout.contains("# --set timing.sweep"), "{}", shown.stdout);
    let file = folder.write("again.toml", &shown.stdout);
    let again = run(&["config", "show", "-c", file.to_str().unwrap()]);
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  #").next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(values(&again.stdout), values(&shown.stdout), "{}", again.stderr);
}

#[test]
fn the_schema_is_json() {
    let ended = run(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(schema["properties"]["timing"]["properties"]["linger"]["default"], "5m");
    assert_eq!(ended.code, Some(0));
}
