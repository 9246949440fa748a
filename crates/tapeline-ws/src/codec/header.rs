//! The header of one frame (RFC 6455 section 5.2): parsing and writing, no judgement of its content.

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

pub(crate) const FIN: u8 = 0x80;
/// "This message is compressed" (RFC 7692 section 6).
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const RSV2_RSV3: u8 = 0x30;
/// The largest payload of a control frame.
pub(crate) const CONTROL_MAX: usize = 125;
/// The longest header: two bytes, eight of length, four of mask.
pub(crate) const HEADER_MAX: usize = 14;

const MASKED: u8 = 0x80;

/// One frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The first byte: final bit, reserved bits, opcode.
    pub(crate) first: u8,
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    pub(crate) length: usize,
    /// Bytes of the payload as declared; nothing is allocated for it before it is judged.
    pub(crate) payload: u64,
}

impl Header {
    /// The header at the start of `bytes`, or `None` while it is incomplete. Lengths that are not in
    /// their shortest form are accepted: they are harmless.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (payload, mut length) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let mut mask = None;
        if second & MASKED != 0 {
            mask = Some(*bytes.get(length..)?.first_chunk()?);
            length += 4;
        }
        Some(Self { first: *first, mask, length, payload })
    }

    #[inline]
    pub(crate) const fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    #[inline]
    pub(crate) const fn is_final(&self) -> bool {
        self.first & FIN != 0
    }
}

/// Appends a header; `first` holds final bit, reserved bits and opcode.
pub(crate) fn write(out: &mut Vec<u8>, first: u8, payload: usize, mask: Option<[u8; 4]>) {
    let flag = if mask.is_some() { MASKED } else { 0 };
    out.push(first);
    if payload <= CONTROL_MAX {
        out.push(flag | payload as u8);
    } else if let Ok(length) = u16::try_from(payload) {
        out.push(flag | 126);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(flag | 127);
        out.extend_from_slice(&(payload as u64).to_be_bytes());
    }
    if let Some(key) = mask {
        out.extend_from_slice(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_parsed_at_every_border_of_length() {
        for payload in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 33] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut bytes = Vec::new();
                write(&mut bytes, FIN | BINARY, payload, mask);
                let parsed = Header::parse(&bytes).expect("complete");
                assert_eq!(
                    parsed,
                    Header { first: FIN | BINARY, mask, length: bytes.len(), payload: payload as u64 }
                );
                assert!(bytes.len() <= HEADER_MAX);
                for cut in 0..bytes.len() {
                    assert_eq!(Header::parse(&bytes[..cut]), None, "a cut header is incomplete");
                }
            }
        }
    }
}
