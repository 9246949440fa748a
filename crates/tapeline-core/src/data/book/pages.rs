//! Sizes by tick, in pages of 16 ticks: a page that holds a level owns a block with a cell per tick.
//!
//! Setting a level is one store into one cache line. Which levels come and which go is noise, and a branch
//! on noise costs more than all the rest: the count of a page is kept by arithmetic, and a page that has
//! become empty keeps its block until another page needs one.

use std::fmt::Debug;

/// Ticks of one page.
pub(super) const TICKS: usize = 16;
/// The head of a page without a block.
const VOID: u32 = 0;
/// A head is the number of its block, then this many bits that count its levels.
const COUNT_BITS: u32 = 5;
const COUNT: u32 = (1 << COUNT_BITS) - 1;
/// How many pages are looked at for an empty one before a block is added. More of them save memory, fewer
/// save time: about one page in so many is empty then.
const LOOK: usize = 16;

/// A size as it is stored; zero = no level.
pub(super) trait Cell: Copy + Default + PartialEq + Debug {
    /// The size, if it fits.
    fn of(size: i64) -> Option<Self>;
    /// The size.
    fn size(self) -> i64;
    /// Whether there is a level.
    fn is_level(self) -> bool {
        self != Self::default()
    }
}

impl Cell for u32 {
    fn of(size: i64) -> Option<Self> {
        Self::try_from(size).ok()
    }
    fn size(self) -> i64 {
        i64::from(self)
    }
}

impl Cell for i64 {
    fn of(size: i64) -> Option<Self> {
        (size >= 0).then_some(size)
    }
    fn size(self) -> i64 {
        self
    }
}

/// A row of pages.
#[derive(Debug, Clone)]
pub(super) struct Pages<C> {
    /// Per page its block and the count of its levels.
    heads: Vec<u32>,
    /// A bit per page: whether it has a block.
    used: Vec<u64>,
    /// The first block belongs to no page, so that no head of a used page is zero.
    blocks: Vec<[C; TICKS]>,
    /// Blocks that belong to no page; their cells are zero.
    free: Vec<u32>,
    /// Where the search for an empty page goes on.
    hand: usize,
}

impl<C: Cell> Pages<C> {
    pub(super) const fn new() -> Self {
        Self { heads: Vec::new(), used: Vec::new(), blocks: Vec::new(), free: Vec::new(), hand: 0 }
    }

