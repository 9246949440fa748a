//! The effective configuration as TOML that can be read back: every key, its value, where it came from.

use std::fmt::Write as _;

use super::Settings;
use super::keys::{KEYS, Key, SECTIONS};
use super::read::full_path;
use super::schema::to_json;
use super::value::Value;

impl Settings {
    /// The effective configuration as a TOML document. Each line ends in a comment that says where the
    /// value came from; secrets are told only by where they came from. Venues that nobody configured
    /// stand there as comments.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for (section, doc) in SECTIONS {
            if *section == "venues" {
                for (id, venue) in &self.venues {
                    let mark = if venue.configured { "" } else { "# " };
                    let _ = writeln!(out, "{mark}[venues.{id}]");
                    self.keys(&mut out, section, id, mark);
                }
            } else {
                let _ = writeln!(out, "# {doc}\n[{section}]");
                self.keys(&mut out, section, "", "");
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// The effective configuration as JSON, without what must not be shown and without venues that nobody
    /// configured.
    pub fn to_json(&self) -> serde_json::Value {
        let mut out = serde_json::Map::new();
        for (section, _) in SECTIONS {
            let table = if *section == "venues" {
                let configured = self.venues.iter().filter(|(_, venue)| venue.configured);
                configured.map(|(id, _)| ((*id).to_owned(), self.values(section, id))).collect()
            } else {
                self.values(section, "")
            };
            out.insert((*section).to_owned(), table);
        }
        out.into()
    }

    fn values(&self, section: &str, venue: &str) -> serde_json::Value {
        let keys = KEYS.iter().filter(|key| key.section == section);
        let shown = keys.filter_map(|key| {
            let value = (key.get)(self, venue).filter(|value| !value.is_hidden(key.kind))?;
            Some((key.name.to_owned(), to_json(&value, key.kind)?))
        });
        serde_json::Value::Object(shown.collect())
    }

    /// The keys, as `section.key`, whose values differ from those of other settings.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let mut changed = Vec::new();
        for key in KEYS {
            let venues: Vec<&str> =
                if key.section == "venues" { self.venues.keys().copied().collect() } else { vec![""] };
            let differs = |venue: &&str| (key.get)(self, venue) != (key.get)(other, venue);
            changed.extend(venues.into_iter().filter(differs).map(|venue| full_path(key, venue)));
        }
        changed
    }

    fn keys(&self, out: &mut String, section: &str, venue: &str, mark: &str) {
        let lines: Vec<(String, String)> =
            KEYS.iter().filter(|key| key.section == section).map(|key| self.line(key, venue)).collect();
        let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 40).max();
        for (line, origin) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{mark}{line:width$}  # {origin}", width = width.unwrap_or(0));
        }
        out.push('\n');
    }

    /// One key and where its value came from.
    fn line(&self, key: &Key, venue: &str) -> (String, String) {
        let origin = self.origin(&full_path(key, venue));
        let value = (key.get)(self, venue);
        if let Some(Value::Secret(Some(secret))) = &value
            && let Some(file) = secret.file()
        {
            let path = toml::Value::from(file.to_string_lossy().as_ref());
            return (format!("{}_file = {path}", key.name), origin.to_string());
        }
        match value {
            Some(value) if value.is_hidden(key.kind) => {
                (format!("# {} = hidden", key.name), origin.to_string())
            }
            Some(value) => match value.to_toml(key.kind) {
                Some(text) => (format!("{} = {text}", key.name), origin.to_string()),
                None => (format!("# {} is not set", key.name), origin.to_string()),
            },
            None => (format!("# {} is not set", key.name), origin.to_string()),
        }
    }
}
