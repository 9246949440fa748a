//! What the process tells the gateway about itself, and what the gateway may ask of the process.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Something that only the process can do. It may block.
pub type Hook = Arc<dyn Fn() -> Result<Value, Declined> + Send + Sync>;

/// Plays a drill by its name, with a seed; the verdict, as `tapeline drill run --json` tells it. It takes seconds, and
/// blocks meanwhile.
pub type Play = Arc<dyn Fn(&str, u64) -> Result<Value, Declined> + Send + Sync>;

/// Why the process did not do what it was asked for; the text is shown to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// What the operator gave it is wrong: nothing has changed, and trying again changes nothing.
    Wrong(String),
    /// It was tried and failed.
    Failed(String),
}

/// The process around the gateway.
#[derive(Clone)]
pub struct About {
    /// The version that is shown.
    pub version: String,
    /// The settings in force at the start, rendered without secrets: they are shown to everybody.
    pub config: Value,
    /// The venues that the configuration names: the gateway is ready when all of these are.
    pub venues: Vec<String>,
    /// The troubles that can be played, and which fault each of them stands for: objects with `items` and `faults`.
    pub drills: Value,
    /// Plays one of them.
    pub play: Option<Play>,
    /// Reads the configuration anew.
    pub reload: Option<Hook>,
    /// Begins an orderly end of the process, and returns at once.
    pub drain: Option<Hook>,
}

impl Default for About {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: Value::Object(serde_json::Map::new()),
            venues: Vec::new(),
            drills: Value::Null,
            play: None,
            reload: None,
            drain: None,
        }
    }
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About")
            .field("version", &self.version)
            .field("venues", &self.venues)
            .field("play", &self.play.is_some())
            .field("reload", &self.reload.is_some())
            .field("drain", &self.drain.is_some())
            .finish_non_exhaustive()
    }
}
