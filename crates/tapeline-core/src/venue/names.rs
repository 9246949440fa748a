//! Which topic a stream name, or a handle of the venue, belongs to on one line.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use super::{Map, TopicId};

/// Names up to this length are looked up without following a pointer.
const SHORT: usize = 32;

/// Which topic a stream name (or the venue's handle) belongs to, on one line.
#[derive(Debug, Default)]
pub struct Names {
    short: Map<Short, TopicId>,
    long: Map<Box<[u8]>, TopicId>,
    by_handle: Map<u64, TopicId>,
    /// What was looked up last: if translating it panics, this is whose message it was.
    asked: Cell<Option<TopicId>>,
}

impl Names {
    /// The topic of a stream; `None` for one just dropped, which is normal, not an error.
    #[inline]
    pub fn get(&self, stream: &[u8]) -> Option<TopicId> {
        let found = match Short::of(stream) {
            Some(short) => self.short.get(&short).copied(),
            None => self.long.get(stream).copied(),
        };
        self.asked.set(found);
        found
    }

    /// The topic of a venue's handle.
    pub fn by_handle(&self, handle: u64) -> Option<TopicId> {
        let found = self.by_handle.get(&handle).copied();
        self.asked.set(found);
        found
    }

    /// The topic that was looked up last since this was last asked; `None` if there was none.
    pub(crate) fn take_asked(&self) -> Option<TopicId> {
        self.asked.take()
    }

    /// Makes a stream known.
    pub fn insert(&mut self, stream: &str, topic: TopicId) {
        match Short::of(stream.as_bytes()) {
            Some(short) => self.short.insert(short, topic),
            None => self.long.insert(stream.as_bytes().into(), topic),
        };
    }

    /// Makes a handle known.
    pub fn insert_handle(&mut self, handle: u64, topic: TopicId) {
        self.by_handle.insert(handle, topic);
    }

    /// Forgets a stream and its handles.
    pub fn remove(&mut self, stream: &str) {
        let held = match Short::of(stream.as_bytes()) {
            Some(short) => self.short.remove(&short),
            None => self.long.remove(stream.as_bytes()),
        };
        if let Some(topic) = held {
            self.by_handle.retain(|_, held| *held != topic);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
        self.by_handle.clear();
    }
}

/// A short name as numbers: its first and its last bytes, which overlap unless it has all 32. Together
/// with the length they are the name. The names are those that we have subscribed ourselves, so nobody
/// can choose them to collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short {
    words: [u64; 4],
    length: usize,
}

impl Short {
    #[inline]
    fn of(name: &[u8]) -> Option<Self> {
        let length = name.len();
        let words = if length >= 16 {
            [word(name, 0)?, word(name, 8)?, word(name, length - 16)?, word(name, length - 8)?]
        } else if length >= 8 {
            [word(name, 0)?, word(name, length - 8)?, 0, 0]
        } else {
            [name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0, 0, 0]
        };
        (length <= SHORT).then_some(Self { words, length })
    }
}

/// The eight bytes from `at` on.
#[inline]
fn word(name: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*name.get(at..)?.first_chunk()?))
}

impl Hash for Short {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Odd constants from the digits of pi; the hasher mixes what comes of them.
        const SPREAD: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1];
        let [a, b, c, d] = self.words;
        let mixed = a
            .wrapping_add(b.wrapping_mul(SPREAD[0]))
            .wrapping_add(c.wrapping_mul(SPREAD[1]).rotate_left(32))
            .wrapping_add(d.wrapping_mul(SPREAD[2]).rotate_left(16));
        state.write_u64(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_told_apart() {
        // No letter twice, so that no two parts are the same.
        let text = "abcdefghijklmnopqrstuvwxyz@0123456789!_-";
        let parts = (0..text.len()).flat_map(|from| (from + 1..=text.len()).map(move |to| &text[from..to]));
        let mut names = Names::default();
        for (number, name) in (0..).zip(parts.clone()) {
            names.insert(name, TopicId(number));
        }
        for (number, name) in (0..).zip(parts) {
            assert_eq!(names.get(name.as_bytes()), Some(TopicId(number)), "{name}");
        }
    }

    #[test]
    fn zeros_are_letters_too() {
        let mut names = Names::default();
        names.insert("a", TopicId(1));
        names.insert("a\0", TopicId(2));
        names.insert("\0a", TopicId(3));
        assert_eq!(names.get(b"a"), Some(TopicId(1)));
        assert_eq!(names.get(b"a\0"), Some(TopicId(2)));
        assert_eq!(names.get(b"\0a"), Some(TopicId(3)));
        assert_eq!(names.get(b""), None);
    }

    #[test]
    fn what_was_looked_up_last_is_known_once() {
        let mut names = Names::default();
        names.insert("a", TopicId(1));
        names.insert("b", TopicId(2));
        let asked = |stream: &str| {
            names.get(stream.as_bytes());
            names.take_asked()
        };
        assert_eq!([asked("a"), asked("b"), asked("c")], [Some(TopicId(1)), Some(TopicId(2)), None]);
        names.get(b"a");
        assert_eq!((names.take_asked(), names.take_asked()), (Some(TopicId(1)), None));
    }

    #[test]
    fn a_name_leaves_with_its_handle() {
        for name in ["btcusdt@trade", "a name that is far longer than any name of a stream has to be"] {
            let mut names = Names::default();
            names.insert(name, TopicId(7));
            names.insert_handle(3, TopicId(7));
            names.remove(name);
            assert_eq!((names.get(name.as_bytes()), names.by_handle(3)), (None, None));
        }
    }
}
