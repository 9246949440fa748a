//! The state folder: what outlives the process. One process at a time uses it; what it holds of each venue's limits is
//! written whenever it changes, beside the feed, and read at the next start.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tapeline_core::feed::{Kept, Memory};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A dial or a request waits so long until it is written that there is one. A disk that takes longer holds nothing up.
const WRITTEN_WITHIN: Duration = Duration::from_millis(250);
/// What could not be written is tried again after so long.
const TRIED_AGAIN: Duration = Duration::from_secs(5);
/// No file of ours is larger.
const LARGEST: u64 = 64 << 10;

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process uses it. Two would not know of each other's requests, and pass the venues' limits together.
    #[error(
        "the state folder \"{folder}\" is in use by another process{owner}: stop it, or set another `state.dir`"
    )]
    Busy {
        /// The folder.
        folder: String,
        /// ` (process N)`, if it said so.
        owner: String,
    },
    /// It cannot be written.
    #[error("the state folder \"{folder}\" cannot be used: {source}")]
    Unusable {
        /// The folder.
        folder: String,
        /// Why.
        source: io::Error,
    },
}

/// A state folder that is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct StateDir {
    folder: PathBuf,
    event_log: bool,
    /// Why a venue's file cannot be written at the moment.
    trouble: Mutex<BTreeMap<String, String>>,
    /// Held, not used: the lock ends with it.
    _lock: File,
}

impl StateDir {
    /// Makes the folder if need be and takes it; with `event_log`, what changes is written there too.
    ///
    /// # Errors
    /// [`StateError`]: another process has it, or it cannot be written.
    pub fn open(folder: &Path, event_log: bool) -> Result<Arc<Self>, StateError> {
        let name = folder.display().to_string();
        let unusable = |source| StateError::Unusable { folder: name.clone(), source };
        make(&folder.join("venues")).map_err(unusable)?;
        let path = folder.join("lock");
        let mut lock = private().create(true).truncate(false).read(true).write(true).open(path);
        let file = lock.as_mut().map_err(|error| unusable(io::Error::from(error.kind())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who it is, is only told for convenience.
                let _ = file.take(20).read_to_string(&mut text);
                let owner = match text.trim().parse::<u32>() {
                    Ok(process) => format!(" (process {process})"),
                    Err(_) => String::new(),
                };
                return Err(StateError::Busy { folder: name, owner });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mark = |file: &mut File| {
            file.set_len(0)?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())
        };
        mark(file).map_err(unusable)?;
        let lock = lock.map_err(unusable)?;
        Ok(Arc::new(Self { folder: folder.to_owned(), event_log, trouble: Mutex::default(), _lock: lock }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where what changes is to be written, if anywhere.
    pub(crate) fn event_log(&self) -> Option<&Path> {
        self.event_log.then_some(&self.folder)
    }

    /// Why what is to outlive the process cannot be written at the moment.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.iter().next().map(|(venue, error)| format!("{venue}: {error}"))
    }

    fn note(&self, venue: &str, error: Option<&io::Error>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => drop(trouble.insert(venue.to_owned(), error.to_string())),
            None => drop(trouble.remove(venue)),
        }
    }

    /// What a process before this one has used up of a venue's limits.
    pub(crate) fn memory(&self, venue: &str) -> Memory {
        let path = self.path(venue);
        let read = || -> io::Result<Kept> {
            let mut text = Vec::new();
            File::open(&path)?.take(LARGEST).read_to_end(&mut text)?;
            serde_json::from_slice(&text).map_err(io::Error::from)
        };
        match read() {
            Ok(kept) => Memory::of_kept(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Memory::default(),
            Err(error) => {
                tracing::warn!(venue, file = %path.display(), %error, "what was used up of the limits is not known");
                Memory::default()
            }
        }
    }

    /// Replaces a venue's file, whole or not at all.
    fn write(&self, venue: &str, kept: &Kept) -> io::Result<()> {
        let path = self.path(venue);
        let new = path.with_extension("new");
        let mut file = private().create(true).truncate(true).write(true).open(&new)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_data()?;
        fs::rename(new, path)
    }

    fn path(&self, venue: &str) -> PathBuf {
        // Ids of own adapters are anybody's words.
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        self.folder.join("venues").join(format!("{}.json", venue.chars().map(plain).collect::<String>()))
    }
}

/// Makes a folder that only we can read.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// How a file is made that only we can read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Keeps one venue's file in step with its feed.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: Arc<StateDir>,
    venue: String,
    /// What is to be written, and how often there was something to write.
    newest: Mutex<(Option<Kept>, u64)>,
    /// What was to be kept last, written or not.
    last: Mutex<Option<Kept>>,
    news: Notify,
    /// Up to which of these it is written, or could not be.
    written: watch::Sender<u64>,
}

impl Keeper {
    pub(crate) fn new(state: Arc<StateDir>, venue: &str) -> Self {
        let (newest, written) = (Mutex::default(), watch::Sender::new(0));
        Self { state, venue: venue.to_owned(), newest, last: Mutex::default(), news: Notify::new(), written }
    }

    /// This is to be kept; what was to be before it is not any more.
    pub(crate) fn keep(&self, kept: Kept) {
        *self.last() = Some(kept.clone());
        let mut newest = self.lock();
        *newest = (Some(kept), newest.1 + 1);
        self.news.notify_one();
    }

    /// Waits until what was to be kept when this was called is written: a process that is killed between using
    /// something up and writing so would not know of it at the next start.
    pub(crate) fn written(&self) -> impl Future<Output = ()> + Send + use<> {
        let (asked, mut written) = (self.lock().1, self.written.subscribe());
        async move {
            // Who is late, or gone, does not hold up what is to be done.
            let _ = timeout(WRITTEN_WITHIN, written.wait_for(|number| *number >= asked)).await;
        }
    }

    /// What was to be kept last, or what a process before this one has left.
    pub(crate) fn memory(&self) -> Memory {
        let last = self.last().clone();
        last.map_or_else(|| self.state.memory(&self.venue), Memory::of_kept)
    }

    fn last(&self) -> MutexGuard<'_, Option<Kept>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Kept>, u64)> {
        // Every change is complete before the next one begins.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_newest(&self) -> io::Result<()> {
        let (newest, number) = {
            let mut newest = self.lock();
            (newest.0.take(), newest.1)
        };
        let Some(kept) = newest else { return Ok(()) };
        let done = self.state.write(&self.venue, &kept);
        self.state.note(&self.venue, done.as_ref().err());
        if done.is_err() {
            // It is still to be written, unless there is something newer by now.
            self.lock().0.get_or_insert(kept);
        }
        self.written.send_replace(number);
        done
    }

    /// Writes what changes until it is told to stop; then what is left. What could not be written is tried again: a ban
    /// may be the last that changes for a long time.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut failed = false;
        loop {
            let stopped = tokio::select! {
                () = self.news.notified() => false,
                () = sleep(TRIED_AGAIN), if failed => false,
                () = stop.cancelled() => true,
            };
            let keeper = Arc::clone(&self);
            let written = spawn_blocking(move || keeper.write_newest()).await;
            match written {
                Ok(Ok(())) => failed = false,
                Ok(Err(error)) if !failed => {
                    failed = true;
                    let venue = &self.venue;
                    tracing::warn!(venue, %error, "the state of the limits cannot be written: a restart forgets it");
                }
                Ok(Err(_)) => {}
                Err(panic) if panic.is_panic() => resume_unwind(panic.into_panic()),
                // The runtime ends.
                Err(_) => return,
            }
            if stopped {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
