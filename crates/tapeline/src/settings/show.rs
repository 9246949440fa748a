//! The effective configuration as TOML that can be read back: every key, its value, where it came from.

use std::fmt::Write as _;

use super::Settings;
use super::keys::{KEYS, Key, SECTIONS};
use super::read::full_path;
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
