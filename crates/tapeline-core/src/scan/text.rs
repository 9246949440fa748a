//! Strings: the common kind without escapes is found eight bytes at a time, the rest is unescaped.

use std::borrow::Cow;

use super::{Bad, Scan, not, solid};

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

/// The first position of a byte, eight bytes at a time: for the short texts of frames, where a call of
/// a vectorised search costs more than it saves.
#[inline]
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    let (mut at, mut rest) = (0, text);
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(byte));
        let found = word.wrapping_sub(ONES) & !word & HIGHS;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        (at, rest) = (at + 8, behind);
    }
    rest.iter().position(|other| *other == byte).map(|found| at + found)
}

impl<'a> Scan<'a> {
    /// A string's bytes, escapes resolved.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Escape`], [`Bad::Syntax`].
    #[inline(always)]
    pub fn bytes(&mut self) -> Result<Cow<'a, [u8]>, Bad> {
        let [b'"', content @ ..] = solid(self.rest) else { return Err(not(self.rest)) };
        let (raw, escaped, rest) = self::content(content)?;
        self.rest = rest;
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

    /// Takes the string that the first `length` bytes of `lower` spell, whatever the case of its ASCII
    /// letters, if that is the next value and written without escapes. `lower` holds letters in lower
    /// case, digits and underscores; what it holds behind `length` lets whole words be compared.
    #[inline(always)]
    pub fn take_caseless(&mut self, lower: &[u8], length: usize) -> bool {
        let [b'"', content @ ..] = self.rest else { return false };
        match content.get(length..) {
            Some([b'"', rest @ ..]) if caseless(content, lower, length) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

/// Whether the first `length` bytes of two texts are the same but for the case of ASCII letters; `lower`
/// has none in upper case. Answers `false` for anything beyond ASCII.
#[inline(always)]
fn caseless(mut given: &[u8], mut lower: &[u8], mut length: usize) -> bool {
    while let (Some((a, more)), Some((b, lower_more))) =
        (given.split_first_chunk(), lower.split_first_chunk())
    {
        let wanted = if length < 8 { (1 << (8 * length)) - 1 } else { u64::MAX };
        if !same(u64::from_le_bytes(*a), u64::from_le_bytes(*b), wanted) {
            return false;
        }
        if length <= 8 {
            return true;
        }
        (given, lower, length) = (more, lower_more, length - 8);
    }
    let pairs = given.iter().zip(lower).take(length);
    pairs.clone().count() == length
        && pairs.into_iter().all(|(a, b)| same(u64::from(*a), u64::from(*b), 0xff))
}

/// Differences may lie in the bit of case only, and there only in letters: digits and the underscore do
/// not have the two bits that letters in lower case have.
#[inline(always)]
const fn same(given: u64, lower: u64, wanted: u64) -> bool {
    const CASE: u64 = ONES * 0x20;
    let letters = lower & (lower >> 1) & CASE;
    let differs = (given ^ lower) & !letters | (given | lower) & HIGHS;
    differs & wanted == 0
}

/// The content of a string whose opening quote has been read, whether it holds escapes (which are not
/// checked here), and what follows the closing quote.
#[inline(always)]
pub(super) fn content(text: &[u8]) -> Result<(&[u8], bool, &[u8]), Bad> {
    let mut at = 0;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = special(u64::from_le_bytes(*chunk));
        if found == 0 {
            at += 8;
            continue;
        }
        at += (found.trailing_zeros() / 8) as usize;
        if let Some((content, [b'"', rest @ ..])) = text.split_at_checked(at) {
            return Ok((content, false, rest));
        }
        break;
    }
    content_from(text, at)
}

/// The same, byte by byte from `at` on.
#[cold]
fn content_from(text: &[u8], mut at: usize) -> Result<(&[u8], bool, &[u8]), Bad> {
    let mut escaped = false;
    loop {
        match text.get(at) {
            Some(b'"') => {
                let (content, rest) = text.split_at(at);
                return Ok((content, escaped, rest.get(1..).unwrap_or(&[])));
            }
            Some(b'\\') => (escaped, at) = (true, at + 2),
            Some(..0x20) => return Err(Bad::Escape),
            Some(_) => at += 1,
            None => return Err(Bad::Syntax),
        }
    }
}

/// What follows a string whose opening quote has been read; of its escapes only the form is checked.
pub(super) fn skip(text: &[u8]) -> Result<&[u8], Bad> {
    let (mut content, escaped, rest) = self::content(text)?;
    while let Some(at) = escaped.then(|| find(content, b'\\')).flatten() {
        content = escape_form(content.get(at..).unwrap_or(&[]))?;
    }
    Ok(rest)
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
