//! Reading: the file with its lines and columns, then the environment, then the flags, each over the
//! one before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::keys::{self, Key, SECTIONS};
use super::problem::{Origin, Problem, nearest, shown};
use super::secret::{self, Secret};
use super::value::{Given, Kind, Value};
use super::{Settings, venues};

/// A configuration file larger than this is none.
pub(crate) const LARGEST_FILE: usize = 1 << 20;
/// So many problems are enough to know that this is no configuration.
const MOST_PROBLEMS: usize = 1_000;

/// Settings being read, with what is wrong so far.
pub(crate) struct Reader {
    pub(crate) settings: Settings,
    pub(crate) problems: Vec<Problem>,
}

/// A file's text, for places in it.
struct Text<'a> {
    file: &'a str,
    text: &'a str,
    /// Where the lines begin.
    lines: Vec<usize>,
}

impl<'a> Text<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { file, text, lines: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let line = self.lines.partition_point(|start| *start <= span.start);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..span.start).unwrap_or("").chars().count() + 1;
        Origin::File { file: self.file.to_owned(), line, column }
    }

    /// A key that stands at a place, with the section in which that is.
    fn full_name(&self, at: usize, key: &str) -> String {
        let before = self.text.get(..at).unwrap_or("");
        let header = |line: &'a str| line.split('#').next()?.trim().strip_prefix('[')?.strip_suffix(']');
        // A section that is there twice is named in its own line.
        let own = before.rsplit('\n').next().unwrap_or("");
        let section = before.lines().rev().find_map(header).filter(|_| !own.trim_start().starts_with('['));
        let key = key.trim();
        section.map_or_else(|| key.to_owned(), |section| format!("{}.{key}", section.trim()))
    }

    /// The folder to which the file's paths are relative.
    fn folder(&self) -> &'a Path {
        Path::new(self.file).parent().unwrap_or(Path::new(""))
    }
}

impl Reader {
    fn problem(&mut self, origin: Origin, key: &str, expected: impl Into<String>, got: impl Into<String>) {
        self.hinted(origin, key, expected, got, None);
    }

    fn hinted(
        &mut self,
        origin: Origin,
        key: &str,
        expected: impl Into<String>,
        got: impl Into<String>,
        hint: Option<String>,
    ) {
        let (key, expected, got) = (key.to_owned(), expected.into(), got.into());
        if self.problems.len() >= MOST_PROBLEMS {
            return;
        }
        self.problems.push(Problem { origin, key, expected, got, hint });
    }

