//! Sizes by tick in pages of 64: a bitmap tells which ticks are occupied, a block holds their sizes.
//!
//! A page with up to 16 levels packs their sizes in the order of the ticks, a fuller one gives every
//! tick its own cell. So a sparse book pays for its levels only, and a dense one is indexed directly.

/// Ticks of one page.
pub(super) const TICKS: u32 = 64;
/// Cells of a block, by class. The last one holds a cell per tick.
const CELLS: [u32; 4] = [4, 8, 16, TICKS];
/// A page with no more levels than this falls back to the class below. The distance to that class's
/// size keeps a level that comes and goes from moving the page each time.
const SHRINK: [u32; 4] = [0, 2, 4, 8];
const DIRECT: u8 = 3;
const NONE: u32 = u32::MAX;

/// 64 neighbouring ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    occupied: u64,
    /// Where its block begins in the arena.
    block: u32,
    class: u8,
}

impl Page {
    pub(super) const EMPTY: Self = Self { occupied: 0, block: NONE, class: 0 };

    pub(super) const fn is_empty(self) -> bool {
        self.occupied == 0
    }

    /// The bits of the occupied ticks.
    pub(super) const fn occupied(self) -> u64 {
        self.occupied
    }

    const fn cell(self, tick: u32) -> usize {
        let within = match self.class {
            DIRECT => tick,
            _ => (self.occupied & ((1 << tick) - 1)).count_ones(),
        };
        (self.block + within) as usize
    }
}

/// The blocks of all pages, in one piece of memory.
#[derive(Debug, Clone)]
pub(super) struct Arena {
    cells: Vec<i64>,
    /// The first free block of each class; a free block's first cell holds the next one.
    free: [u32; 4],
}

impl Arena {
    pub(super) const fn new() -> Self {
        Self { cells: Vec::new(), free: [NONE; 4] }
    }

    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.free = [NONE; 4];
    }

    /// Bytes of memory held.
    pub(super) const fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<i64>()
    }

    /// The size at an occupied tick.
    #[inline]
    pub(super) fn get(&self, page: Page, tick: u32) -> i64 {
        self.cells[page.cell(tick)]
    }

    /// Replaces the size at an occupied tick.
    #[inline]
    pub(super) fn replace(&mut self, page: Page, tick: u32, size: i64) {
        self.cells[page.cell(tick)] = size;
    }

    /// Occupies a free tick.
    pub(super) fn insert(&mut self, page: &mut Page, tick: u32, size: i64) {
        let count = page.occupied.count_ones();
        if page.is_empty() {
            *page = Page { occupied: 0, block: self.take(0), class: 0 };
        } else if page.class < DIRECT && count == CELLS[usize::from(page.class)] {
            self.resize(page, page.class + 1);
        }
        let cell = page.cell(tick);
        if page.class != DIRECT {
            let end = (page.block + count) as usize;
            self.cells.copy_within(cell..end, cell + 1);
        }
        self.cells[cell] = size;
        page.occupied |= 1 << tick;
    }

    /// Vacates an occupied tick.
    pub(super) fn remove(&mut self, page: &mut Page, tick: u32) {
        let count = page.occupied.count_ones();
        if page.class != DIRECT {
            let cell = page.cell(tick);
            let end = (page.block + count) as usize;
            self.cells.copy_within(cell + 1..end, cell);
        }
        page.occupied &= !(1 << tick);
        if page.is_empty() {
            self.give(page.block, page.class);
            *page = Page::EMPTY;
        } else if count - 1 <= SHRINK[usize::from(page.class)] {
            self.resize(page, page.class - 1);
        }
    }

    /// Vacates every tick of a page, telling each.
    pub(super) fn drain(&mut self, page: Page, mut tell: impl FnMut(u32, i64)) {
        for tick in bits(page.occupied) {
            tell(tick, self.get(page, tick));
        }
        if !page.is_empty() {
            self.give(page.block, page.class);
        }
    }

    fn resize(&mut self, page: &mut Page, class: u8) {
        let old = *page;
        *page = Page { occupied: old.occupied, block: self.take(class), class };
        for tick in bits(old.occupied) {
            self.cells[page.cell(tick)] = self.cells[old.cell(tick)];
        }
        self.give(old.block, old.class);
    }

    fn take(&mut self, class: u8) -> u32 {
        let class = usize::from(class);
        let block = self.free[class];
        if block != NONE {
            self.free[class] = self.cells[block as usize] as u32;
            return block;
        }
        let begin = self.cells.len();
        let end = begin + CELLS[class] as usize;
        if end > self.cells.capacity() {
            // Growth by a quarter: doubling would leave half of a large book's memory unused.
            self.cells.reserve_exact((begin / 4).max(CELLS[class] as usize).max(128));
        }
        self.cells.resize(end, 0);
        begin as u32
    }

    fn give(&mut self, block: u32, class: u8) {
        let free = &mut self.free[usize::from(class)];
        self.cells[block as usize] = i64::from(*free);
        *free = block;
    }
}

/// The positions of the set bits, lowest first.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(bit)
    })
}
