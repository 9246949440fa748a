//! Checks across keys, after everything is read: contradictions, and files that must exist.

use std::path::Path;

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
    bind(settings, problems);
}

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
        Ok(_) if secret::is_open(&file) => {
            settings.warnings.push(format!("{NAME}: others can read \"{}\"; `chmod 600` it", file.display()));
        }
        Ok(_) => {}
    }
}

/// Whoever serves others says so: there is neither TLS nor are there tokens for clients yet.
fn bind(settings: &Settings, problems: &mut Vec<Problem>) {
    let gateway = &settings.gateway;
    if gateway.listen.ip().to_canonical().is_loopback() {
        return;
    }
    let mut refuse = |allowed: bool, key: &str, lacking: &str| {
        if !allowed {
            let expected = format!("a loopback address, or `{key} = true` in [gateway] ({lacking})");
            let got = format!("\"{}\"", gateway.listen);
            problems.push(problem(settings, "gateway.listen", expected, got));
        }
    };
    refuse(gateway.insecure_plaintext, "insecure_plaintext", "connections are not encrypted yet");
    refuse(gateway.insecure_no_tokens, "insecure_no_tokens", "clients need no token yet");
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
    for topic in &venue.warm {
        if topic.venue() != id {
            problems.push(problem(
                settings,
                &path("warm"),
                format!("topics of {id}"),
                format!("\"{topic}\""),
            ));
        } else if let Err(error) = venues::canonical(id, topic) {
            let got = format!("\"{topic}\" ({error})");
            problems.push(problem(settings, &path("warm"), format!("topics that {id} offers"), got));
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
