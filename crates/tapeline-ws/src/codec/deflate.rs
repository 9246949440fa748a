//! permessage-deflate (RFC 7692): bounded inflating, and deflating with or without a shared window.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::ProtocolError;

/// What ends every sync flush and is left out on the wire (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// An empty message: one empty stored block without its tail (RFC 7692 section 7.2.3.6).
const EMPTY: u8 = 0;
/// The largest window; an inflater with it understands every smaller one.
pub(crate) const WINDOW_MAX: u8 = 15;
/// Speed before ratio: level 3 keeps most of the gain on JSON at half the cost of level 6.
const LEVEL: u32 = 3;
const FIRST_ROOM: usize = 1 << 10;
/// An output buffer up to this size is kept between messages.
const KEPT_ROOM: usize = 64 << 10;

/// The parameters both ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// The server begins every message with an empty window.
    pub server_no_context_takeover: bool,
    /// The client begins every message with an empty window.
    pub client_no_context_takeover: bool,
    /// The base-2 logarithm of the server's window, 8 to 15.
    pub server_max_window_bits: u8,
    /// The base-2 logarithm of the client's window, 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WINDOW_MAX,
            client_max_window_bits: WINDOW_MAX,
        }
    }
}

/// Inflates messages into one reused buffer that never passes the limit.
#[derive(Debug)]
pub(crate) struct Inflater {
    engine: Decompress,
    keep_context: bool,
    limit: usize,
    out: Vec<u8>,
    length: usize,
}

impl Inflater {
    pub(crate) fn new(keep_context: bool, limit: usize) -> Self {
        // The full window: it inflates whatever smaller window the peer chose.
        Self { engine: Decompress::new(false), keep_context, limit, out: Vec::new(), length: 0 }
    }

    /// The last message that inflated.
    pub(crate) fn output(&self) -> &[u8] {
        &self.out[..self.length]
    }

    /// Bytes of the output buffer.
    pub(crate) const fn allocated(&self) -> usize {
        self.out.capacity()
    }

    /// Inflates one message; the result is [`output`](Self::output).
    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        if self.out.len() > KEPT_ROOM && self.length < KEPT_ROOM / 2 {
            self.out = Vec::new();
        }
        self.length = 0;
        self.feed(payload)?;
        self.feed(&TAIL)?;
        if !self.keep_context {
            self.engine.reset(false);
        }
        Ok(())
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        loop {
            self.make_room()?;
            let (read, written) = (self.engine.total_in(), self.engine.total_out());
            let status = self
                .engine
                .decompress(input, &mut self.out[self.length..], FlushDecompress::Sync)
                .map_err(|_| ProtocolError::Inflate)?;
            let used = (self.engine.total_in() - read) as usize;
            let made = (self.engine.total_out() - written) as usize;
            input = &input[used..];
            self.length += made;
            if self.length > self.limit {
                return Err(ProtocolError::TooBig { limit: self.limit });
            }
            let has_room = self.length < self.out.len();
            if status == Status::StreamEnd {
                // A final block inside a message is allowed; what follows is a new stream.
                self.engine.reset(false);
                if input.is_empty() {
                    return Ok(());
                }
            } else if input.is_empty() && has_room {
                return Ok(());
            } else if used == 0 && made == 0 && has_room {
                return Err(ProtocolError::Inflate);
            }
        }
    }

    /// At least one byte of room; one byte past the limit is enough to notice that it was passed.
    fn make_room(&mut self) -> Result<(), ProtocolError> {
        if self.length < self.out.len() {
            return Ok(());
        }
        if self.out.len() > self.limit {
            return Err(ProtocolError::TooBig { limit: self.limit });
        }
        let size = (self.out.len() * 2).max(FIRST_ROOM).min(self.limit + 1);
        self.out.reserve_exact(size - self.out.len());
        self.out.resize(size, 0);
        Ok(())
    }
}

