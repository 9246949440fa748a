//! Checks across keys, after everything is read: contradictions, and files that must exist.

use std::path::{Path, PathBuf};

use super::Settings;
use super::keys::{self, Key, ORDERED};
use super::problem::{Origin, Problem};
use super::read::full_path;
use super::secret;
use super::value::Value;
use super::venues;

/// Finds what contradicts what, and lets defaults give way to given values.
pub(crate) fn check(settings: &mut Settings, problems: &mut Vec<Problem>) {
    for (low, high) in ORDERED {
        if let (Some(low), Some(high)) = (keys::by_path(low), keys::by_path(high)) {
            order(settings, problems, low, high);
        }
    }
    let ids: Vec<&'static str> = settings.venues.keys().copied().collect();
    for id in ids {
        venue(settings, problems, id);
    }
    let folder = |path: &Path| path.is_dir().then_some("a folder");
    let file = |path: &Path| path.is_file().then_some("a file");
    path(settings, problems, "gateway.admin_token_file", "a file", folder);
    path(settings, problems, "state.dir", "a folder", file);
    token(settings, problems);
    open_files(settings, problems);
    bind(settings, problems);
}

/// A token shorter than this is guessed.
const SHORTEST_TOKEN: usize = 12;

/// A token file that is named must hold a token, as far as we can see it.
fn token(settings: &mut Settings, problems: &mut Vec<Problem>) {
    const NAME: &str = "gateway.admin_token_file";
    let Some(file) = settings.gateway.admin_token_file.clone().filter(|file| !file.is_dir()) else { return };
    let expected = "a readable file with one token in it".to_owned();
    match secret::read(&file) {
        Err(got) => {
            problems.push(problem(settings, NAME, expected, format!("\"{}\" ({got})", file.display())))
        }
        Ok(text) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let got = format!("\"{}\" with blanks or other characters in it", file.display());
            problems.push(problem(settings, NAME, expected, got));
        }
        Ok(text) if text.len() < SHORTEST_TOKEN => {
            let expected = format!("a token of at least {SHORTEST_TOKEN} characters");
            let got = format!("\"{}\" with {}", file.display(), text.len());
            problems.push(problem(settings, NAME, expected, got));
        }
        Ok(_) => {}
    }
}

/// Files that hold secrets are read by nobody else, unless that is said to be meant.
fn open_files(settings: &mut Settings, problems: &mut Vec<Problem>) {
    let mut held: Vec<(String, PathBuf)> = Vec::new();
    if let Some(file) = &settings.gateway.admin_token_file {
        held.push(("gateway.admin_token_file".to_owned(), file.clone()));
    }
    for (id, venue) in &settings.venues {
        let secret = venue.secret.as_ref();
        let proxy = venue.proxy.as_ref().filter(|url| url.contains('@'));
        // A secret without a file of its own stands in the configuration, which is the file with a secret then.
        for (name, file) in [
            ("secret", secret.map(|secret| secret.file().map(Path::to_owned))),
            ("proxy", proxy.map(|_| None)),
        ] {
            let Some(file) = file else { continue };
            let path = format!("venues.{id}.{name}");
            let own = || match settings.origin(&path) {
                Origin::File { file, .. } => Some(PathBuf::from(file)),
                _ => None,
            };
            held.extend(file.or_else(own).map(|file| (path.clone(), file)));
        }
    }
    for (path, file) in held {
        let Some(mode) = secret::open_to_all(&file).filter(|_| file.is_file()) else { continue };
        let got = format!("\"{}\" with mode {mode:04o}", file.display());
        if settings.gateway.insecure_secrets {
            let warning = format!("{path}: everybody on this machine has access to {got} (insecure_secrets)");
            settings.warnings.push(warning);
            continue;
        }
        let expected =
            "a file that others have no access to (`chmod 600`), or `insecure_secrets = true` in [gateway]";
        problems.push(problem(settings, &path, expected.to_owned(), got));
    }
}

/// Whoever serves others says so, and is reminded: there is neither TLS nor are there tokens for clients yet.
fn bind(settings: &mut Settings, problems: &mut Vec<Problem>) {
    let gateway = &settings.gateway;
    if gateway.listen.ip().to_canonical().is_loopback() {
        return;
    }
    let mut warnings = Vec::new();
    for (allowed, key, lacking) in [
        (gateway.insecure_plaintext, "insecure_plaintext", "connections are not encrypted yet"),
        (gateway.insecure_no_tokens, "insecure_no_tokens", "clients need no token yet"),
    ] {
        if allowed {
            warnings
                .push(format!("gateway.listen: others can reach {}, and {lacking} ({key})", gateway.listen));
            continue;
        }
        let expected = format!("a loopback address, or `{key} = true` in [gateway] ({lacking})");
        let got = format!("\"{}\"", gateway.listen);
        problems.push(problem(settings, "gateway.listen", expected, got));
    }
    settings.warnings.extend(warnings);
}

