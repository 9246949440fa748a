//! A secret: text that can be used but not printed.

use std::fmt;
use std::path::{Path, PathBuf};

/// Text that must never reach a log, a message or a listing. Its `Debug` form shows nothing of it, it
/// has no `Display` form, and reading it takes a word that is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    file: Option<PathBuf>,
}

impl Secret {
    /// A secret given as text.
    pub const fn new(text: String) -> Self {
        Self { text, file: None }
    }

    /// A secret that was read from `file`, which may be shown.
    pub const fn from_file(text: String, file: PathBuf) -> Self {
        Self { text, file: Some(file) }
    }

    /// The text itself. Hand it only to what sends it to the venue.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The file it came from, if it came from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
