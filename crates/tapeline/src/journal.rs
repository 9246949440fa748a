//! What changed and why, of all venues, under one number: the latest of it in memory, and all of it in files if that
//! is wanted. Whoever tells something never waits for a disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::feed::Record;
use tapeline_core::time::{Mono, Time, Unix};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::bookkeeping::LedgerChange;
use crate::state::private;

/// Records at hand; a file that lags by more loses some.
const KEPT: usize = 10_000;
/// The largest file, and how many old ones are kept.
const FILE_BYTES: u64 = 16 << 20;
const FILES: u32 = 8;
/// The file that is written; older ones have numbers.
const NAME: &str = "events.jsonl";
/// A line is shorter than this: its beginning is looked for no further back.
const TAIL: u64 = 64 << 10;
/// Records are gathered for so long before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// After an error the disk is left alone for so long.
const REST: Duration = Duration::from_secs(5);
/// Bytes written at a time, about.
const BATCH: usize = 1 << 20;

/// One record of what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Rises by one with every record of the process.
    pub seq: u64,
    /// When, in microseconds of a clock that never steps back.
    pub mono_us: u64,
    /// When, by the wall clock.
    pub wall_ns: Unix,
    /// Whose venue; empty for the process.
    pub venue: Box<str>,
    /// Whose: a topic, a line, the venue.
    pub entity: Box<str>,
    /// `service`, `line`, `rung`, `topic`, `feed`, `order`, `memory`, `ledger`, `start`, `crash`, `lost`.
    pub kind: &'static str,
    /// The state left.
    pub from: &'static str,
    /// The state entered.
    pub to: &'static str,
    /// Of `service`: since when that has been so, on the same clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_us: Option<u64>,
    /// Of lines that were lost while they were open: whether some wanted topic felt it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub felt: Option<bool>,
    /// Of `ledger`: what has come of events since the record before of the same entity.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Box<LedgerChange>>,
    /// Why.
    pub cause: Box<str>,
}

/// All records of a process.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    ring: Mutex<Ring>,
    news: Notify,
    /// Whether somebody writes.
    files: Mutex<Option<Files>>,
    /// Why that does not work at the moment.
    trouble: Mutex<Option<Box<str>>>,
}

#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Arc<Event>>,
    next: u64,
}

