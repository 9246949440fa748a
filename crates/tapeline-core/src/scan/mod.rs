//! A small JSON scanner for payloads whose shape is known: it walks the keys of one object in whatever
//! order they come, reads numbers and decimals straight from the text, and allocates nothing.
//!
//! It accepts what the grammar of JSON accepts, and nothing else: a frame that ends early, goes on after
//! its value, or holds a wrong escape is refused. Only the speed differs from a general parser: the common
//! spellings (one-letter keys, no white space, no escapes) are recognised by a few bytes, everything else
//! takes a slower path with the same result.
//!
//! ```
//! use tapeline_core::scan::Scan;
//!
//! let mut scan = Scan::new(br#"{"p":"61837.63000000","t":77,"more":[1,2]}"#).unwrap();
//! let (mut price, mut id) = (None, None);
//! let mut more = scan.object().unwrap();
//! while more {
//!     match scan.letter().unwrap() {
//!         b'p' => price = Some(scan.decimal().unwrap()),
//!         b't' => id = Some(scan.u64().unwrap()),
//!         _ => scan.skip().unwrap(),
//!     }
//!     more = scan.next_key().unwrap();
//! }
//! scan.end().unwrap();
//! assert_eq!((price.unwrap().to_string().as_str(), id), ("61837.63", Some(77)));
//! ```

mod number;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

use crate::data::event::Level;
use crate::venue::DecodeError;

/// How deep values may be nested.
pub const MAX_DEPTH: u32 = 32;

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
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// Where the last key that [`Scan::letter`] answered with 0 stands, quotes excluded.
    name: (usize, usize),
}

impl<'a> Scan<'a> {
    /// Starts at the beginning of a text.
    ///
    /// # Errors
    /// [`Bad::Utf8`].
    #[inline]
    pub fn new(text: &'a [u8]) -> Result<Self, Bad> {
        // Nearly all frames are ASCII, which is checked sixteen bytes at a time.
        if !text.is_ascii() && std::str::from_utf8(text).is_err() {
            return Err(Bad::Utf8);
        }
        Ok(Self { text, at: 0, depth: 0, name: (0, 0) })
    }

    /// The place reached, in bytes from the start.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes to a place that [`Scan::position`] told of, at which a value begins.
    pub fn go_to(&mut self, position: usize) {
        self.at = position;
    }

    /// Takes `prefix` if the text goes on with exactly these bytes.
    #[inline]
    pub fn take(&mut self, prefix: &[u8]) -> bool {
        let taken = self.rest().starts_with(prefix);
        self.at += if taken { prefix.len() } else { 0 };
        taken
    }

    /// Enters an object. Whether it has a first key, which [`Scan::letter`] reads.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Depth`], [`Bad::Syntax`].
    #[inline]
    pub fn object(&mut self) -> Result<bool, Bad> {
        self.enter(b'{')?;
        match self.solid() {
            b'"' => Ok(true),
            b'}' => self.leave(),
            _ => Err(Bad::Syntax),
        }
    }

    /// After a value inside an object: whether another key follows. At the end the object is left.
    ///
    /// # Errors
    /// [`Bad::Syntax`].
    #[inline]
    pub fn next_key(&mut self) -> Result<bool, Bad> {
        if self.rest().starts_with(b",\"") {
            self.at += 1;
            return Ok(true);
        }
        match self.solid() {
            b'}' => self.leave(),
            b',' => {
                self.at += 1;
                if self.solid() == b'"' { Ok(true) } else { Err(Bad::Syntax) }
            }
            _ => Err(Bad::Syntax),
        }
    }

    /// The next key, if it is a single ASCII letter or sign; 0 for any other, see [`Scan::name`].
    /// The value follows.
    ///
    /// # Errors
    /// [`Bad::Syntax`], [`Bad::Escape`].
    #[inline]
    pub fn letter(&mut self) -> Result<u8, Bad> {
        if let Some(&[b'"', letter, b'"', b':']) = self.rest().first_chunk()
            && letter.is_ascii_alphabetic()
        {
            self.at += 4;
            return Ok(letter);
        }
        self.long_key()
    }

