//! What every source file must be like. Each rule takes a file and returns its violations.

use crate::source::{code, is_word, without_tests};

/// Lines a file may have.
pub(crate) const FILE_LINES: usize = 500;
/// Lines a function may have, from its `fn` to its closing brace.
pub(crate) const FUNCTION_LINES: usize = 70;

pub(crate) fn long_file(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let long = lines > FILE_LINES;
    long.then(|| format!("{path}: {lines} lines, at most {FILE_LINES}: split it by concept"))
        .into_iter()
        .collect()
}

pub(crate) fn missing_header(path: &str, text: &str) -> Vec<String> {
    // A wrapper that exists only under another build configuration says so before it says what it is.
    let first = text.lines().find(|line| !line.starts_with("#!["));
    let says = first.is_some_and(|line| line.strip_prefix("//! ").is_some_and(|words| words.len() >= 10));
    (!says)
        .then(|| format!("{path}:1: must open with `//! ` and a sentence that says what it is"))
        .into_iter()
        .collect()
}

pub(crate) fn long_functions(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, name) in functions(&code) {
        let Some(end) = body_end(&code, at) else { continue };
        let lines = code[at..end].matches('\n').count() + 1;
        if lines > FUNCTION_LINES {
            let line = line_of(&code, at);
            found.push(format!("{path}:{line}: fn {name} has {lines} lines, at most {FUNCTION_LINES}"));
        }
    }
    found
}

/// Where each function begins, and its name.
fn functions(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices("fn ").filter_map(|(at, word)| {
        let inside_word = code[..at].chars().next_back().is_some_and(is_word);
        let rest = &code[at + word.len()..];
        let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        (!inside_word && !name.is_empty()).then_some((at, name))
    })
}

/// Where the body of the function that begins at `at` ends; `None` for one without a body.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut braces, mut others) = (0usize, 0usize);
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'(' | b'[' => others += 1,
            b')' | b']' => others = others.saturating_sub(1),
            b';' if braces == 0 && others == 0 => return None,
            b'{' => braces += 1,
            b'}' if braces <= 1 => return Some(at + offset + 1),
            b'}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Code that says "later", code that hides what is wrong, and tests that prove nothing.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!"), "unfinished code does not enter the tree"),
    (concat!("unimpl", "emented!"), "unfinished code does not enter the tree"),
    (concat!("d", "bg!"), "traces of debugging do not enter the tree"),
    (concat!("#[ign", "ore"), "a test that does not run proves nothing"),
    (concat!("fn te", "st_"), "a test is named by what it claims"),
    (SLEEP, "nothing waits by sleeping on a thread"),
];

const SLEEP: &str = concat!("thread::sl", "eep(");

/// Where sleeping is the point, and why.
const SLEEPERS: &[(&str, &str)] = &[
    ("crates/tapeline-bench/", "a benchmark paces its load in real time"),
    ("crates/tapeline/tests/library/handlers.rs", "a slow handler is what is tested"),
];

/// Code that no lint forbids, since nothing that has lints holds it: an example on its own, or what a script writes.
pub(crate) fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let word = concat!("uns", "afe");
    let stands = |at: &usize| {
        let before = code[..*at].chars().next_back().is_some_and(is_word);
        !before && !code[at + word.len()..].chars().next().is_some_and(is_word)
    };
    let found = code.match_indices(word).map(|(at, _)| at).filter(stands);
    found.map(|at| format!("{path}:{}: `{word}` is forbidden", line_of(&code, at))).collect()
}

pub(crate) fn banned_code(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for (word, reason) in BANNED {
        if *word == SLEEP && SLEEPERS.iter().any(|(folder, _)| path.starts_with(folder)) {
            continue;
        }
        for (at, _) in code.match_indices(word) {
            if !code[..at].chars().next_back().is_some_and(is_word) {
                found.push(format!("{path}:{}: `{word}`: {reason}", line_of(&code, at)));
            }
        }
    }
    for attribute in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (at, _) in code.match_indices(attribute) {
            let end = code[at..].find(")]").map_or(code.len(), |length| at + length);
            if !code[at..end].contains("reason") {
                found.push(format!("{path}:{}: `{attribute}…)]` without a reason", line_of(&code, at)));
            }
        }
    }
    // In a test the demand itself is the point.
    for (index, line) in without_tests(path, &code).lines().enumerate() {
        let thrown_away = line.trim_start().starts_with("let _ = ") || line.trim_start().starts_with("_ = ");
        if thrown_away && (line.contains(".unwrap()") || line.contains(".expect(")) {
            found.push(format!("{path}:{}: a result is demanded and thrown away in one line", index + 1));
        }
    }
    found
}

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "misc", "manager", "helpers", "helper", "stuff"];

pub(crate) fn empty_name(path: &str) -> Vec<String> {
    let parts = path.trim_end_matches(".rs").split('/');
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part));
    empty
        .map(|name| format!("{path}: `{name}` says nothing: name the concept it holds"))
        .into_iter()
        .collect()
}

/// Venues by name; adding one must not touch these folders.
const VENUES: &[&str] = &["binance", "alpaca", "birdeye", "helius"];
const VENUE_FREE: &[&str] = &["crates/tapeline-core/src/", "crates/tapeline-ws/src/"];

/// Code, not comments: a comment may say where a rule comes from.
pub(crate) fn venue_named(path: &str, text: &str) -> Vec<String> {
    if !VENUE_FREE.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let lines = without_tests(path, text).lines().enumerate();
    let code_of = |line: &str| line.find("//").map_or(line, |at| &line[..at]).to_lowercase();
    lines
        .filter(|(_, line)| !line.contains("#[error("))
        .filter(|(_, line)| VENUES.iter().any(|venue| code_of(line).contains(venue)))
        .map(|(index, _)| format!("{path}:{}: names a venue: make it a fact of the profile", index + 1))
        .collect()
}

/// The part of the simulator that drives the product; everything else of it judges, and a judge must not be the
/// accused.
const DRIVER: &str = "crates/tapeline-sim/src/world/";

pub(crate) fn judge_shares_code(path: &str, text: &str) -> Vec<String> {
    if !path.starts_with("crates/tapeline-sim/src/") || path.starts_with(DRIVER) {
        return Vec::new();
    }
    let code = code(text);
    let uses = ["tapeline_core", "tapeline_venues"].into_iter().flat_map(|name| code.match_indices(name));
    uses.map(|(at, name)| {
        format!("{path}:{}: uses `{name}`: only {DRIVER} may, the rest judges it", line_of(&code, at))
    })
    .collect()
}

/// Folders that exist on one machine only, and documents outside the repository.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/t", "mp/"),
    concat!("sha", "red/design"),
    concat!("sha", "red/venues"),
];

pub(crate) fn machine_path(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let word = MACHINE.iter().find(|word| line.contains(**word))?;
            Some(format!("{path}:{}: `{word}` exists on one machine only", index + 1))
        })
        .collect()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
