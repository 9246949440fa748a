//! A small JSON scanner for payloads whose shape is known: it walks the keys of one object in whatever
//! order they come, reads numbers and decimals straight from the text, and allocates nothing.
//!
//! It accepts what the grammar of JSON accepts, and nothing else: a frame that ends early, goes on after
//! its value, or holds a wrong escape is refused. Only the speed differs from a general parser: the common
//! spellings (one-letter keys, no white space, no escapes) are recognised by a few bytes, everything else
//! takes a slower path with the same result.
//!
//! ```
//! use tapeline_core::scan::{END, Scan};
//!
//! let mut scan = Scan::new(br#"{"p":"61837.63000000","t":77,"more":[1,2]}"#).unwrap();
//! let (mut price, mut id) = (None, None);
//! let mut key = scan.object().unwrap();
//! while key != END {
//!     match key {
//!         b'p' => price = Some(scan.decimal().unwrap()),
//!         b't' => id = Some(scan.u64().unwrap()),
//!         _ => scan.skip().unwrap(),
//!     }
//!     key = scan.key().unwrap();
//! }
//! scan.end().unwrap();
//! assert_eq!((price.unwrap().to_string().as_str(), id), ("61837.63", Some(77)));
//! ```

mod number;
mod skip;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub use text::find;

use crate::data::event::Level;
use crate::venue::DecodeError;

/// How deep values may be nested, counted from the outermost one.
pub const MAX_DEPTH: u32 = 32;

/// What stands in the place of a key when an object has no more of them.
pub const END: u8 = b'}';
/// Stands in the place of a key that is not a single letter; see [`Scan::name`].
pub const LONG: u8 = 0;

/// Why a text is refused. One byte, so that results stay in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bad {
    /// The text is not valid UTF-8.
    Utf8,
    /// The text ends inside a value, or something stands where the grammar has no place for it.
    Syntax,
    /// A string holds a bare control character or a wrong escape.
    Escape,
    /// Values are nested deeper than [`MAX_DEPTH`].
    Depth,
    /// Something follows the value.
    Trailing,
    /// Well-formed, but another kind of value than asked for.
    Kind,
    /// A number that the wanted type cannot hold.
    Range,
}

impl Bad {
    /// For logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Utf8 => "not UTF-8",
            Self::Syntax => "not well-formed JSON, or cut off",
            Self::Escape => "a control character or a wrong escape in a string",
            Self::Depth => "nested too deeply",
            Self::Trailing => "something follows the value",
            Self::Kind => "another kind of value than expected",
            Self::Range => "a number out of range",
        }
    }
}

impl From<Bad> for DecodeError {
    fn from(bad: Bad) -> Self {
        Self::Syntax(bad.reason())
    }
}

/// A place in a text.
///
/// The usual spellings are handled in place, so that the place stays in registers; what is unusual is
/// handed over by value.
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    /// What is still to be read.
    rest: &'a [u8],
    /// The last key that was not a single letter, quotes excluded.
    name: &'a [u8],
    /// How many objects and arrays the place lies in.
    depth: u32,
}

impl<'a> Scan<'a> {
    /// Starts at the beginning of a text.
    ///
    /// # Errors
    /// [`Bad::Utf8`].
    #[inline]
    pub fn new(text: &'a [u8]) -> Result<Self, Bad> {
        if !is_ascii(text) && std::str::from_utf8(text).is_err() {
            return Err(Bad::Utf8);
        }
        Ok(Self { rest: text, name: &[], depth: 0 })
    }

    /// Takes `prefix` if the text goes on with exactly these bytes.
    #[inline(always)]
    pub fn take(&mut self, prefix: &[u8]) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Counts an object whose beginning was taken with [`Scan::take`].
    #[inline(always)]
    pub fn nested(&mut self) {
        self.depth += 1;
    }