    /// Reads a whole file.
    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) {
        if bytes.len() > LARGEST_FILE {
            let origin = Text::new(name, "").origin(0..0);
            let got = format!("{} bytes", bytes.len());
            return self.problem(origin, "", format!("a file of at most {LARGEST_FILE} bytes"), got);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let end = error.valid_up_to();
                let right = String::from_utf8_lossy(&bytes[..end]);
                let got = format!("the byte 0x{:02X}", bytes.get(end).unwrap_or(&0));
                return self.problem(Text::new(name, &right).origin(end..end), "", "UTF-8 text", got);
            }
        };
        let place = Text::new(name, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors.iter().take(MOST_PROBLEMS) {
            self.syntax(&place, error);
        }
        let broken: Vec<Origin> = self.problems.iter().map(|problem| problem.origin.clone()).collect();
        self.sections(&place, table.get_ref());
        // What a broken line seems to say besides is only noise.
        let mut index = 0;
        self.problems.retain(|problem| {
            index += 1;
            index <= broken.len() || !broken.iter().any(|origin| origin.same_line(&problem.origin))
        });
    }

    /// A problem of the TOML itself.
    fn syntax(&mut self, place: &Text<'_>, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        let there = place.text.get(span.clone()).unwrap_or("");
        let origin = place.origin(span.clone());
        if error.message().contains("duplicate key") {
            return self.problem(origin, &place.full_name(span.start, there), "each key once", "it again");
        }
        self.problem(origin, "", "valid TOML", error.message().replace('\n', ", "));
    }

    fn sections(&mut self, place: &Text<'_>, table: &DeTable<'_>) {
        for (name, value) in table {
            let (word, span) = (name.get_ref().as_ref(), name.span());
            if !SECTIONS.iter().any(|(section, _)| *section == word) {
                let known = SECTIONS.iter().map(|(section, _)| *section);
                let hint = nearest(word, known.clone()).or_else(|| home_of(word));
                let expected = format!("one of the sections {}", known.collect::<Vec<_>>().join(", "));
                self.hinted(place.origin(span), &shown(word), expected, "an unknown name", hint);
                continue;
            }
            let Some(inner) = value.get_ref().as_table() else {
                self.problem(place.origin(value.span()), word, format!("a table [{word}]"), "a value");
                continue;
            };
            if word == "venues" {
                self.venue_tables(place, inner)
            } else {
                self.section(place, word, word, "", inner)
            }
        }
    }

    fn venue_tables(&mut self, place: &Text<'_>, table: &DeTable<'_>) {
        for (name, value) in table {
            let word = name.get_ref().as_ref();
            let path = format!("venues.{}", shown(word));
            let Some(id) = venues::ids().find(|id| *id == word) else {
                let hint = nearest(word, venues::ids());
                self.hinted(place.origin(name.span()), &path, known_venues(), "an unknown venue", hint);
                continue;
            };
            match value.get_ref().as_table() {
                Some(inner) => {
                    if let Some(venue) = self.settings.venues.get_mut(id) {
                        venue.configured = true;
                    }
                    self.section(place, "venues", &path, id, inner);
                }
                None => {
                    self.problem(place.origin(value.span()), &path, format!("a table [{path}]"), "a value");
                }
            }
        }
    }

    fn section(&mut self, place: &Text<'_>, section: &str, path: &str, venue: &str, table: &DeTable<'_>) {
        let mut secrets: BTreeMap<&str, Origin> = BTreeMap::new();
        for (name, value) in table {
            let word = name.get_ref().as_ref();
            let full = format!("{path}.{}", shown(word));
            let Some((key, from_file)) = keys::find(section, word) else {
                let hint = nearest(word, keys::names(section)).or_else(|| home_of(word));
                self.hinted(
                    place.origin(name.span()),
                    &full,
                    format!("a key of [{path}]"),
                    "an unknown one",
                    hint,
                );
                continue;
            };
            if value.span().is_empty() {
                // The parser put it there to go on after an error that is told already.
                continue;
            }
            let origin = place.origin(value.span());
            if key.kind == Kind::Secret
                && let Some(other) = secrets.insert(key.name, origin.clone())
            {
                self.problem(
                    origin,
                    &full,
                    format!("either {0} or {0}_file", key.name),
                    format!("both (also {other})"),
                );
                continue;
            }
            self.take(key, venue, from_file, Given::Toml(value.get_ref()), origin, Some(place));
        }
    }

    /// Reads one value into its place.
    fn take(
        &mut self,
        key: &'static Key,
        venue: &str,
        from_file: bool,
        given: Given<'_>,
        origin: Origin,
        place: Option<&Text<'_>>,
    ) {
        let path = full_path(key, venue);
        let shown_path = if matches!(origin, Origin::File { .. }) { path.as_str() } else { "" };
        let kind = if from_file { Kind::Path } else { key.kind };
        let value = match kind.read(given) {
            Ok(value) => value,
            Err(all) => {
                for wrong in all {
                    let at = place.zip(wrong.span).map(|(place, span)| place.origin(span));
                    self.problem(at.unwrap_or(origin.clone()), shown_path, wrong.expected, wrong.got);
                }
                return;
            }
        };
        let value = match (value, place) {
            (Value::Path(Some(path)), Some(place)) => Value::Path(Some(place.folder().join(path))),
            (value, _) => value,
        };
        let value = match value {
            Value::Path(Some(file)) if from_file => match secret::read_lasting(&file) {
                Ok((text, _)) => Value::Secret(Some(Secret::from_file(text, file))),
                Err(got) => {
                    return self.problem(origin, shown_path, "a readable file with one secret in it", got);
                }
            },
            value => value,
        };
        (key.set)(&mut self.settings, venue, value);
        if let Some(venue) = self.settings.venues.get_mut(venue) {
            venue.configured = true;
        }
        self.settings.origins.insert(path, origin);
    }

    /// Reads everything of the environment that is meant for us.
    pub(crate) fn environment(&mut self, variables: &BTreeMap<String, Result<String, ()>>) {
        let mut secrets: BTreeMap<String, String> = BTreeMap::new();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("TAPELINE_").filter(|rest| *rest != "CAPTURES") else {
                continue;
            };
            let origin = Origin::Environment(shown(name));
            let parts: Vec<&str> = rest.split("__").collect();
            let Some((key, venue, from_file)) = by_parts(&parts) else {
                self.unknown_variable(origin, name, &parts);
                continue;
            };
            let Ok(text) = text else {
                self.problem(origin, "", "UTF-8 text", "other bytes");
                continue;
            };
            if key.kind == Kind::Secret
                && let Some(other) = secrets.insert(full_path(key, venue), name.clone())
            {
                self.problem(origin, "", "either the secret or its file", format!("both (also {other})"));
                continue;
            }
            self.take(key, venue, from_file, Given::Plain(text), origin, None);
        }
    }

    fn unknown_variable(&mut self, origin: Origin, name: &str, parts: &[&str]) {
        if let [section, venue, _] = parts
            && *section == "VENUES"
            && venue_of(venue).is_none()
        {
            let word = venue.to_lowercase().replace('_', "-");
            return self.hinted(
                origin,
                "",
                known_venues(),
                "an unknown venue",
                nearest(&word, venues::ids()),
            );
        }
        let known: Vec<String> = all_variables().collect();
        let hint = nearest(name, known.iter().map(String::as_str));
        let meant = SECTIONS
            .iter()
            .any(|(section, _)| parts.first().is_some_and(|first| first.to_lowercase().starts_with(section)));
        if parts.len() > 1 || hint.is_some() || meant {
            self.hinted(origin, "", "TAPELINE_SECTION__KEY of a known key", "an unknown one", hint);
        } else {
            // Another program's variable that happens to begin like ours is no reason to refuse to run.
            self.settings.warnings.push(format!("{origin}: no setting of this name; ignored"));
        }
    }

    /// Reads the flags, `section.key=value` each.
    pub(crate) fn flags(&mut self, flags: &[String]) {
        for flag in flags {
            let (path, text) = flag.split_once('=').unwrap_or((flag, ""));
            let origin = Origin::Flag(format!("--set {}", shown(path)));
            let parts: Vec<&str> = path.split('.').collect();
            let found = match parts.as_slice() {
                ["venues", venue, name] => {
                    venues::ids().find(|id| id == venue).zip(keys::find("venues", name))
                }
                [section, name] if *section != "venues" => keys::find(section, name).map(|found| ("", found)),
                _ => None,
            };
            match found {
                // What stands on a command line is seen by every user of the machine.
                Some((_, (Key { kind: Kind::Secret, .. }, false))) => {
                    self.problem(
                        origin,
                        "",
                        "the secret in a file or in the environment",
                        "it on the command line",
                    );
                }
                Some((venue, (key, from_file))) if flag.contains('=') => {
                    self.take(key, venue, from_file, Given::Plain(text), origin, None);
                }
                Some(_) => self.problem(origin, "", "section.key=value", "no value"),
                None => {
                    let known: Vec<String> = keys::KEYS.iter().map(|key| full_path(key, "binance")).collect();
                    let hint = nearest(path, known.iter().map(String::as_str));
                    self.hinted(origin, "", "section.key=value with a known key", "an unknown one", hint);
                }
            }
        }
    }
}

