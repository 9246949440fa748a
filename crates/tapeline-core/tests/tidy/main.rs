//! The rules of the house as tests: sizes, headers, banned words, the direction of dependencies, and
//! the purity of the core and the adapters. Each rule is also shown to bite, on a planted violation.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the bans are the crate's, this guards them"
)]

mod manifests;
mod planted;
mod purity;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

/// What was built or fetched, not written; `.git` is a file in a second working tree.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", "corpus", "artifacts", "dist"];

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Every file below `folder` that was written by hand, as (path from the root, text); binaries are left out.
fn written(folder: &Path, root: &Path, out: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            written(&path, root, out);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let shown = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            out.push((shown, text));
        }
    }
}

fn tree() -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    written(&root, &root, &mut files);
    assert!(files.len() > 50, "the tree was found");
    files
}

/// Fails with every violation at once: one run tells all there is to repair.
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

fn sources() -> impl Iterator<Item = (String, String)> {
    tree().into_iter().filter(|(path, _)| path.ends_with(".rs"))
}

#[test]
fn files_stay_short() {
    none(&sources().flat_map(|(path, text)| rules::long_file(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn files_open_by_saying_what_they_are() {
    none(&sources().flat_map(|(path, text)| rules::missing_header(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn functions_stay_short() {
    none(&sources().flat_map(|(path, text)| rules::long_functions(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn unfinished_and_silenced_code_is_absent() {
    none(&sources().flat_map(|(path, text)| rules::banned_code(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn files_are_named_after_what_they_hold() {
    none(&sources().flat_map(|(path, _)| rules::empty_name(&path)).collect::<Vec<_>>());
}

#[test]
fn venues_are_named_only_where_they_are_translated() {
    none(&sources().flat_map(|(path, text)| rules::venue_named(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn the_simulated_venue_shares_no_code_with_what_it_judges() {
    none(&sources().flat_map(|(path, text)| rules::judge_shares_code(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn paths_of_one_machine_are_absent() {
    none(&tree().iter().flat_map(|(path, text)| rules::machine_path(path, text)).collect::<Vec<_>>());
}

#[test]
fn crates_depend_in_one_direction_and_on_what_is_allowed() {
    let manifests: Vec<_> = tree().into_iter().filter(|(path, _)| path.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() >= 9, "seven crates, the benchmarks and the fuzz targets");
    none(&manifests.iter().flat_map(|(path, text)| manifests::violations(path, text)).collect::<Vec<_>>());
}

#[test]
fn every_crate_forbids_what_the_compiler_cannot_vouch_for() {
    let root = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest of the workspace");
    none(&manifests::unsafe_allowed("Cargo.toml", &root));
    // Each crate takes these lints, or the rule about manifests objects; what no manifest knows is looked for too.
    let crates = tree().iter().filter(|(path, _)| path.ends_with("/Cargo.toml")).count();
    assert!(crates >= 10, "{crates} crates were found");
    none(&sources().flat_map(|(path, text)| rules::unsafe_code(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn nothing_below_the_pure_crates_can_do_input_or_output() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("a lock file");
    for name in ["tapeline-core", "tapeline-venues"] {
        none(&manifests::impure_below(name, &lock));
    }
}

#[test]
fn banned_packages_are_absent() {
    // The lock file also names packages of features that nobody turns on, so the builder is asked.
    let arguments = ["tree", "--workspace", "--offline", "--prefix", "none", "--edges", "normal,build,dev"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        std::process::Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    let build = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(build.contains("tokio v"), "the whole tree was listed");
    none(&manifests::banned(&fs::read_to_string(root().join("deny.toml")).expect("deny.toml"), &build));
}
