//! Text as it is checked: whole before it is lent, and piece by piece while it arrives.

use super::ProtocolError;

/// The longest character.
const LONGEST: usize = 4;
/// Text up to this length is first tried as ASCII.
const SHORT: usize = 512;
const BLOCK: usize = 32;

/// How the text of a message is lent once it is known to be UTF-8.
pub(crate) trait Lend {
    fn lend(payload: &[u8]) -> Option<&Self>;
}

impl Lend for str {
    #[inline]
    fn lend(payload: &[u8]) -> Option<&Self> {
        simdutf8::basic::from_utf8(payload).ok()
    }
}

impl Lend for [u8] {
    #[inline]
    fn lend(payload: &[u8]) -> Option<&Self> {
        // Market data is ASCII. Below a few hundred bytes asking for that takes half the time of a
        // validator, whose strength is long text.
        let fits =
            (payload.len() <= SHORT && is_ascii(payload)) || simdutf8::basic::from_utf8(payload).is_ok();
        fits.then_some(payload)
    }
}

/// Whether no byte has its highest bit set, by blocks that the compiler turns into vector code; the last
/// block overlaps the one before it, so that no rest is left.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<BLOCK>() else {
        return bytes.iter().fold(0, |all, byte| all | byte) < 0x80;
    };
    let mut all = *last;
    for block in bytes.as_chunks::<BLOCK>().0 {
        for (all, byte) in all.iter_mut().zip(block) {
            *all |= byte;
        }
    }
    all.iter().fold(0, |all, byte| all | byte) < 0x80
}

/// Text that comes in pieces, whose cuts may fall into characters. Wrong text is refused with the first
/// byte that no continuation can make right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// The beginning of a character whose rest is to come.
    cut: [u8; LONGEST],
    length: usize,
}

impl Pieces {
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), ProtocolError> {
        while self.length > 0
            && let Some((byte, rest)) = piece.split_first()
        {
            // Four bytes are a character or an error, so a fifth never comes.
            let Some(slot) = self.cut.get_mut(self.length) else { return Err(ProtocolError::Utf8) };
            *slot = *byte;
            piece = rest;
            let so_far = &self.cut[..=self.length];
            self.length = if valid_prefix(so_far)? == so_far.len() { 0 } else { so_far.len() };
        }
        let begun = &piece[valid_prefix(piece)?..];
        if let Some(room) = self.cut.get_mut(..begun.len())
            && !begun.is_empty()
        {
            room.copy_from_slice(begun);
            self.length = begun.len();
        }
        Ok(())
    }
}

/// The length of the longest prefix that is UTF-8, if what follows may be a character cut in two.
fn valid_prefix(bytes: &[u8]) -> Result<usize, ProtocolError> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Ok(text.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(ProtocolError::Utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_to_be_ascii_at_every_length_and_place() {
        for length in 0..130 {
            let mut bytes = vec![b'a'; length];
            assert!(is_ascii(&bytes));
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "byte {at} of {length}");
                bytes[at] = b'a';
            }
        }
    }

    /// Whether `bytes` begin some text, asked of the standard library.
    fn begins_text(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
    }

    #[test]
    fn pieces_are_refused_with_the_first_byte_that_cannot_be_text() {
        let texts: [&[u8]; 9] = [
            "κόσμε €uro \u{10ffff} a\u{0}b".as_bytes(),
            b"\xce\xba\xf4\x90\x80\x80after",
            b"ok \xed\xa0\x80",
            b"\xc0\xaf",
            b"\xe2\x28\xa1",
            b"\xf0\x9f\x98",
            b"a\xff",
            b"\x80",
            b"\xf8\x88\x80\x80\x80",
        ];
        for text in texts {
            for step in 1..=text.len() {
                let mut pieces = Pieces::default();
                let mut seen = 0;
                for piece in text.chunks(step) {
                    seen += piece.len();
                    let outcome = pieces.push(piece);
                    assert_eq!(
                        outcome.is_ok(),
                        begins_text(&text[..seen]),
                        "{seen} bytes of {text:?} by {step}"
                    );
                    if outcome.is_err() {
                        break;
                    }
                }
            }
        }
    }
}
