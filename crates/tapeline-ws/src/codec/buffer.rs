//! One growable contiguous buffer between the socket and the frame cutter.

/// Fills in a row that would have fitted the buffer's resting size before it shrinks back, so that a
/// stream with an occasional large message does not reallocate for each of them.
const CALM_FILLS: u32 = 32;
/// A header must fit, or its length could never be learnt.
const MIN_RESTING: usize = 16;

/// Bytes that were read and not yet consumed, always contiguous. The storage is zeroed once when it
/// is allocated, so that safe code can read into it.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    storage: Vec<u8>,
    start: usize,
    end: usize,
    resting: usize,
    /// Bytes that the frame at the front needs in all; 0 when unknown.
    wanted: usize,
    calm: u32,
}

impl ReadBuffer {
    pub(crate) const fn new(resting: usize) -> Self {
        let resting = if resting < MIN_RESTING { MIN_RESTING } else { resting };
        Self { storage: Vec::new(), start: 0, end: 0, resting, wanted: 0, calm: 0 }
    }

    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// Where unread bytes begin, for ranges that outlive [`consume`](Self::consume).
    #[inline]
    pub(crate) const fn position(&self) -> usize {
        self.start
    }

    /// Bytes by absolute position; valid until the next [`spare`](Self::spare).
    #[inline]
    pub(crate) fn range(&self, from: usize, to: usize) -> &[u8] {
        &self.storage[from..to]
    }

    #[inline]
    pub(crate) fn range_mut(&mut self, from: usize, to: usize) -> &mut [u8] {
        &mut self.storage[from..to]
    }

    #[inline]
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes.min(self.end - self.start);
        self.wanted = 0;
    }

    /// Notes that the frame at the front needs `bytes` in all. The caller has judged the number.
    #[inline]
    pub(crate) const fn want(&mut self, bytes: usize) {
        self.wanted = bytes;
    }

    /// Gives the memory back; the caller has seen that nothing unread is in it.
    pub(crate) fn release(&mut self) {
        self.storage = Vec::new();
        (self.start, self.end, self.wanted) = (0, 0, 0);
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.storage.len()
    }

    /// Room for the next read. Empty only if the buffer is full of bytes that wait to be consumed.
    ///
    /// Growth follows what arrives (doubling), not what a header declares: a peer that promises much
    /// and sends nothing costs nothing.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            // Cheap: what is left is less than one frame, unless the consumer does not consume.
            self.storage.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.storage.is_empty() {
            self.storage = vec![0; self.resting];
        } else if self.end == self.storage.len() && self.wanted > self.storage.len() {
            let size = self.wanted.min(self.storage.len().saturating_mul(2));
            self.resize(size.max(self.resting));
        } else if self.storage.len() > self.resting {
            self.calm_down();
        }
        &mut self.storage[self.end..]
    }

    pub(crate) fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.storage.len());
    }

    fn calm_down(&mut self) {
        if self.wanted > self.resting || self.end >= self.resting {
            self.calm = 0;
            return;
        }
        self.calm += 1;
        if self.calm >= CALM_FILLS {
            self.resize(self.resting);
        }
    }

    fn resize(&mut self, size: usize) {
        let mut storage = vec![0; size];
        storage[..self.end].copy_from_slice(&self.storage[..self.end]);
        self.storage = storage;
        self.calm = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_follows_what_arrives_and_stops_at_what_is_wanted() {
        let mut buffer = ReadBuffer::new(16);
        assert_eq!(buffer.spare().len(), 16);
        buffer.want(100);
        buffer.filled(10);
        assert_eq!(buffer.spare().len(), 6, "no growth before the room is used");
        for capacity in [32, 64, 100] {
            let room = buffer.spare().len();
            buffer.filled(room);
            buffer.spare();
            assert_eq!(buffer.capacity(), capacity);
        }
        let room = buffer.spare().len();
        buffer.filled(room);
        assert_eq!(buffer.spare().len(), 0);
        assert_eq!(buffer.capacity(), 100);
    }

    #[test]
    fn a_large_buffer_shrinks_after_calm_fills() {
        let mut buffer = ReadBuffer::new(16);
        buffer.spare();
        buffer.want(64);
        while buffer.capacity() < 64 {
            let room = buffer.spare().len();
            buffer.filled(room);
        }
        buffer.consume(64);
        for _ in 0..CALM_FILLS {
            assert_eq!(buffer.capacity(), 64);
            buffer.spare();
            buffer.filled(4);
            buffer.consume(4);
        }
        buffer.spare();
        assert_eq!(buffer.capacity(), 16);
    }
}