    /// The key for which [`Scan::letter`] has answered 0, escapes resolved.
    pub fn name(&self) -> Cow<'a, [u8]> {
        let raw = self.text.get(self.name.0..self.name.1).unwrap_or(&[]);
        // The escapes were checked when the key was read.
        if raw.contains(&b'\\') {
            text::unescape(raw).map_or(Cow::Borrowed(raw), Cow::Owned)
        } else {
            Cow::Borrowed(raw)
        }
    }

    fn long_key(&mut self) -> Result<u8, Bad> {
        if self.solid() != b'"' {
            return Err(Bad::Syntax);
        }
        let start = self.at + 1;
        let escaped = self.string_end()?;
        let key = self.text.get(start..self.at - 1).unwrap_or(&[]);
        self.name = (start, self.at - 1);
        if self.solid() != b':' {
            return Err(Bad::Syntax);
        }
        self.at += 1;
        let letter = |key: &[u8]| match key {
            [letter] if letter.is_ascii() => *letter,
            _ => 0,
        };
        if escaped { Ok(letter(&text::unescape(key)?)) } else { Ok(letter(key)) }
    }

    /// Enters an array. Whether it has a first element.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Depth`].
    #[inline]
    pub fn array(&mut self) -> Result<bool, Bad> {
        self.enter(b'[')?;
        if self.solid() == b']' { self.leave() } else { Ok(true) }
    }

    /// After an element of an array: whether another one follows. At the end the array is left.
    ///
    /// # Errors
    /// [`Bad::Syntax`].
    #[inline]
    pub fn next_item(&mut self) -> Result<bool, Bad> {
        match self.solid() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            b']' => self.leave(),
            _ => Err(Bad::Syntax),
        }
    }

    /// Reads `[[price, size], …]` behind what `out` holds, and says how many there were.
    ///
    /// # Errors
    /// Any [`Bad`]; `out` may have grown.
    pub fn levels(&mut self, out: &mut Vec<Level>) -> Result<u32, Bad> {
        let before = out.len();
        let mut more = self.array()?;
        while more {
            let level = self.level()?;
            out.push(level);
            more = self.next_item()?;
        }
        u32::try_from(out.len() - before).map_err(|_| Bad::Range)
    }

    #[inline]
    fn level(&mut self) -> Result<Level, Bad> {
        if !self.array()? {
            return Err(Bad::Kind);
        }
        let price = self.decimal()?;
        if !self.next_item()? {
            return Err(Bad::Kind);
        }
        let size = self.decimal()?;
        if self.next_item()? { Err(Bad::Kind) } else { Ok(Level { price, size }) }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`Bad::Kind`].
    #[inline]
    pub fn bool(&mut self) -> Result<bool, Bad> {
        self.solid();
        if self.take(b"true") {
            Ok(true)
        } else if self.take(b"false") {
            Ok(false)
        } else {
            Err(Bad::Kind)
        }
    }

    /// Takes a `null`, if that is the next value.
    pub fn null(&mut self) -> bool {
        self.solid();
        self.take(b"null")
    }

    /// The first byte of the next value; 0 at the end of the text.
    pub fn peek(&mut self) -> u8 {
        self.solid()
    }

    /// Walks over one value of any kind, checking that it is well-formed.
    ///
    /// # Errors
    /// Any [`Bad`] but [`Bad::Kind`].
    pub fn skip(&mut self) -> Result<(), Bad> {
        // One bit for every open bracket, the innermost lowest: 1 = object.
        let (mut open, mut depth) = (0u32, self.depth);
        loop {
            match self.solid() {
                b'"' => self.skip_string()?,
                b'-' | b'0'..=b'9' => self.skip_number()?,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    if self.solid() != bracket + 2 {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return Err(Bad::Depth);
                        }
                        open = (open << 1) | u32::from(bracket == b'{');
                        if bracket == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                _ if self.take(b"true") || self.take(b"false") || self.take(b"null") => {}
                _ => return Err(Bad::Syntax),
            }
            loop {
                if depth == self.depth {
                    return Ok(());
                }
                let in_object = open & 1 == 1;
                match self.solid() {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    b'}' if in_object => self.at += 1,
                    b']' if !in_object => self.at += 1,
                    _ => return Err(Bad::Syntax),
                }
                open >>= 1;
                depth -= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), Bad> {
        if self.solid() != b'"' {
            return Err(Bad::Syntax);
        }
        self.skip_string()?;
        if self.solid() != b':' {
            return Err(Bad::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    /// [`Bad::Trailing`].
    #[inline]
    pub fn end(&mut self) -> Result<(), Bad> {
        self.solid();
        if self.at == self.text.len() { Ok(()) } else { Err(Bad::Trailing) }
    }

    #[inline]
    fn enter(&mut self, bracket: u8) -> Result<(), Bad> {
        if self.solid() != bracket {
            return Err(if self.at == self.text.len() { Bad::Syntax } else { Bad::Kind });
        }
        if self.depth == MAX_DEPTH {
            return Err(Bad::Depth);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn leave(&mut self) -> Result<bool, Bad> {
        self.at += 1;
        self.depth -= 1;
        Ok(false)
    }

    /// Walks over white space and returns the byte behind it; 0 at the end (a NUL has no place between
    /// tokens either, so the two need not be told apart).
    #[inline]
    fn solid(&mut self) -> u8 {
        let byte = self.text.get(self.at).copied().unwrap_or(0);
        if byte > b' ' { byte } else { self.after_space() }
    }

    #[cold]
    fn after_space(&mut self) -> u8 {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                other => return *other,
            }
        }
        0
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or(&[])
    }

    /// The eight bytes at `at`, the first one lowest; zeros behind the end.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        match self.text.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.last_word(at),
        }
    }

    #[cold]
    fn last_word(&self, at: usize) -> u64 {
        let rest = self.text.get(at..).unwrap_or(&[]);
        let mut chunk = [0; 8];
        for (to, from) in chunk.iter_mut().zip(rest) {
            *to = *from;
        }
        u64::from_le_bytes(chunk)
    }
}