    /// Enters an object and reads its first key, as [`Scan::key`] does.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Syntax`], [`Bad::Escape`].
    #[inline(always)]
    pub fn object(&mut self) -> Result<u8, Bad> {
        if let Some((letter, rest)) = letter(self.rest, b'{') {
            (self.rest, self.depth) = (rest, self.depth + 1);
            return Ok(letter);
        }
        let (key, name, rest) = first_key(self.rest)?;
        (self.name, self.rest) = (name, rest);
        self.depth += u32::from(key != END);
        Ok(key)
    }

    /// After a value inside an object: the next key, if it is a single ASCII letter, [`LONG`] for any
    /// other, [`END`] where the object ends. The value follows.
    ///
    /// # Errors
    /// [`Bad::Syntax`], [`Bad::Escape`].
    #[inline(always)]
    pub fn key(&mut self) -> Result<u8, Bad> {
        if let Some((letter, rest)) = letter(self.rest, b',') {
            self.rest = rest;
            return Ok(letter);
        }
        if let [b'}', rest @ ..] = self.rest {
            (self.rest, self.depth) = (rest, self.depth.saturating_sub(1));
            return Ok(END);
        }
        let (key, name, rest) = next_key(self.rest)?;
        (self.name, self.rest) = (name, rest);
        self.depth = self.depth.saturating_sub(u32::from(key == END));
        Ok(key)
    }

    /// The key that was [`LONG`], escapes resolved.
    #[inline]
    pub fn name(&self) -> Cow<'a, [u8]> {
        // The escapes were checked when the key was read.
        if self.name.contains(&b'\\') {
            text::unescape(self.name).map_or(Cow::Borrowed(&[]), Cow::Owned)
        } else {
            Cow::Borrowed(self.name)
        }
    }

    /// Enters an array. Whether it has a first element.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Syntax`].
    pub fn array(&mut self) -> Result<bool, Bad> {
        let [b'[', rest @ ..] = solid(self.rest) else { return Err(not(self.rest)) };
        self.rest = solid(rest);
        let empty = self.take(b"]");
        self.depth += u32::from(!empty);
        Ok(!empty)
    }

    /// After an element of an array: whether another one follows.
    ///
    /// # Errors
    /// [`Bad::Syntax`].
    pub fn item(&mut self) -> Result<bool, Bad> {
        match solid(self.rest) {
            [b',', rest @ ..] => {
                self.rest = rest;
                Ok(true)
            }
            [b']', rest @ ..] => {
                (self.rest, self.depth) = (rest, self.depth.saturating_sub(1));
                Ok(false)
            }
            _ => Err(Bad::Syntax),
        }
    }

    /// Reads `[[price, size], …]` behind what `out` holds, and says how many there were.
    ///
    /// # Errors
    /// Any [`Bad`]; `out` may have grown.
    pub fn levels(&mut self, out: &mut Vec<Level>) -> Result<u32, Bad> {
        let before = out.len();
        let mut scan = self.clone();
        let mut more = scan.array()?;
        while more {
            let level = scan.level()?;
            out.push(level);
            more = if scan.take(b",") { true } else { scan.item()? };
        }
        self.rest = scan.rest;
        u32::try_from(out.len() - before).map_err(|_| Bad::Range)
    }

    #[inline(always)]
    fn level(&mut self) -> Result<Level, Bad> {
        if !self.take(b"[") && !self.array()? {
            return Err(Bad::Kind);
        }
        let price = self.decimal()?;
        if !self.take(b",") && !self.item()? {
            return Err(Bad::Kind);
        }
        let size = self.decimal()?;
        if !self.take(b"]") && self.item()? { Err(Bad::Kind) } else { Ok(Level { price, size }) }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`Bad::Kind`].
    #[inline(always)]
    pub fn bool(&mut self) -> Result<bool, Bad> {
        if self.take(b"true") {
            return Ok(true);
        }
        if self.take(b"false") {
            return Ok(false);
        }
        let (value, rest) = match solid(self.rest) {
            [b't', b'r', b'u', b'e', rest @ ..] => (true, rest),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => (false, rest),
            _ => return Err(not(self.rest)),
        };
        self.rest = rest;
        Ok(value)
    }

    /// Takes a `null`, if that is the next value.
    pub fn null(&mut self) -> bool {
        self.rest = solid(self.rest);
        self.take(b"null")
    }

    /// The first byte of the next value; 0 at the end of the text.
    pub fn peek(&mut self) -> u8 {
        self.rest = solid(self.rest);
        self.rest.first().copied().unwrap_or(0)
    }

    /// Walks over one value of any kind, checking that it is well-formed.
    ///
    /// # Errors
    /// Any [`Bad`] but [`Bad::Kind`] and [`Bad::Range`].
    #[inline]
    pub fn skip(&mut self) -> Result<(), Bad> {
        self.rest = skip::value(self.rest, self.depth)?;
        Ok(())
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    /// [`Bad::Trailing`].
    #[inline(always)]
    pub fn end(&self) -> Result<(), Bad> {
        if self.rest.is_empty() || solid(self.rest).is_empty() { Ok(()) } else { Err(Bad::Trailing) }
    }
}