fn problem(settings: &Settings, path: &str, expected: String, got: String) -> Problem {
    let origin = settings.origin(path);
    let key = if matches!(origin, Origin::File { .. }) { path.to_owned() } else { String::new() };
    Problem { origin, key, expected, got, hint: None }
}

/// `low` must not exceed `high`. If only one of them was given, the other follows it: whoever scales one
/// bound down should not have to know every other.
fn order(settings: &mut Settings, problems: &mut Vec<Problem>, low: &'static Key, high: &'static Key) {
    let (Some(least), Some(most)) = ((low.get)(settings, ""), (high.get)(settings, "")) else { return };
    let exceeds = match (&least, &most) {
        (Value::Duration(least), Value::Duration(most)) => least > most,
        (Value::Number(least), Value::Number(most)) => least > most,
        _ => false,
    };
    if !exceeds {
        return;
    }
    let (low_path, high_path) = (full_path(low, ""), full_path(high, ""));
    let free = |path: &str| settings.origin(path) == Origin::Default;
    let text = |value: &Value, key: &Key| value.to_toml(key.kind).unwrap_or_default();
    if free(&low_path) {
        (low.set)(settings, "", most);
        settings.origins.insert(low_path, Origin::Follows(high.name));
    } else if free(&high_path) {
        (high.set)(settings, "", least);
        settings.origins.insert(high_path, Origin::Follows(low.name));
    } else {
        let place = settings.origin(&high_path);
        let expected = format!("at most {high_path}, which is {} ({place})", text(&most, high));
        problems.push(problem(settings, &low_path, expected, text(&least, low)));
    }
}

fn venue(settings: &Settings, problems: &mut Vec<Problem>, id: &str) {
    let Some(venue) = settings.venues.get(id) else { return };
    let path = |name: &str| format!("venues.{id}.{name}");
    let warm = venue.warm.iter().map(|topic| ("warm", topic));
    for (key, topic) in warm.chain(venue.expect_every.keys().map(|topic| ("expect_every", topic))) {
        let got = format!("\"{topic}\"");
        if topic.venue() != id {
            problems.push(problem(settings, &path(key), format!("topics of {id}"), got));
        } else if let Err(error) = venues::canonical(id, topic) {
            let expected = format!("topics that {id} offers");
            problems.push(problem(settings, &path(key), expected, format!("{got} ({error})")));
        }
    }
    if venue.warm.len() > settings.limits.topics {
        let expected = format!("at most limits.topics, which is {}", settings.limits.topics);
        problems.push(problem(settings, &path("warm"), expected, format!("{} topics", venue.warm.len())));
    }
    if venue.lines > 1 && !venues::allows_two_lines(id) {
        let expected = format!("1: {id} allows one connection at a time, so nothing can be carried twice");
        problems.push(problem(settings, &path("lines"), expected, venue.lines.to_string()));
    }
    if venue.key_id.is_some() && venue.secret.is_none() {
        let expected = "a secret beside the key_id".to_owned();
        problems.push(problem(settings, &path("key_id"), expected, "none".to_owned()));
    }
    if let Some(file) = &venue.ca_file
        && let Err(got) = certificates(file)
    {
        problems.push(problem(
            settings,
            &path("ca_file"),
            "a readable PEM file with a certificate".to_owned(),
            got,
        ));
    }
}

fn certificates(file: &Path) -> Result<(), String> {
    let text = std::fs::read(file).map_err(|error| format!("\"{}\" ({error})", file.display()))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    let found = text.windows(begin.len()).any(|window| window == begin);
    if found { Ok(()) } else { Err(format!("\"{}\" without one", file.display())) }
}

fn path(
    settings: &Settings,
    problems: &mut Vec<Problem>,
    name: &'static str,
    expected: &str,
    wrong: impl Fn(&Path) -> Option<&'static str>,
) {
    let value = keys::by_path(name).and_then(|key| (key.get)(settings, ""));
    if let Some(Value::Path(Some(path))) = value
        && let Some(got) = wrong(&path)
    {
        problems.push(problem(settings, name, expected.to_owned(), format!("{got}, \"{}\"", path.display())));
    }
}
