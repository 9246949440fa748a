//! The JSON Schema of the configuration, made from the table of keys, for editors.

use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, SECTIONS};
use super::unit::{format_duration, format_size};
use super::value::{Kind, Value};
use super::{Settings, venues};

/// The schema (draft 2020-12) that a configuration file fulfils.
pub fn schema() -> Json {
    let untouched = Settings::default();
    let mut sections = Map::new();
    for (section, doc) in SECTIONS {
        let table = if *section == "venues" {
            let tables = venues::ids().map(|id| (id.to_owned(), table(section, &untouched, id, id)));
            object(doc, tables.collect())
        } else {
            table(section, &untouched, "", doc)
        };
        sections.insert((*section).to_owned(), table);
    }
    let mut schema = object("The configuration of Tapeline.", sections);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "tapeline.toml".into();
    schema
}

fn object(doc: &str, properties: Map<String, Json>) -> Json {
    json!({"type": "object", "description": doc, "properties": properties, "additionalProperties": false})
}

fn table(section: &str, untouched: &Settings, venue: &str, doc: &str) -> Json {
    let mut properties = Map::new();
    for key in KEYS.iter().filter(|key| key.section == section) {
        properties.insert(key.name.to_owned(), property(key, untouched, venue));
        if key.kind == Kind::Secret {
            let description = format!("{} Read from this file.", key.doc);
            properties
                .insert(format!("{}_file", key.name), json!({"type": "string", "description": description}));
        }
    }
    object(doc, properties)
}

fn property(key: &Key, untouched: &Settings, venue: &str) -> Json {
    let mut schema = match key.kind {
        Kind::Duration(least, most) => json!({
            "type": "string",
            "pattern": "^(0|(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?)$",
            "x-minimum": format_duration(least),
            "x-maximum": format_duration(most),
        }),
        Kind::Size(least, most) => json!({
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)$"},
                {"type": "integer", "minimum": least, "maximum": most},
            ],
            "x-minimum": format_size(least),
            "x-maximum": format_size(most),
        }),
        Kind::Count(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Share => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Kind::Window => json!({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Pages => names("^[Hh][Tt][Tt][Pp][Ss]?://[^/]+$"),
        Kind::Hosts => names("^[^/@ ]+$"),
        Kind::Streams => origins("^[Ww][Ss][Ss]?://"),
        Kind::Rest => origins("^[Hh][Tt][Tt][Pp][Ss]?://"),
        Kind::Periods(..) => {
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "pattern": "^.+ [0-9a-z]+$"}})
        }
        Kind::Topics => json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
        Kind::Address | Kind::Path | Kind::Proxy | Kind::Text | Kind::Secret => {
            json!({"type": "string", "minLength": 1})
        }
    };
    schema["description"] = key.doc.into();
    if let Some(default) = (key.get)(untouched, venue).and_then(|value| to_json(&value, key.kind)) {
        schema["default"] = default;
    }
    schema
}

fn origins(pattern: &str) -> Json {
    json!({"type": "array", "uniqueItems": true, "maxItems": 16, "items": {"type": "string", "pattern": pattern}})
}

fn names(pattern: &str) -> Json {
    json!({"type": "array", "uniqueItems": true, "maxItems": 256, "items": {"type": "string", "pattern": pattern}})
}

/// A value as JSON, as it is written in TOML; `None` for what is not set and for secrets.
pub(crate) fn to_json(value: &Value, kind: Kind) -> Option<Json> {
    let text = value.to_toml(kind)?;
    let parsed: toml::Table = format!("value = {text}").parse().ok()?;
    parsed.get("value").and_then(|value| serde_json::to_value(value).ok())
}
