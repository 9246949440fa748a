//! Surroundings that are not as usual: no environment at all, or a wrong one.

use crate::process::{Folder, Running, end, tapeline};

/// What is set, of an environment that is otherwise empty.
type Set = &'static [(&'static str, &'static str)];

const ODD: [Set; 4] = [
    &[],
    &[("TZ", "Nowhere/At_All"), ("HOME", "/no/such/home"), ("LANG", "xx_YY.no-such-charset")],
    &[("TZ", ""), ("HOME", ""), ("LANG", ""), ("LC_ALL", ""), ("PATH", "")],
    &[
        ("TZ", ":/dev/null"),
        ("HOME", "relative/home"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("XDG_STATE_HOME", "not/absolute"),
    ],
];

#[test]
fn without_an_environment_or_with_a_wrong_one_the_program_serves_and_leaves_in_good_order() {
    for (at, set) in ODD.into_iter().enumerate() {
        let folder = Folder::new(&format!("odd-{at}"));
        let surround = |arguments: &[&str]| {
            let mut command = tapeline(arguments);
            command.env_clear().envs(set.iter().copied()).current_dir(folder.path());
            command
        };
        let listen = ["serve", "--log", "json", "-v", "--set", "gateway.listen=127.0.0.1:0"];
        let mut gateway = Running::start(&mut surround(&listen));
        let first = gateway.line();
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{set:?}: {first}"));
        let health = end(&mut surround(&["health", "--gateway", url]));
        assert_eq!(health.code, Some(0), "{set:?}: {}{}", health.stdout, health.stderr);
        let ended = end(&mut surround(&["config", "check"]));
        assert_eq!(ended.code, Some(0), "{set:?}: {}{}", ended.stdout, ended.stderr);
        let told = gateway.told(|line| line.contains("serving"));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        // Times are told in UTC, whatever the zone.
        assert!(told["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{set:?}: {told}");
        gateway.signal("TERM");
        assert_eq!(gateway.code(), Some(0), "{set:?}");
    }
}
