//! One event as a line: text for people, or a JSON object for programs.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Fields that tell one source of events from another.
const SOURCES: &[&str] = &["venue", "line", "topic", "endpoint", "action", "target", "what"];

/// The fields of an event.
#[derive(Debug)]
pub(crate) struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
    /// Equal for events of the same kind from the same source.
    pub(crate) key: u64,
}

impl Fields {
    /// Reads an event.
    pub(crate) fn of(event: &tracing::Event<'_>) -> Self {
        let mut fields = Self { message: String::new(), rest: Vec::new(), key: 0 };
        event.record(&mut fields);
        let mut hasher = DefaultHasher::new();
        event.metadata().callsite().hash(&mut hasher);
        for (name, value) in fields.rest.iter().filter(|(name, _)| SOURCES.contains(name)) {
            (name, value.to_string()).hash(&mut hasher);
        }
        fields.key = hasher.finish();
        fields
    }

    /// What happened, with where it did.
    pub(crate) fn name(&self) -> String {
        let mut name = self.message.clone();
        for (field, value) in self.rest.iter().filter(|(field, _)| SOURCES.contains(field)) {
            // Writing to a String cannot fail.
            let _ = write!(name, " {field}={}", plain(value));
        }
        name
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<Value>) {
        self.rest.push((name, value.into()));
    }

    /// A line for people.
    pub(crate) fn text(&self, metadata: &Metadata<'_>, target: bool, colour: bool) -> String {
        let mut line = begun(*metadata.level(), colour);
        if target {
            let _ = write!(line, " {}:", metadata.target());
        }
        let _ = write!(line, " {}", clean(&self.message));
        for (name, value) in &self.rest {
            let _ = write!(line, " {name}={}", clean(&plain(value)));
        }
        line
    }

    /// A line for programs.
    pub(crate) fn json(&self, metadata: &Metadata<'_>) -> String {
        let mut object = object(*metadata.level(), metadata.target(), &self.message);
        for (name, value) in &self.rest {
            object.entry((*name).to_owned()).or_insert_with(|| value.clone());
        }
        Value::Object(object).to_string()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.push(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field.name(), value);
    }
}

/// A warning that is no event, with a count: what is wrong with the log cannot be told through it.
pub(crate) fn warning(message: &str, count: u64, json: bool, colour: bool) -> String {
    if json {
        let mut object = object(Level::WARN, module_path!(), message);
        object.insert("count".to_owned(), count.into());
        return Value::Object(object).to_string();
    }
    format!("{} {message} count={count}", begun(Level::WARN, colour))
}

/// How each line for people begins.
fn begun(level: Level, colour: bool) -> String {
    let code = match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        _ => "2",
    };
    let mut line = time();
    // Writing to a String cannot fail.
    let _ = if colour { write!(line, " \x1b[{code}m{level:>5}\x1b[0m") } else { write!(line, " {level:>5}") };
    line
}

/// What each line for programs has.
fn object(level: Level, target: &str, message: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("time".to_owned(), time().into());
    object.insert("level".to_owned(), level.as_str().to_lowercase().into());
    object.insert("target".to_owned(), target.into());
    object.insert("message".to_owned(), message.into());
    object
}

/// A value without the quotes that JSON puts around texts, unless it has blanks in it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if !text.contains([' ', '"', '=']) && !text.is_empty() => text.clone(),
        value => value.to_string(),
    }
}

/// Text of others must not move the cursor.
fn clean(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn time() -> String {
    let mut text = String::new();
    // Fails only if the clock stands before 1970; a line without a time is still a line.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}