impl Journal {
    /// A journal that also writes to `folder`, if one is given.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        let files = folder.map(|folder| Files { folder: folder.to_owned(), ..Files::default() });
        Self { files: Mutex::new(files), ..Self::default() }
    }

    /// Takes in the records of a venue's feed that come after its `told`, and says up to which they were. Those that
    /// the feed could not keep for so long are told as lost.
    pub(crate) fn follow<'a>(
        &self,
        venue: &str,
        mut told: u64,
        records: impl Iterator<Item = &'a Record>,
    ) -> u64 {
        for record in records {
            let missed = record.seq.saturating_sub(told + 1);
            if missed > 0 {
                let cause = format!("{missed} records came faster than they could be taken").into();
                let lost =
                    Record { kind: "lost", entity: "log".into(), from: "", to: "", cause, ..record.clone() };
                self.tell(venue, &Record { since: None, felt: None, ..lost });
            }
            self.tell(venue, record);
            told = record.seq;
        }
        told
    }

    /// Takes in a record of a venue's feed.
    fn tell(&self, venue: &str, record: &Record) {
        self.push(Event {
            seq: 0,
            mono_us: micros(record.at),
            wall_ns: record.wall,
            venue: venue.into(),
            entity: record.entity.clone(),
            kind: record.kind,
            from: record.from,
            to: record.to,
            since_us: record.since.map(micros),
            felt: record.felt,
            ledger: None,
            cause: record.cause.clone(),
        });
    }

    /// Takes in what has come of the events of a venue, or of one of its topics.
    pub(crate) fn ledger(&self, now: Time, venue: &str, entity: Box<str>, change: LedgerChange) {
        let ledger = Some(Box::new(change));
        self.push(Event { venue: venue.into(), entity, kind: "ledger", ledger, ..blank(now) });
    }

    /// Takes in a record about the process.
    pub(crate) fn note(&self, now: Time, kind: &'static str, entity: &str, cause: &str) {
        self.moved(now, (kind, entity), ("", ""), cause);
    }

    /// Takes in a record about the process: something of it went from one state to another.
    pub(crate) fn moved(
        &self,
        now: Time,
        (kind, entity): (&'static str, &str),
        (from, to): (&'static str, &'static str),
        cause: &str,
    ) {
        let (entity, cause) = (entity.into(), cause.into());
        self.push(Event { entity, kind, from, to, cause, ..blank(now) });
    }

    fn push(&self, event: Event) {
        let mut ring = lock(&self.ring);
        ring.next += 1;
        if ring.records.len() >= KEPT {
            ring.records.pop_front();
        }
        let event = Event { seq: ring.next, ..event };
        ring.records.push_back(Arc::new(event));
        drop(ring);
        self.news.notify_one();
    }

    /// The number of the newest record.
    pub(crate) fn newest(&self) -> u64 {
        lock(&self.ring).next
    }

    /// The records after `seq`, oldest first, at most `most`; those that are no longer at hand are left out.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Vec<Arc<Event>> {
        let ring = lock(&self.ring);
        let first = ring.next - ring.records.len() as u64;
        let skip = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        ring.records.iter().skip(skip).take(most).cloned().collect()
    }

    /// Whether there are files to write.
    pub(crate) fn is_written(&self) -> bool {
        lock(&self.files).is_some()
    }

    /// Why what changes cannot be written at the moment; never waits for a disk.
    pub(crate) fn trouble(&self) -> Option<Box<str>> {
        lock(&self.trouble).clone()
    }

    /// Writes what is not written yet. Blocks: not for the threads of the runtime.
    pub(crate) fn flush(&self) {
        let mut files = lock(&self.files);
        let Some(files) = files.as_mut() else { return };
        loop {
            let records = self.after(files.written, 4_096);
            if records.is_empty() {
                return;
            }
            let written = files.write(&records);
            *lock(&self.trouble) = written.as_ref().err().map(|error| error.to_string().into());
            if written.is_err() {
                return;
            }
        }
    }

    /// Writes until it is told to stop.
    pub(crate) async fn write(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.news.notified() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(GATHER) => {}
                () = stop.cancelled() => return,
            }
            let journal = Arc::clone(&self);
            match spawn_blocking(move || journal.flush()).await {
                Ok(()) => {}
                Err(panic) if panic.is_panic() => resume_unwind(panic.into_panic()),
                // The runtime ends.
                Err(_) => return,
            }
            let failed = lock(&self.files).as_ref().is_some_and(|files| files.file.is_none());
            if failed {
                tokio::select! {
                    () = sleep(REST) => self.news.notify_one(),
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A record that says nothing yet, of the process.
fn blank(now: Time) -> Event {
    let (mono_us, wall_ns) = (micros(now.mono), now.unix);
    let (venue, entity, cause) = (Box::default(), Box::default(), Box::default());
    let (kind, from, to, since_us, felt, ledger) = ("", "", "", None, None, None);
    Event { seq: 0, mono_us, wall_ns, venue, entity, kind, from, to, since_us, felt, ledger, cause }
}

const fn micros(at: Mono) -> u64 {
    at.0 / 1_000
}

/// The files of a journal.
#[derive(Debug, Default)]
struct Files {
    folder: PathBuf,
    /// None before the first record, and after an error.
    file: Option<File>,
    size: u64,
    /// Whether this process has looked at what another left.
    begun: bool,
    /// The last record written.
    written: u64,
    told: bool,
}

impl Files {
    /// Writes some records. What does not work is tried again.
    fn write(&mut self, records: &[Arc<Event>]) -> io::Result<()> {
        let written = self.try_write(records);
        match &written {
            Ok(()) => {
                if std::mem::take(&mut self.told) {
                    tracing::info!(folder = %self.folder.display(), "the event log is written again");
                }
            }
            Err(error) => {
                self.file = None;
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(folder = %self.folder.display(), %error, "the event log cannot be written");
                }
            }
        }
        written
    }

    fn try_write(&mut self, records: &[Arc<Event>]) -> io::Result<()> {
        let mut text = String::with_capacity(BATCH / 4);
        let mut last = self.written;
        for record in records {
            let missed = record.seq.saturating_sub(last + 1);
            if missed > 0 {
                // Their numbers are theirs; this one takes the last of them.
                let (seq, kind) = (record.seq - 1, "lost");
                let cause = format!("{missed} records were not written in time").into();
                let (entity, mono_us, wall_ns) = ("log".into(), record.mono_us, record.wall_ns);
                let lost = Event { seq, mono_us, wall_ns, entity, kind, cause, ..blank(Time::default()) };
                line(&mut text, &lost);
            }
            line(&mut text, record);
            last = record.seq;
            if text.len() >= BATCH {
                self.append(&text, last)?;
                text.clear();
            }
        }
        self.append(&text, last)
    }

    fn append(&mut self, text: &str, last: u64) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if !self.begun {
            // A process that starts again and again must not push out the history of its own trouble.
            (self.size, self.begun) = (whole(&self.folder.join(NAME))?, true);
        }
        if self.size >= FILE_BYTES {
            self.file = None;
            rotate(&self.folder)?;
            self.size = 0;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = private().create(true).append(true).open(self.folder.join(NAME))?;
                // What an error or a sudden end left half written is taken away: no line is torn, none is there twice.
                file.set_len(self.size)?;
                none.insert(file)
            }
        };
        file.write_all(text.as_bytes())?;
        self.size += text.len() as u64;
        self.written = last;
        Ok(())
    }
}

fn line(text: &mut String, event: &Event) {
    // Plain texts and numbers always have a JSON form.
    text.push_str(&serde_json::to_string(event).unwrap_or_default());
    text.push('\n');
}

/// How much of a file is whole lines. One that ends in none of ours is called full, so that it is put aside.
fn whole(path: &Path) -> io::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(TAIL).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n');
    Ok(end.map_or(if size == 0 { 0 } else { FILE_BYTES }, |end| from + end as u64 + 1))
}

/// Moves every file on by one; the last one goes.
fn rotate(folder: &Path) -> io::Result<()> {
    let name = |number: u32| match number {
        0 => folder.join(NAME),
        number => folder.join(format!("events.{number}.jsonl")),
    };
    for number in (0..FILES).rev() {
        match std::fs::rename(name(number), name(number + 1)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