/// `timing.linger`, or `venues.binance.streams`.
pub(crate) fn full_path(key: &Key, venue: &str) -> String {
    match key.section {
        "venues" => format!("venues.{venue}.{}", key.name),
        section => format!("{section}.{}", key.name),
    }
}

/// The key that the parts of a variable's name stand for, with its venue.
fn by_parts(parts: &[&str]) -> Option<(&'static Key, &'static str, bool)> {
    // Names are upper case throughout; a mixed one is not ours to guess.
    if parts.iter().any(|part| part.chars().any(char::is_lowercase)) {
        return None;
    }
    match parts {
        ["VENUES", venue, name] => {
            let (key, from_file) = keys::find("venues", &name.to_lowercase())?;
            Some((key, venue_of(venue)?, from_file))
        }
        ["VENUES", _] => None,
        [section, name] => {
            let (key, from_file) = keys::find(&section.to_lowercase(), &name.to_lowercase())?;
            Some((key, "", from_file))
        }
        _ => None,
    }
}

/// The venue whose id is written in capitals, hyphens as underscores.
fn venue_of(word: &str) -> Option<&'static str> {
    venues::ids().find(|id| variable(id) == word)
}

fn variable(word: &str) -> String {
    word.to_uppercase().replace('-', "_")
}

/// The names of all variables.
fn all_variables() -> impl Iterator<Item = String> {
    keys::KEYS.iter().flat_map(|key| {
        let ids: Vec<&'static str> = if key.section == "venues" { venues::ids().collect() } else { vec![""] };
        ids.into_iter().map(move |id| {
            format!("TAPELINE_{}", full_path(key, id).split('.').map(variable).collect::<Vec<_>>().join("__"))
        })
    })
}

/// Tells where a key belongs that stands in the wrong section.
fn home_of(word: &str) -> Option<String> {
    let homes: Vec<String> = keys::KEYS
        .iter()
        .filter(|key| key.name == word)
        .map(|key| format!("[{}{}]", key.section, if key.section == "venues" { ".VENUE" } else { "" }))
        .collect();
    (!homes.is_empty()).then(|| format!("`{word}` belongs into {}", homes.join(" or ")))
}

fn known_venues() -> String {
    format!("one of the venues {}", venues::ids().collect::<Vec<_>>().join(", "))
}

/// The folder of the state where nobody names one.
pub(crate) fn state_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |text: String| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let base = variable("XDG_STATE_HOME").and_then(absolute);
    let base = base.or_else(|| variable("HOME").and_then(absolute).map(|home| home.join(".local/state")));
    base.map(|base| base.join("tapeline"))
}
