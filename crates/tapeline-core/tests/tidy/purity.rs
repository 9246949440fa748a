//! The compiler's own enforcement, tried: a crate that breaks the purity of the core is refused by
//! the very lints and bans that the core is built with, and told why.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use toml::Table;

use crate::root;

/// A small crate in a folder of its own, removed when done with.
struct Crate(PathBuf);

impl Crate {
    /// With the bans of `like` and the lints of the workspace, and `source` as its only file.
    fn new(like: &str, label: &str, source: &str) -> Self {
        let unique = format!("tapeline-purity-{like}-{label}-{}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        let planted = Self(folder);
        fs::create_dir_all(planted.0.join("src")).expect("a folder");
        fs::copy(root().join("crates").join(like).join("clippy.toml"), planted.0.join("clippy.toml"))
            .expect("bans");
        fs::write(planted.0.join("Cargo.toml"), manifest()).expect("a manifest");
        fs::write(planted.0.join("src/lib.rs"), source).expect("a source");
        planted
    }

    /// Runs the linter as the test script does.
    fn lint(&self) -> Output {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["clippy", "--offline", "--quiet", "--", "-D", "warnings"]).current_dir(&self.0);
        // What cargo told this test about its own build must not reach the planted one.
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy();
            if shown.starts_with("CARGO_") && shown != "CARGO_HOME" || shown.starts_with("RUSTFLAGS") {
                command.env_remove(&name);
            }
        }
        command.env("CARGO_TARGET_DIR", self.0.join("target")).output().expect("cargo runs")
    }
}

impl Drop for Crate {
    fn drop(&mut self) {
        // What is left behind in a temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn manifest() -> String {
    let workspace: Table =
        fs::read_to_string(root().join("Cargo.toml")).expect("a manifest").parse().expect("TOML");
    let lints = workspace["workspace"]["lints"].as_table().expect("lints").clone();
    let mut package = Table::new();
    package.insert("name".into(), "planted".into());
    package.insert("version".into(), "0.0.0".into());
    package.insert("edition".into(), "2024".into());
    let mut manifest = Table::new();
    manifest.insert("package".into(), package.into());
    manifest.insert("lints".into(), lints.into());
    // A workspace of its own, wherever the temporary folder lies.
    manifest.insert("workspace".into(), Table::new().into());
    manifest.to_string()
}

const PURE: &str = "\
//! Adds numbers.

/// The sum.
pub fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}
";

/// Each line breaks one ban; the lints must name them all.
const IMPURE: &str = "\
//! Reads the clock, opens a socket, starts a thread, asks the machine for dice.

/// All of it.
pub fn everything() -> std::io::Result<()> {
    let _now = std::time::Instant::now();
    let _wall = std::time::SystemTime::now();
    let _socket = std::net::TcpStream::connect(\"localhost:1\")?;
    let _thread = std::thread::spawn(|| ());
    let _bytes = std::fs::read(\"file\")?;
    let _variable = std::env::var(\"NAME\");
    let _dice = std::collections::hash_map::RandomState::new();
    let _order = std::collections::HashMap::<u8, u8>::new();
    let _scope = std::thread::scope(|_| ());
    let _text = std::fs::read_to_string(\"file\")?;
    let _child = std::process::Command::new(\"ls\");
    let _input = std::io::stdin();
    Ok(())
}
";

const REFUSED: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::net::TcpStream",
    "std::thread::spawn",
    "std::fs::read",
    "std::env::var",
    "std::collections::hash_map::RandomState",
    "std::collections::HashMap",
    "std::thread::scope",
    "std::fs::read_to_string",
    "std::process::Command",
    "std::io::stdin",
];

fn check(like: &str, reasons: &[&str]) {
    let Output { status, stderr, .. } = Crate::new(like, "pure", PURE).lint();
    assert!(status.success(), "a pure crate passes: {}", String::from_utf8_lossy(&stderr));

    let output = Crate::new(like, "impure", IMPURE).lint();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "an impure crate must be refused under the bans of {like}");
    for word in REFUSED {
        assert!(told.contains(&format!("`{word}`")), "{like} must refuse {word}:\n{told}");
    }
    for reason in reasons {
        assert!(told.contains(reason), "{like} must say why, `{reason}`:\n{told}");
    }
}

#[test]
fn the_core_refuses_clock_socket_thread_file_and_dice() {
    check(
        "tapeline-core",
        &["time arrives as an argument", "the core opens no socket", "the core starts no task"],
    );
}

#[test]
fn the_adapters_refuse_clock_socket_thread_file_and_dice() {
    check(
        "tapeline-venues",
        &["time arrives as an argument", "an adapter opens no socket", "an adapter starts no task"],
    );
}

#[test]
fn a_crate_with_the_lints_of_the_workspace_cannot_allow_what_they_forbid() {
    let word = concat!("uns", "afe");
    let bare = format!(
        "{PURE}\n/// Reads.\npub fn read(at: &u8) -> u8 {{\n    {word} {{ std::ptr::read(at) }}\n}}\n"
    );
    let allowed =
        format!("#![allow({word}_code, reason = \"it is needed\")]\n{bare}").replacen("//!", "//", 1);
    let usage = format!("usage of an `{word}` block");
    for (label, source, why) in
        [("bare", bare, &*usage), ("allowed", allowed, "incompatible with previous forbid")]
    {
        let output = Crate::new("tapeline-core", label, &source).lint();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(why), "{label}: {told}");
    }
}

#[test]
fn every_pure_crate_carries_its_bans() {
    for name in ["tapeline-core", "tapeline-venues"] {
        assert!(
            Path::new(&root()).join("crates").join(name).join("clippy.toml").is_file(),
            "{name} has no bans"
        );
    }
}
