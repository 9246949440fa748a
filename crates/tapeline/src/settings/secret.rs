//! A secret: text that can be used but not printed.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use tapeline_core::time::Unix;

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

/// A secret's file larger than this is none.
const LARGEST: u64 = 64 << 10;

/// The secret in a file, without the line end that editors add.
///
/// # Errors
/// What is wrong with the file; never anything of what it holds.
pub fn read(file: &Path) -> Result<String, Cow<'static, str>> {
    match text(file)?.trim() {
        "" => Err("an empty file".into()),
        secret if secret.contains(char::is_control) => Err("several lines".into()),
        secret => Ok(secret.to_owned()),
    }
}

/// The same of a file that may tell in a second line, `expires = N`, in which Unix second the secret ends.
///
/// # Errors
/// What is wrong with the file; never anything of what it holds.
pub fn read_lasting(file: &Path) -> Result<(String, Option<Unix>), Cow<'static, str>> {
    let text = text(file)?;
    let mut lines = text.trim().lines();
    let secret = lines.next().unwrap_or_default().trim();
    let ends = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) => {
            let second = line.split_once('=').filter(|(word, _)| word.trim() == "expires");
            let second = second.and_then(|(_, second)| second.trim().parse::<u32>().ok());
            let second = second.ok_or("several lines, the second of which is no `expires = SECOND`")?;
            Some(Unix::from_millis(i64::from(second) * 1_000))
        }
        _ => return Err("several lines".into()),
    };
    match secret {
        "" => Err("an empty file".into()),
        secret if secret.contains(char::is_control) => Err("several lines".into()),
        secret => Ok((secret.to_owned(), ends)),
    }
}

fn text(file: &Path) -> Result<String, Cow<'static, str>> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err("a file that is too large".into());
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8".into())
}

/// The rights of everybody to a file, if it has any: 4 = read, 2 = write. Its group is its owner's affair.
#[cfg(unix)]
pub(crate) fn open_to_all(file: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    (mode & 0o007 != 0).then_some(mode & 0o777)
}

/// The rights of everybody to a file; unknown here.
#[cfg(not(unix))]
pub(crate) fn open_to_all(_: &Path) -> Option<u32> {
    None
}