/// Whether a text is ASCII, as nearly all frames are. Sixteen bytes at a time, and the last sixteen once
/// more instead of a rest byte by byte.
#[inline(always)]
fn is_ascii(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else { return text.is_ascii() };
    let (chunks, _) = text.as_chunks();
    let all = chunks.iter().fold(u128::from_le_bytes(*last), |all, chunk| all | u128::from_le_bytes(*chunk));
    all & 0x8080_8080_8080_8080_8080_8080_8080_8080 == 0
}

/// A key of one letter behind `before` (an opening brace or a comma), written without white space.
#[inline(always)]
fn letter(text: &[u8], before: u8) -> Option<(u8, &[u8])> {
    let word = u64::from_le_bytes(*text.first_chunk()?);
    let letter = (word >> 16) as u8;
    let around = word & 0xff_ff00_ffff == u64::from_le_bytes([before, b'"', 0, b'"', b':', 0, 0, 0]);
    if around && letter.is_ascii_alphabetic() { Some((letter, text.get(5..)?)) } else { None }
}

type Key<'a> = (u8, &'a [u8], &'a [u8]);

#[inline(never)]
fn first_key(text: &[u8]) -> Result<Key<'_>, Bad> {
    let [b'{', rest @ ..] = solid(text) else { return Err(not(text)) };
    match solid(rest) {
        [b'}', rest @ ..] => Ok((END, &[], rest)),
        rest => long_key(rest),
    }
}

#[inline(never)]
fn next_key(text: &[u8]) -> Result<Key<'_>, Bad> {
    match solid(text) {
        [b'}', rest @ ..] => Ok((END, &[], rest)),
        [b',', rest @ ..] => long_key(solid(rest)),
        _ => Err(Bad::Syntax),
    }
}

/// The key, its text without quotes, and what follows its colon.
fn long_key(text: &[u8]) -> Result<Key<'_>, Bad> {
    let [b'"', content @ ..] = text else { return Err(Bad::Syntax) };
    let (key, escaped, rest) = text::content(content)?;
    let [b':', rest @ ..] = solid(rest) else { return Err(Bad::Syntax) };
    let single = |key: &[u8]| match key {
        [letter] if letter.is_ascii_alphabetic() => *letter,
        _ => LONG,
    };
    let letter = if escaped { single(&text::unescape(key)?) } else { single(key) };
    Ok((letter, key, rest))
}

/// What follows white space.
#[inline]
fn solid(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(..=b' ') => behind_space(text),
        _ => text,
    }
}

#[cold]
fn behind_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Why a value is not the one asked for: there is none, or it is another.
#[cold]
fn not(text: &[u8]) -> Bad {
    if solid(text).is_empty() { Bad::Syntax } else { Bad::Kind }
}