/// Deflates messages. One without a shared window may serve any number of connections.
#[derive(Debug)]
pub struct Deflater {
    engine: Compress,
    keep_context: bool,
    window_bits: u8,
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflater {
    /// A deflater that begins every message with an empty window, for [`Prepared`](super::Prepared)
    /// messages that go to many connections. It holds about 260 KiB: share it.
    pub fn new() -> Self {
        Self::with_window(WINDOW_MAX, false)
    }

    /// `window_bits` from 9 to 15.
    pub(crate) fn with_window(window_bits: u8, keep_context: bool) -> Self {
        let window_bits = window_bits.clamp(9, WINDOW_MAX);
        let engine = Compress::new_with_window_bits(Compression::new(LEVEL), false, window_bits);
        Self { engine, keep_context, window_bits }
    }

    /// Whether a peer with a window of `bits` can inflate a message of `length` bytes made here: a
    /// message shorter than the peer's window cannot refer beyond it.
    pub(crate) fn fits_window(&self, bits: u8, length: usize) -> bool {
        !self.keep_context && (self.window_bits <= bits || length <= 1 << bits)
    }

    /// The compressed payload of one message, without the tail.
    pub(crate) fn deflate(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if payload.is_empty() {
            return Some(vec![EMPTY]);
        }
        let mut out = Vec::with_capacity(payload.len() / 3 + 64);
        let start = self.engine.total_in();
        loop {
            let used = (self.engine.total_in() - start) as usize;
            self.engine.compress_vec(&payload[used..], &mut out, FlushCompress::Sync).ok()?;
            let used = (self.engine.total_in() - start) as usize;
            if used == payload.len() && out.len() < out.capacity() {
                break;
            }
            // More than six bytes, or zlib repeats its flush marker.
            out.reserve(out.capacity().max(64));
        }
        if !self.keep_context {
            self.engine.reset();
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn check(message: &[u8], window_bits: u8, keep_context: bool) {
        let mut deflater = Deflater::with_window(window_bits, keep_context);
        let mut inflater = Inflater::new(keep_context, LIMIT);
        for _ in 0..3 {
            let wire = deflater.deflate(message).expect("deflates");
            inflater.inflate(&wire).expect("inflates");
            assert_eq!(inflater.output(), message);
        }
    }

    #[test]
    fn what_is_deflated_inflates() {
        let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for keep_context in [false, true] {
            for window_bits in [9, 12, 15] {
                check(b"", window_bits, keep_context);
                check(b"a", window_bits, keep_context);
                check(&b"{\"e\":\"trade\",\"s\":\"BTCUSDT\"}".repeat(500), window_bits, keep_context);
                check(&noise, window_bits, keep_context);
            }
        }
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        // RFC 7692 section 7.2.3: one block, a shared window, no compression, a final block, two blocks.
        let mut inflater = Inflater::new(true, LIMIT);
        for wire in [
            &[0xf2u8, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            inflater.inflate(wire).expect("inflates");
            assert_eq!(inflater.output(), b"Hello");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = Deflater::new().deflate(&vec![0; 64 << 20]).expect("deflates");
        assert!(bomb.len() < 400 << 10);
        let mut inflater = Inflater::new(false, LIMIT);
        assert_eq!(inflater.inflate(&bomb), Err(ProtocolError::TooBig { limit: LIMIT }));
        assert!(inflater.out.capacity() <= LIMIT + 1);
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        for (length, expected) in [(LIMIT, Ok(())), (LIMIT + 1, Err(ProtocolError::TooBig { limit: LIMIT }))]
        {
            let wire = Deflater::new().deflate(&vec![7; length]).expect("deflates");
            assert_eq!(Inflater::new(false, LIMIT).inflate(&wire), expected);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        let mut inflater = Inflater::new(true, LIMIT);
        assert_eq!(inflater.inflate(&[0xff, 0xff, 0xff, 0xff]), Err(ProtocolError::Inflate));
    }
}
