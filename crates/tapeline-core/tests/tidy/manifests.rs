//! Who may depend on whom: our crates in one direction, the pure ones only on what is listed here.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

/// Which of our crates each of them may use, and which more in its tests.
///
/// The simulator judges the core, so it shares no code with it: only its worlds in virtual time (`src/world`) know
/// the product, since they drive it; `rules::judge_shares_code` holds the rest of it to that.
const OURS: &[(&str, &[&str], &[&str])] = &[
    ("tapeline-core", &[], &[]),
    ("tapeline-venues", &["tapeline-core"], &[]),
    ("tapeline-ws", &[], &[]),
    ("tapeline", &["tapeline-core", "tapeline-venues", "tapeline-ws"], &["tapeline-sim"]),
    ("tapeline-gateway", &["tapeline-core", "tapeline-ws", "tapeline"], &["tapeline-sim"]),
    ("tapeline-sim", &["tapeline-core", "tapeline-venues", "tapeline-ws"], &[]),
    ("tapeline-cli", &["tapeline-core", "tapeline-ws", "tapeline", "tapeline-gateway", "tapeline-sim"], &[]),
];

/// Development crates: nothing depends on them, they may use everything.
const LEAVES: &[&str] = &["tapeline-bench", "tapeline-fuzz", "tapeline-models"];

/// Everything that the pure crates may use from outside. A new entry needs a reason in its commit.
const PURE: &[(&str, &[&str])] = &[
    ("tapeline-core", &["foldhash", "memchr", "serde", "serde_json", "thiserror"]),
    ("tapeline-venues", &["foldhash", "memchr", "serde", "serde_json"]),
];

/// Crates through which the world leaks in: runtimes, sockets, clocks, global randomness.
const IMPURE: &[&str] = &[
    "async-std",
    "chrono",
    "fastrand",
    "getrandom",
    "jiff",
    "mio",
    "parking_lot",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
    "tracing",
    "ureq",
];

/// What is wrong with one manifest.
pub(crate) fn violations(path: &str, text: &str) -> Vec<String> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str()).unwrap_or("");
    let mut found = Vec::new();
    if manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool)
        != Some(true)
    {
        found.push(format!("{path}: `[lints] workspace = true` is missing"));
    }
    if LEAVES.contains(&name) {
        return found;
    }
    let Some((_, ours, more_in_tests)) = OURS.iter().find(|(crate_name, ..)| *crate_name == name) else {
        found.push(format!("{path}: crate `{name}` has no place in the layers"));
        return found;
    };
    let pure = PURE.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed);
    for (used, test_only) in uses(&manifest) {
        let is_ours = used == "tapeline" || used.starts_with("tapeline-");
        let allowed = ours.contains(&used) || test_only && more_in_tests.contains(&used);
        if is_ours && !allowed {
            found.push(format!("{path}: `{name}` may not depend on `{used}`: dependencies point one way"));
        }
        if !is_ours && !test_only && pure.is_some_and(|allowed| !allowed.contains(&used)) {
            found.push(format!("{path}: `{name}` is pure and `{used}` is not on its list"));
        }
    }
    found
}

/// What a manifest depends on, under any target, and whether only in its tests.
fn uses(manifest: &Table) -> Vec<(&str, bool)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let tables = std::iter::once(manifest).chain(targets.filter_map(|(_, target)| target.as_table()));
    let mut found = Vec::new();
    for table in tables {
        for (section, test_only) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            let entries = table.get(section).and_then(toml::Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(key, value)| (package(key, value), test_only)));
        }
    }
    found
}

/// The package behind an entry, also when it was renamed.
fn package<'a>(key: &'a str, value: &'a toml::Value) -> &'a str {
    value.get("package").and_then(toml::Value::as_str).unwrap_or(key)
}

/// Impure packages that a pure crate reaches through what it may use, by the lock file.
pub(crate) fn impure_below(name: &str, lock: &str) -> Vec<String> {
    let lock: Table = lock.parse().expect("a lock file");
    let packages = lock.get("package").and_then(toml::Value::as_array).expect("packages");
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let depends = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        // "name version" where several versions are in the tree.
        let names = depends.filter_map(|d| d.as_str()).filter_map(|d| d.split(' ').next());
        let name = package.get("name").and_then(toml::Value::as_str).expect("a name");
        below.entry(name).or_default().extend(names);
    }
    // The lock file does not tell test dependencies apart, so the walk begins at the allowed ones.
    let allowed = PURE.iter().find(|(crate_name, _)| *crate_name == name).map_or(&[][..], |(_, list)| list);
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = allowed.to_vec();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(below.get(next).into_iter().flatten());
        }
    }
    let impure = reached.into_iter().filter(|package| IMPURE.contains(package));
    impure.map(|package| format!("`{name}` reaches `{package}`, which is not pure")).collect()
}

/// Packages that `deny.toml` bans and the build (one name a line) holds nevertheless.
pub(crate) fn banned(deny: &str, build: &str) -> Vec<String> {
    let deny: Table = deny.parse().expect("deny.toml");
    let bans = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(toml::Value::as_array);
    let bans = bans.filter(|bans| !bans.is_empty()).expect("deny.toml bans something");
    let held: BTreeSet<_> = build.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let text = |ban: &toml::Value, key: &str| ban.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    bans.iter()
        .filter_map(|ban| Some((text(ban, "crate")?, text(ban, "reason")?)))
        .filter(|(name, _)| held.contains(name.as_str()))
        .map(|(name, reason)| format!("`{name}` is built and banned: {reason}"))
        .collect()
}

/// Whether the workspace forbids code that the compiler cannot vouch for, so that no crate that takes its lints can
/// allow it again; that each of them takes them is another rule ([`violations`]).
pub(crate) fn unsafe_allowed(path: &str, text: &str) -> Vec<String> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let lints = manifest.get("workspace").and_then(|workspace| workspace.get("lints"));
    let lint = lints.and_then(|lints| lints.get("rust")).and_then(|rust| rust.get("unsafe_code"));
    let level = lint.and_then(|lint| lint.as_str().or_else(|| lint.get("level")?.as_str()));
    (level != Some("forbid"))
        .then(|| format!("{path}: `unsafe_code = \"forbid\"` is missing among the lints of the workspace"))
        .into_iter()
        .collect()
}
