//! A message encoded once, and compressed once, for any number of connections.

use bytes::Bytes;

use super::deflate::Deflater;
use super::header::{self, BINARY, FIN, RSV1, TEXT};

/// A whole frame as a server sends it. Cloning and queueing share the bytes.
#[derive(Debug, Clone)]
pub struct Prepared {
    plain: Bytes,
    payload_at: usize,
    opcode: u8,
    deflated: Option<Deflated>,
}

#[derive(Debug, Clone)]
struct Deflated {
    frame: Bytes,
    /// The smallest window, as a base-2 logarithm, that inflates the frame.
    window_bits: u8,
}

impl Prepared {
    /// A text message.
    pub fn text(payload: &str) -> Self {
        Self::new(TEXT, payload.as_bytes())
    }

    /// A binary message.
    pub fn binary(payload: &[u8]) -> Self {
        Self::new(BINARY, payload)
    }

    fn new(opcode: u8, payload: &[u8]) -> Self {
        let mut frame = Vec::with_capacity(payload.len() + header::HEADER_MAX);
        header::write(&mut frame, FIN | opcode, payload.len(), None);
        let payload_at = frame.len();
        frame.extend_from_slice(payload);
        Self { plain: frame.into(), payload_at, opcode, deflated: None }
    }

    /// Adds the compressed form, if it is shorter. It serves the connections that negotiated
    /// `server_no_context_takeover`; the others get the plain form.
    #[must_use]
    pub fn compressed(mut self, deflater: &mut Deflater) -> Self {
        let payload = self.payload();
        let window_bits = (8..=15).find(|bits| deflater.fits_window(*bits, payload.len()));
        let (Some(window_bits), Some(body)) = (window_bits, deflater.deflate(payload)) else { return self };
        if body.len() < payload.len() {
            let mut frame = Vec::with_capacity(body.len() + header::HEADER_MAX);
            header::write(&mut frame, FIN | RSV1 | self.opcode, body.len(), None);
            frame.extend_from_slice(&body);
            self.deflated = Some(Deflated { frame: frame.into(), window_bits });
        }
        self
    }

    /// The message itself.
    pub fn payload(&self) -> &[u8] {
        &self.plain[self.payload_at..]
    }

    pub(crate) const fn opcode(&self) -> u8 {
        self.opcode
    }

    pub(crate) const fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The compressed frame, if a window of `bits` inflates it.
    pub(crate) fn deflated(&self, bits: u8) -> Option<&Bytes> {
        self.deflated.as_ref().filter(|form| form.window_bits <= bits).map(|form| &form.frame)
    }
}
