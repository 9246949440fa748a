//! Files that may not grow as far as they would.

use std::process::Command;

use crate::process::{Folder, Running, dead_port, tapeline};

#[test]
fn a_file_that_may_not_grow_is_told_as_the_disks_fault_and_ends_nothing() {
    let folder = Folder::new("file-size");
    let port = dead_port();
    let set = [
        "gateway.listen=127.0.0.1:0".to_owned(),
        "state.dir=state".to_owned(),
        "state.event_log=true".to_owned(),
        "venues.binance.warm=[\"binance:trade:BTCUSDT\"]".to_owned(),
        format!("venues.binance.streams=[\"ws://127.0.0.1:{port}\"]"),
        format!("venues.binance.rest=[\"http://127.0.0.1:{port}\"]"),
    ];
    let plain = tapeline(&["serve"]);
    // The log of dials that fail soon holds more than the half or whole kilobyte that a file may.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    for set in &set {
        command.args(["--set", set]);
    }
    let mut gateway = Running::start(command.current_dir(folder.path()));
    gateway.told(|line| line.contains("event log") && line.contains("too large"));
    gateway.signal("TERM");
    assert_eq!(gateway.code(), Some(0));
}
