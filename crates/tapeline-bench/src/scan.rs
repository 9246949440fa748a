//! The limit: frames cut and fields scanned by hand, for these shapes and no others, prices and sizes
//! into integers. Fields may stand in any order and unknown ones are passed over; nothing else is
//! checked that could be left out. It shows what no library can beat by much.

/// A trade as the scan sees it; prices and sizes in units of 10^-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade<'a> {
    /// The venue's symbol.
    pub symbol: &'a [u8],
    /// The id, of a trade or of an aggregate.
    pub id: u64,
    /// The price.
    pub price: i64,
    /// The size.
    pub size: i64,
    /// The time of the trade, Unix milliseconds.
    pub time: u64,
    /// Whether the buyer was the maker.
    pub maker: bool,
}

/// A quote; prices and sizes in units of 10^-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote<'a> {
    /// The venue's symbol.
    pub symbol: &'a [u8],
    /// The update id of the book.
    pub id: u64,
    /// Best bid: price and size.
    pub bid: (i64, i64),
    /// Best ask: price and size.
    pub ask: (i64, i64),
}

/// A change of a book; its levels are in the buffers given to [`event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth<'a> {
    /// The venue's symbol.
    pub symbol: &'a [u8],
    /// First and last update id.
    pub ids: (u64, u64),
    /// The number of bid levels; the ask levels follow them.
    pub bids: usize,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// `trade` or `aggTrade`.
    Trade(Trade<'a>),
    /// `bookTicker`.
    Quote(Quote<'a>),
    /// `depth`.
    Depth(Depth<'a>),
}

/// Scans one frame; the levels of a depth frame are put into `levels`.
#[inline]
pub fn event<'a>(frame: &'a [u8], levels: &mut Vec<(i64, i64)>) -> Option<Event<'a>> {
    let mut scan = Scan::new(frame, 0);
    scan.skip(b"{\"stream\":\"")?;
    let stream = scan.text();
    scan.skip(b",\"data\":{")?;
    let at = stream.iter().position(|byte| *byte == b'@')?;
    match stream.get(at + 1)? {
        b't' | b'a' => trade(scan).map(Event::Trade),
        b'b' => quote(scan).map(Event::Quote),
        b'd' => depth(scan, levels).map(Event::Depth),
        _ => None,
    }
}

#[inline]
fn trade(mut scan: Scan<'_>) -> Option<Trade<'_>> {
    let mut trade = Trade { symbol: b"", id: 0, price: 0, size: 0, time: 0, maker: false };
    while let Some(key) = scan.key() {
        match key {
            b's' => trade.symbol = scan.quoted(),
            // An aggregate's own id; a trade has no such field.
            b't' | b'a' => trade.id = scan.number(),
            b'p' => trade.price = scan.quoted_decimal(),
            b'q' => trade.size = scan.quoted_decimal(),
            b'T' => trade.time = scan.number(),
            b'm' => {
                trade.maker = scan.peek() == b't';
                scan.pass();
            }
            _ => scan.pass(),
        }
    }
    (trade.id != 0).then_some(trade)
}

#[inline]
fn quote(mut scan: Scan<'_>) -> Option<Quote<'_>> {
    let mut quote = Quote { symbol: b"", id: 0, bid: (0, 0), ask: (0, 0) };
    while let Some(key) = scan.key() {
        match key {
            b'u' => quote.id = scan.number(),
            b's' => quote.symbol = scan.quoted(),
            b'b' => quote.bid.0 = scan.quoted_decimal(),
            b'B' => quote.bid.1 = scan.quoted_decimal(),
            b'a' => quote.ask.0 = scan.quoted_decimal(),
            b'A' => quote.ask.1 = scan.quoted_decimal(),
            _ => scan.pass(),
        }
    }
    (quote.id != 0).then_some(quote)
}

#[inline]
fn depth<'a>(mut scan: Scan<'a>, levels: &mut Vec<(i64, i64)>) -> Option<Depth<'a>> {
    levels.clear();
    let mut depth = Depth { symbol: b"", ids: (0, 0), bids: 0 };
    while let Some(key) = scan.key() {
        match key {
            b's' => depth.symbol = scan.quoted(),
            b'U' => depth.ids.0 = scan.number(),
            b'u' => depth.ids.1 = scan.number(),
            b'b' => {
                scan.skip(b"[")?;
                scan.levels(levels)?;
                depth.bids = levels.len();
            }
            b'a' => {
                scan.skip(b"[")?;
                scan.levels(levels)?;
            }
            _ => scan.pass(),
        }
    }
    (depth.ids.1 != 0).then_some(depth)
}

/// The payload of the frame at the start of `bytes` and the length of the whole frame, if it is
/// complete: a text frame of a server, below 64 KiB.
#[inline]
pub fn cut(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let [0x81, short, rest @ ..] = bytes else { return None };
    let (head, length) = match short {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        short => (2, usize::from(*short)),
    };
    let payload = bytes.get(head..head + length)?;
    Some((payload, head + length))
}

/// A position in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next key, all of which are of one letter, with the scan behind its colon; `None` at the end
    /// of the object.
    #[inline]
    fn key(&mut self) -> Option<u8> {
        if self.peek() == b',' {
            self.at += 1;
        }
        let [b'"', key, b'"', b':'] = *self.bytes.get(self.at..)?.first_chunk()? else { return None };
        self.at += 4;
        Some(key)
    }

    /// A text in quotes.
    #[inline]
    fn quoted(&mut self) -> &'a [u8] {
        self.at += 1;
        self.text()
    }

    /// A decimal in quotes.
    #[inline]
    fn quoted_decimal(&mut self) -> i64 {
        self.at += 1;
        self.decimal()
    }

    /// Passes over a value that is no object and no list.
    #[inline]
    fn pass(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(rest.len());
    }

    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn skip<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        if self.bytes.get(self.at..)?.first_chunk::<N>()? != literal {
            return None;
        }
        self.at += N;
        Some(())
    }

    #[inline]
    pub(crate) fn number(&mut self) -> u64 {
        let mut value = 0;
        while let digit @ b'0'..=b'9' = self.peek() {
            value = value * 10 + u64::from(digit - b'0');
            self.at += 1;
        }
        value
    }

    /// Up to the closing quote, which is passed.
    #[inline]
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
        self.at += length + 1;
        &rest[..length]
    }

    /// A decimal of at most eight places, in units of 10^-8; its closing quote is passed.
    #[inline]
    pub(crate) fn decimal(&mut self) -> i64 {
        let mut value = self.number() as i64;
        let mut places = 0;
        if self.peek() == b'.' {
            self.at += 1;
            while let digit @ b'0'..=b'9' = self.peek() {
                value = value * 10 + i64::from(digit - b'0');
                places += 1;
                self.at += 1;
            }
        }
        self.at += 1;
        for _ in places..8 {
            value *= 10;
        }
        value
    }

    /// Pairs up to the closing bracket, which is passed.
    #[inline]
    pub(crate) fn levels(&mut self, levels: &mut Vec<(i64, i64)>) -> Option<()> {
        loop {
            match self.peek() {
                b'[' => {
                    self.at += 2;
                    let price = self.decimal();
                    self.skip(b",\"")?;
                    levels.push((price, self.decimal()));
                    self.skip(b"]")?;
                }
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }
}
