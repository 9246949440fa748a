//! A batch of payloads in one buffer, each with its stream and its moment.

/// Which streams anyone listens to, by number; what nobody wants is counted but not written.
#[derive(Debug, Clone, Default)]
pub(crate) enum Wanted {
    /// Everything.
    #[default]
    All,
    /// The streams whose place is true.
    Some(Vec<bool>),
}

impl Wanted {
    /// Says whether anyone listens to a stream; a market that everything is wanted of stays so.
    pub(crate) fn set(&mut self, stream: u32, wanted: bool) {
        if let Self::Some(all) = self
            && let Some(place) = all.get_mut(stream as usize)
        {
            *place = wanted;
        }
    }

    fn has(&self, stream: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(wanted) => wanted.get(stream as usize).copied().unwrap_or(false),
        }
    }
}

/// Payloads in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// Every frame ever made, wanted or not.
    pub(crate) made: u64,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    stream: u32,
    at_us: u64,
    end: usize,
}

/// One payload of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The stream's number.
    pub(crate) stream: u32,
    /// When it was made, Unix microseconds.
    pub(crate) at_us: u64,
    /// The JSON text, without the combined wrapper.
    pub(crate) payload: &'a [u8],
}

impl Frames {
    /// Counts a frame of `stream` and, if wanted, writes it.
    pub(crate) fn write(
        &mut self,
        wanted: &Wanted,
        at_us: u64,
        stream: u32,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.made += 1;
        if wanted.has(stream) {
            write(&mut self.bytes);
            self.items.push(Item { stream, at_us, end: self.bytes.len() });
        }
    }

    /// The frames of the batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let payload = &self.bytes[start..item.end];
            start = item.end;
            Frame { stream: item.stream, at_us: item.at_us, payload }
        })
    }

    /// How many frames the batch holds.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Empties the batch and keeps its memory and its count.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }
}
