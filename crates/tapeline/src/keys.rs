//! Where a venue's keys come from, so that they can be read again when the venue refuses them.

use std::fmt;
use std::path::PathBuf;

use tapeline_core::venue::Keys;

use crate::settings::{Secret, read_secret};

/// Where a venue's keys come from. It is asked again when the venue refuses those in use, on a thread where it may
/// block; an answer that takes longer than a login may (10 s) comes too late.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The keys as they stand there now.
    ///
    /// # Errors
    /// Why they cannot be read; never anything of what they are.
    fn read(&self) -> Result<Keys, String>;
}

/// A file that holds the secret half of a key. Whoever replaces the file replaces the key, without a restart.
#[derive(Debug, Clone)]
pub struct KeyFile {
    id: String,
    file: PathBuf,
}

impl KeyFile {
    /// The key of this id, with its secret in `file`.
    pub fn new(id: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self { id: id.into(), file: file.into() }
    }

    /// The same for a secret of the settings; `None` if that was not read from a file: the environment of a process
    /// does not change.
    pub(crate) fn of(id: Option<&str>, secret: Option<&Secret>) -> Option<Self> {
        Some(Self::new(id.unwrap_or_default(), secret?.file()?))
    }
}

impl KeySource for KeyFile {
    fn read(&self) -> Result<Keys, String> {
        let secret = read_secret(&self.file).map_err(|why| format!("{}: {why}", self.file.display()))?;
        Ok(Keys { id: self.id.clone(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_each_time_and_what_is_wrong_with_it_is_told_without_what_it_holds() {
        let file = std::env::temp_dir().join(format!("tapeline-keys-{}", std::process::id()));
        let keys = KeyFile::new("public", &file);
        assert!(keys.read().is_err());
        for secret in ["one", "two"] {
            std::fs::write(&file, format!("{secret}\n")).unwrap();
            assert_eq!(keys.read().unwrap().secret, secret);
        }
        std::fs::write(&file, "hidden\nhidden").unwrap();
        let why = keys.read().unwrap_err();
        assert!(why.contains("several lines") && !why.contains("hidden"), "{why}");
        std::fs::remove_file(file).unwrap();
    }
}
