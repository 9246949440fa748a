//! What happened in a world: one hash over all of it, and the last lines in words.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use tapeline_core::data::update::{Data, Shared};
use tapeline_core::venue::LineId;

use super::clock::SEC;

/// How much of a message a line shows.
const SHOWN: usize = 160;

/// A hash that is the same in every run, on every machine and with every compiler: a fold of multiplications.
#[derive(Debug, Clone)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x9ae1_6a3b_2f90_404f)
    }
}

impl Digest {
    const fn fold(&mut self, word: u64) {
        let wide = ((self.0 ^ word) as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64).rotate_left(23);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.fold(u64::from_le_bytes(last) ^ (bytes.len() as u64).rotate_left(56));
    }

    fn write_u8(&mut self, value: u8) {
        self.fold(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.fold(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }
}

/// One thing that happened; put into words only when somebody asks.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Something said in words: a fault, an input, an action.
    Told(String),
    /// A message reached a feed.
    Frame(usize, LineId, Bytes),
    /// An update reached a reader.
    Delivered(usize, Shared),
}

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    digest: Digest,
    lines: VecDeque<(u64, Deed)>,
    kept: usize,
    deeds: u64,
}

impl Trace {
    /// A record that keeps the last `kept` lines.
    pub(crate) fn keeping(kept: usize) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Something happened at `now`.
    pub(crate) fn note(&mut self, now: u64, deed: Deed) {
        self.deeds += 1;
        self.digest.write_u64(now);
        match &deed {
            Deed::Told(text) => self.digest.write(text.as_bytes()),
            Deed::Frame(host, line, bytes) => {
                self.digest.write_usize(*host);
                self.digest.write_u64(u64::from(line.slot) << 32 | u64::from(line.dial));
                self.digest.write(bytes);
            }
            Deed::Delivered(reader, update) => {
                self.digest.write_usize(*reader);
                self.digest.write_u64(update.epoch.bits() as u64);
                self.digest.write_u64(update.offset);
                self.digest.write_u32(update.merged);
                self.digest.write_u8(update.kind as u8);
                self.digest.write(update.topic.as_str().as_bytes());
                // What the wall clock was is a label, not part of what happened.
                if !matches!(update.data, Data::Status(_)) {
                    update.data.hash(&mut self.digest);
                } else if let Data::Status(status) = &update.data {
                    self.digest.write(status.phase.as_bytes());
                    self.digest.write(status.reason.as_bytes());
                }
            }
        }
        if self.lines.len() >= self.kept.max(1) {
            self.lines.pop_front();
        }
        self.lines.push_back((now, deed));
    }

    /// Something happened, in words.
    pub(crate) fn tell(&mut self, now: u64, text: impl Into<String>) {
        self.note(now, Deed::Told(text.into()));
    }

    /// The lines kept so far, which are kept no longer.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (u64, Deed)> {
        self.lines.drain(..)
    }

    /// One number for everything that happened so far.
    pub(crate) fn hash(&self) -> u64 {
        self.digest.finish()
    }

    /// How much happened.
    pub(crate) const fn deeds(&self) -> u64 {
        self.deeds
    }

    /// The newest `count` lines, oldest first.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        let skip = self.lines.len().saturating_sub(count);
        self.lines.iter().skip(skip).map(|(at, deed)| format!("{} {deed}", Moment(*at))).collect()
    }
}

/// A time of a world, as people read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / SEC, self.0 % SEC);
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        write!(f, "{hours}:{minutes:02}:{:02}.{:06}", seconds % 60, nanos / 1_000)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(text) => f.write_str(text),
            Self::Frame(host, line, bytes) => {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
                write!(f, "host {host} line {line} < {text}")
            }
            Self::Delivered(reader, update) => {
                let (kind, topic) = (update.kind, &update.topic);
                let epoch = update.epoch.bits() as u16;
                write!(f, "reader {reader} < {kind:?} {} {epoch:04x}/{}", topic.as_str(), update.offset)?;
                match &update.data {
                    Data::Book(book) => {
                        let (count, id) = (book.levels.len(), book.venue_id);
                        write!(f, " {:?} {count} levels at {id:?}", book.state)
                    }
                    data => {
                        let text = format!("{data:?}");
                        write!(f, " {}", &text[..text.floor_char_boundary(SHOWN)])
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(texts: &[&str]) -> u64 {
        let mut trace = Trace::default();
        texts.iter().for_each(|text| trace.tell(1, *text));
        trace.hash()
    }

    #[test]
    fn the_hash_follows_content_order_and_time() {
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["ab"]), hash(&["a", "b"]));
        assert_ne!(hash(&["12345678"]), hash(&["12345678\0"]));
        let mut later = Trace::default();
        later.tell(2, "a");
        assert_ne!(later.hash(), hash(&["a"]));
    }

    #[test]
    fn the_hash_is_the_same_number_for_ever() {
        assert_eq!(hash(&["the quick brown fox"]), hash(&["the quick brown fox"]));
        let mut digest = Digest::default();
        digest.write(b"tape");
        assert_eq!(digest.finish(), Digest::default().also(b"tape"));
    }

    impl Digest {
        fn also(mut self, bytes: &[u8]) -> u64 {
            self.write(bytes);
            self.finish()
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut trace = Trace::keeping(50);
        (0..5_000).for_each(|n| trace.tell(n * SEC, format!("deed {n}")));
        assert_eq!(trace.last(2), ["1:23:18.000000 deed 4998", "1:23:19.000000 deed 4999"]);
        assert_eq!((trace.last(9_000).len(), trace.deeds()), (50, 5_000));
    }
}
