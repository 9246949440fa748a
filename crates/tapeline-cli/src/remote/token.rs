//! The admin token: made once, kept in a file that only its owner can read, never printed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tapeline::settings::{Settings, read_secret};

use crate::exit::{Exit, Failed};

/// The name of the file in the state folder.
const NAME: &str = "admin-token";
/// Bytes of chance in a token.
const BYTES: usize = 32;

/// Where the token of a gateway with this configuration is.
pub(crate) fn place(settings: &Settings) -> Option<PathBuf> {
    let named = settings.gateway.admin_token_file.clone();
    named.or_else(|| settings.state.dir.as_ref().map(|dir| dir.join(NAME)))
}

/// The token for somebody who gives orders: in the file named, else where the gateway keeps its own.
pub(crate) fn find(
    named: Option<&Path>,
    settings: impl FnOnce() -> Result<Settings, Failed>,
) -> Result<String, Failed> {
    let file = match named {
        Some(file) => file.to_owned(),
        None => place(&settings()?).ok_or_else(|| {
            Failed::new(Exit::Failure, "there is no state folder to read the admin token from")
                .hint("--token-file FILE names the file of the token")
        })?,
    };
    read_secret(&file).map_err(|why| {
        Failed::new(Exit::Failure, format!("cannot read the admin token in {}: {why}", file.display()))
            .hint("`tapeline serve` makes it at its first start; --token-file FILE names another one")
    })
}

/// The token of the gateway that is about to start: read, or made where nobody named a file. None if there is no
/// folder for it, or none that can be written to.
pub(crate) fn own(settings: &Settings) -> io::Result<Option<String>> {
    if let Some(file) = &settings.gateway.admin_token_file {
        return read_secret(file).map(Some).map_err(|why| io::Error::other(why.into_owned()));
    }
    let Some(file) = place(settings) else { return Ok(None) };
    match read_secret(&file) {
        Ok(token) => {
            close(&file)?;
            Ok(Some(token))
        }
        Err(_) => make(&file).map(Some),
    }
}

/// Makes a token in a new file that nobody else can read at any time.
fn make(file: &Path) -> io::Result<String> {
    let folder = file.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut bytes = [0; BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written beside and moved, so that nobody ever reads half a token.
    let draft = file.with_extension(format!("{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    options.open(&draft)?.write_all(format!("{token}\n").as_bytes())?;
    fs::rename(&draft, file)?;
    Ok(token)
}

/// Makes a folder that nobody else can look into.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

/// A token of ours that others can read is closed to them.
#[cfg(unix)]
fn close(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %file.display(), "others could read the admin token; it is closed to them now");
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_their_owner_can_read_the_token_and_the_folder_of_it() {
        let folder = std::env::temp_dir().join(format!("tapeline-token-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let file = folder.join("state").join(NAME);
        let token = make(&file).unwrap();
        assert_eq!(token.len(), 2 * BYTES);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder), mode(&folder.join("state"))), (0o600, 0o700, 0o700));
        fs::remove_dir_all(&folder).unwrap();
    }
}
