//! Where a venue's keys come from, so that they can be read again when the venue refuses them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tapeline_core::time::Unix;
use tapeline_core::venue::Keys;

use crate::clock::unix;
use crate::settings::{Secret, read_lasting};

/// Where a venue's keys come from. It is asked again when the venue refuses those in use, and when 80 % of their life
/// ([`Keys::life`]) are over, on a thread where it may block; an answer that takes longer than a login may (10 s) comes
/// too late.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The keys as they stand there now.
    ///
    /// # Errors
    /// Why they cannot be read; never anything of what they are.
    fn read(&self) -> Result<Keys, String>;
}

/// A file that holds the secret half of a key, and in a second line, `expires = N`, in which Unix second it ends, if it
/// does. Whoever replaces the file replaces the key, without a restart.
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
        let read = read_lasting(&self.file).map_err(|why| format!("{}: {why}", self.file.display()));
        let (secret, ends) = read?;
        let left = |ends: Unix| Duration::from_nanos(u64::try_from(ends.0 - unix().0).unwrap_or(0));
        Ok(Keys { life: ends.map(left), ..Keys::new(self.id.clone(), secret) })
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
        for wrong in ["hidden\nhidden", "hidden\nexpires = soon", "hidden\nexpires = 9\nhidden"] {
            std::fs::write(&file, wrong).unwrap();
            let why = keys.read().unwrap_err();
            assert!(!why.contains("hidden") && !why.contains("soon"), "{why}");
        }
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_file_tells_how_long_its_key_lasts() {
        let file = std::env::temp_dir().join(format!("tapeline-lasting-{}", std::process::id()));
        let keys = KeyFile::new("public", &file);
        let life = |ends: i64| {
            std::fs::write(&file, format!("one\nexpires = {ends}\n")).unwrap();
            let read = keys.read().unwrap();
            assert_eq!(read.secret, "one");
            read.life.unwrap()
        };
        let now = unix().0 / 1_000_000_000;
        let left = life(now + 3_600).as_secs();
        assert!((3_590..=3_600).contains(&left), "{left}");
        assert_eq!(life(now - 3_600), Duration::ZERO, "it is over");
        std::fs::write(&file, "one\n").unwrap();
        assert_eq!(keys.read().unwrap().life, None);
        std::fs::remove_file(file).unwrap();
    }
}
