//! Strings: the common kind without escapes is found eight bytes at a time, the rest is unescaped.

use std::borrow::Cow;

use super::{Bad, Scan};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A bit in the high position of the first byte that is a quote, a backslash or a control character.
/// Borrows run upwards, so that bits above the lowest one may be false; the lowest one never is.
#[inline]
const fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let slash = slash.wrapping_sub(ONES) & !slash;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | slash | control) & HIGHS
}

impl<'a> Scan<'a> {
    /// A string's bytes, escapes resolved.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Escape`], [`Bad::Syntax`].
    #[inline]
    pub fn bytes(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        if self.solid() != b'"' {
            return Err(Bad::Kind);
        }
        let start = self.at + 1;
        let escaped = self.string_end()?;
        let raw = self.text.get(start..self.at - 1).unwrap_or(&[]);
        if escaped { unescape(raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(raw)) }
    }

    /// A string, escapes resolved.
    ///
    /// # Errors
    /// As [`Scan::bytes`].
    pub fn string(&mut self) -> Result<Cow<'a, str>, Bad> {
        match self.bytes()? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Bad::Utf8),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Bad::Utf8),
        }
    }

    /// From an opening quote to behind the closing one. Whether there were escapes, which are not
    /// checked here.
    #[inline]
    pub(super) fn string_end(&mut self) -> Result<bool, Bad> {
        let mut at = self.at + 1;
        loop {
            let found = special(self.word(at));
            if found == 0 {
                at += 8;
                continue;
            }
            at += (found.trailing_zeros() / 8) as usize;
            if self.text.get(at) == Some(&b'"') {
                self.at = at + 1;
                return Ok(false);
            }
            return self.escaped_end(at);
        }
    }

    /// The same from the first backslash or control character on.
    #[cold]
    fn escaped_end(&mut self, mut at: usize) -> Result<bool, Bad> {
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(true);
                }
                Some(b'\\') => at += 2,
                Some(..0x20) => return Err(Bad::Escape),
                Some(_) => at += 1,
                None => return Err(Bad::Syntax),
            }
        }
    }

    /// Walks over a string, of whose escapes only the form is checked.
    pub(super) fn skip_string(&mut self) -> Result<(), Bad> {
        let start = self.at + 1;
        if !self.string_end()? {
            return Ok(());
        }
        let mut rest = self.text.get(start..self.at - 1).unwrap_or(&[]);
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            rest = escape_form(&rest[at..])?;
        }
        Ok(())
    }
}

/// Checks the form of the escape that `text` begins with; what follows it.
fn escape_form(text: &[u8]) -> Result<&[u8], Bad> {
    match text {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => Ok(rest),
        [b'\\', b'u', a, b, c, d, rest @ ..]
            if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
        {
            Ok(rest)
        }
        _ => Err(Bad::Escape),
    }
}

/// Resolves the escapes of a string's content.
#[cold]
pub(super) fn unescape(raw: &[u8]) -> Result<Vec<u8>, Bad> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = tail;
            continue;
        }
        let behind = escape_form(rest)?;
        match tail.first() {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                rest = code_point(rest, &mut out)?;
                continue;
            }
            Some(plain) => out.push(*plain),
            None => return Err(Bad::Escape),
        }
        rest = behind;
    }
    Ok(out)
}

/// Resolves `\uXXXX`, or a pair of them that stands for one character; what follows.
fn code_point<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Result<&'t [u8], Bad> {
    let rest = escape_form(text)?;
    let unit = hex(text)?;
    let (code, rest) = match unit {
        0xd800..0xdc00 if rest.starts_with(b"\\u") => {
            let behind = escape_form(rest)?;
            match hex(rest)? {
                low @ 0xdc00..0xe000 => (0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), behind),
                _ => return Err(Bad::Escape),
            }
        }
        _ => (unit, rest),
    };
    // Half a pair is no character.
    let character = char::from_u32(code).ok_or(Bad::Escape)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

/// The four digits of a `\uXXXX` whose form is right.
fn hex(text: &[u8]) -> Result<u32, Bad> {
    let digits = text.get(2..6).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(Bad::Escape)?;
    u32::from_str_radix(digits, 16).map_err(|_| Bad::Escape)
}