    /// How many pages there are.
    pub(super) const fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes of memory held.
    pub(super) const fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>()
            + self.used.capacity() * size_of::<u64>()
            + self.blocks.capacity() * size_of::<[C; TICKS]>()
            + self.free.capacity() * size_of::<u32>()
    }

    /// Sets the size at a tick and returns the one before; `None` outside of the pages.
    #[inline]
    pub(super) fn set(&mut self, at: usize, tick: usize, size: C) -> Option<C> {
        let head = self.heads.get_mut(at)?;
        if *head == VOID {
            return Some(self.set_void(at, tick, size));
        }
        let held = std::mem::replace(&mut self.blocks[(*head >> COUNT_BITS) as usize][tick], size);
        *head = *head + u32::from(size.is_level()) - u32::from(held.is_level());
        Some(held)
    }

    /// Sets the size at a tick of a page without a block, where nothing was held.
    fn set_void(&mut self, at: usize, tick: usize, size: C) -> C {
        if size.is_level() {
            let block = match self.free.pop() {
                Some(block) => block,
                None => self.empty_block().unwrap_or_else(|| self.add_block()),
            };
            self.blocks[block as usize][tick] = size;
            self.heads[at] = (block << COUNT_BITS) + 1;
            self.used[at / 64] |= 1 << (at % 64);
        }
        C::default()
    }

    /// Takes the block of an empty page, if one is near.
    fn empty_block(&mut self) -> Option<u32> {
        let from = if self.hand < self.heads.len() { self.hand } else { 0 };
        let near = self.heads[from..].iter_mut().take(LOOK);
        self.hand = from + near.len();
        let (skipped, head) = near.enumerate().find(|(_, head)| **head != VOID && **head & COUNT == 0)?;
        let at = from + skipped;
        self.hand = at + 1;
        self.used[at / 64] &= !(1 << (at % 64));
        Some(std::mem::replace(head, VOID) >> COUNT_BITS)
    }

    #[cold]
    fn add_block(&mut self) -> u32 {
        if self.blocks.len() == self.blocks.capacity() {
            // Growth by an eighth: doubling would leave half of a large book's memory unused.
            self.blocks.reserve_exact((self.blocks.len() / 8).max(32));
        }
        if self.blocks.is_empty() {
            self.blocks.push([C::default(); TICKS]);
        }
        self.blocks.push([C::default(); TICKS]);
        (self.blocks.len() - 1) as u32
    }

    /// The size at a tick, zero without a level; `None` outside of the pages.
    pub(super) fn get(&self, at: usize, tick: usize) -> Option<C> {
        match *self.heads.get(at)? {
            VOID => Some(C::default()),
            head => Some(self.blocks[(head >> COUNT_BITS) as usize][tick]),
        }
    }

    /// Makes the row longer.
    pub(super) fn extend_to(&mut self, len: usize) {
        self.heads.reserve_exact(len.saturating_sub(self.heads.len()));
        self.heads.resize(len, VOID);
        self.used.resize(len.div_ceil(64), 0);
    }

    /// The first page from `from` on that has a block.
    fn next_used(&self, from: usize) -> Option<usize> {
        let mut at = from / 64;
        let mut word = self.used.get(at)? & (u64::MAX << (from % 64));
        while word == 0 {
            at += 1;
            word = *self.used.get(at)?;
        }
        Some(at * 64 + word.trailing_zeros() as usize)
    }

    /// The last page that has a block.
    pub(super) fn last_used(&self) -> Option<usize> {
        let at = self.used.iter().rposition(|word| *word != 0)?;
        Some(at * 64 + 63 - self.used[at].leading_zeros() as usize)
    }

    /// The first level from a tick on: page, tick, size. The tick may be one past the page.
    pub(super) fn first_from(&self, at: usize, tick: usize) -> Option<(usize, usize, C)> {
        let (mut from, mut tick) = (at + tick / TICKS, tick % TICKS);
        loop {
            let at = self.next_used(from)?;
            if at > from {
                tick = 0;
            }
            let block = &self.blocks[(self.heads[at] >> COUNT_BITS) as usize];
            if let Some(skipped) = block[tick..].iter().position(|cell| cell.is_level()) {
                return Some((at, tick + skipped, block[tick + skipped]));
            }
            (from, tick) = (at + 1, 0);
        }
    }

    /// Lays the row anew: the page at `by` becomes the first of `len`. Levels of pages that leave it are
    /// told to `leave` by their old place.
    pub(super) fn shift(&mut self, by: i64, len: usize, mut leave: impl FnMut(usize, usize, C)) {
        let mut heads = vec![VOID; len];
        let mut used = vec![0u64; len.div_ceil(64)];
        let mut from = 0;
        while let Some(at) = self.next_used(from) {
            from = at + 1;
            let head = self.heads[at];
            if let Some(place) = usize::try_from(at as i64 - by).ok().filter(|place| *place < len) {
                heads[place] = head;
                used[place / 64] |= 1 << (place % 64);
                continue;
            }
            let block = &mut self.blocks[(head >> COUNT_BITS) as usize];
            for (tick, cell) in block.iter_mut().enumerate().filter(|(_, cell)| cell.is_level()) {
                leave(at, tick, std::mem::take(cell));
            }
            self.free.push(head >> COUNT_BITS);
        }
        (self.heads, self.used) = (heads, used);
    }
}
