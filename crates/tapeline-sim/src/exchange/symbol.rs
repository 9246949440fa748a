//! What the simulated exchange lists: the symbols, their ticks and lots, and how lively they are.

/// One listed instrument. All prices are whole ticks, all sizes whole lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The venue's name in upper case, as payloads carry it.
    pub name: String,
    /// One tick is 10^-`price_scale` of the quote asset.
    pub price_scale: u32,
    /// One lot is 10^-`size_scale` of the base asset.
    pub size_scale: u32,
    /// Digits after the point in the venue's text of a price; spot always writes 8.
    pub price_text: u32,
    /// Digits after the point in the venue's text of a size; spot always writes 8.
    pub size_text: u32,
    /// Where the market starts, in ticks.
    pub price: u64,
    /// A usual order, in lots.
    pub size: u64,
    /// The mean distance of neighbouring levels away from the touch, in ticks.
    pub spacing: u64,
    /// How it is traded.
    pub temper: Temper,
}

/// How lively a symbol is, and where its price goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Temper {
    /// At the market's rate, around the price where it began.
    #[default]
    Usual,
    /// An order every few seconds, a trade about once a minute.
    Quiet,
    /// Long pauses, and then everything at once.
    Bursty,
    /// The price walks through the whole book within minutes, up to twice the first price and down to half of it.
    Trending,
}

impl Symbol {
    /// The ten symbols listed by default, with the ticks and lots of the real market.
    pub fn ten(futures: bool) -> Vec<Self> {
        // name, price scale, size scale, price in ticks, usual order in lots, spacing in ticks
        const SPOT: [(&str, u32, u32, u64, u64, u64); 10] = [
            ("BTCUSDT", 2, 5, 6_184_012, 4_200, 40),
            ("ETHUSDT", 2, 4, 312_045, 3_500, 6),
            ("BNBUSDT", 2, 3, 61_230, 900, 3),
            ("SOLUSDT", 2, 3, 17_542, 9_000, 2),
            ("XRPUSDT", 4, 1, 21_377, 8_000, 2),
            ("ADAUSDT", 4, 1, 7_312, 11_000, 1),
            ("DOGEUSDT", 5, 0, 21_894, 5_200, 2),
            ("AVAXUSDT", 2, 2, 3_487, 4_100, 1),
            ("LINKUSDT", 2, 2, 1_866, 6_400, 1),
            ("LTCUSDT", 2, 3, 9_713, 7_700, 1),
        ];
        const FUTURES: [(&str, u32, u32, u64, u64, u64); 10] = [
            ("BTCUSDT", 1, 3, 618_401, 60, 4),
            ("ETHUSDT", 2, 3, 312_045, 450, 6),
            ("BNBUSDT", 2, 2, 61_230, 110, 3),
            ("SOLUSDT", 2, 2, 17_542, 800, 2),
            ("XRPUSDT", 4, 1, 21_377, 9_000, 2),
            ("ADAUSDT", 4, 0, 7_312, 1_900, 1),
            ("DOGEUSDT", 5, 0, 21_894, 6_100, 2),
            ("AVAXUSDT", 3, 0, 34_870, 55, 4),
            ("LINKUSDT", 3, 2, 18_660, 5_400, 3),
            ("LTCUSDT", 2, 3, 9_713, 8_200, 1),
        ];
        let rows = if futures { &FUTURES } else { &SPOT };
        rows.iter()
            .map(|&(name, price_scale, size_scale, price, size, spacing)| Self {
                name: name.to_owned(),
                price_scale,
                size_scale,
                price_text: if futures { price_scale.max(2) } else { 8 },
                size_text: if futures { size_scale } else { 8 },
                price,
                size,
                spacing,
                temper: Temper::Usual,
            })
            .collect()
    }

    /// The same symbol in another temper.
    #[must_use]
    pub fn with_temper(self, temper: Temper) -> Self {
        Self { temper, ..self }
    }

    /// The name in stream names, which are lower case on this venue.
    pub fn stream(&self) -> String {
        self.name.to_lowercase()
    }
}
