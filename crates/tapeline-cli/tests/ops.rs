//! The example of a configuration is one: as it stands, and with everything in it turned on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

/// What the check takes for a certificate.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/tapeline.example.toml")
}

/// Checks a file, apart from the environment of whoever runs the tests.
fn check(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TAPELINE_")) {
        command.env_remove(name);
    }
    command.args(["config", "check", "-c"]).arg(file).output().unwrap()
}

#[test]
fn the_example_is_a_configuration() {
    let answer = check(&example());
    assert!(answer.status.success(), "{answer:?}");
}

#[test]
fn what_the_example_leaves_off_can_be_turned_on() {
    let text = std::fs::read_to_string(example()).unwrap();
    let on = text.replace("\n#: ", "\n");
    assert!(on.lines().count() == text.lines().count() && on != text);
    let folder = std::env::temp_dir().join(format!("tapeline-ops-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("tapeline.toml");
    std::fs::write(&file, on).unwrap();
    std::fs::write(folder.join("admin-token"), "a-token-of-more-than-thirty-two-characters\n").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(
        folder.join("admin-token"),
        <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600),
    )
    .unwrap();
    std::fs::write(folder.join("ca.pem"), PEM).unwrap();
    let answer = check(&file);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(answer.status.success(), "{answer:?}");
}
