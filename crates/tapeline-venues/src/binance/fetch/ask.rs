//! Which endpoint answers which wish, and what the request weighs by the venue's tables (July 2026).

use std::fmt::{Display, Write as _};
use std::time::Duration;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::venue::{Fetch, HttpRequest};

use super::Market;

/// Levels a side of a book: the most that USD-M gives, and on spot a fifth of the price of the most.
pub(in super::super) const SNAPSHOT_LEVELS: usize = 1_000;
/// Rows of one list at most.
pub(super) const MOST_ROWS: u64 = 1_000;
/// Rows asked for where nothing is known yet: somewhere to begin.
const FIRST_ROWS: u64 = 10;
/// The newest candle, and the one that closed before it.
const CANDLES: u64 = 2;
/// Candles of USD-M's least weight.
const LIGHT_CANDLES: u64 = 99;
/// Levels that hold the top of a book.
const TOP_LEVELS: usize = 5;

/// A thousand rows, or two thousand levels, take less than 200 kB.
const LONG_BODY: usize = 1 << 20;
/// One object, or two candles.
const SHORT_BODY: usize = 1 << 16;
/// Statistics of all symbols take about 2 MB.
const WHOLE_BODY: usize = 8 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The host that knows market data only; it has no history of trades.
const WITHOUT_HISTORY: &str = "data-api.binance.vision";

/// The ids that are wanted of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    /// The first one; `None` for the newest there are.
    pub(super) from: Option<u64>,
    /// The last one.
    pub(super) to: u64,
}

impl List {
    /// The id to ask from: the one before the first that is wanted. That it is there proves that the list begins
    /// where it should, so that an id which is left out behind it was never given to a trade.
    fn ask_from(self) -> Option<u64> {
        self.from.map(|from| from.saturating_sub(1))
    }

    /// How many rows to ask for: what is wanted, and one on either side of it.
    fn rows(self) -> u64 {
        match self.from {
            Some(from) => (self.to - from).saturating_add(3).min(MOST_ROWS),
            None => FIRST_ROWS,
        }
    }

    /// Whether an id is wanted.
    pub(super) fn holds(self, id: u64) -> bool {
        (self.from.unwrap_or(0)..=self.to).contains(&id)
    }
}

/// Which statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Those of a day, all of them.
    Full,
    /// Those of a day, the short form.
    Mini,
    /// Those of a window.
    Window,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// A book, to so many levels a side.
    Book { levels: usize },
    /// The best bid and ask of one symbol.
    Top,
    /// The best bids and asks of all symbols.
    Tops,
    /// Single trades.
    Trades { list: List },
    /// Aggregates of trades.
    Aggregates { list: List },
    /// Block trades.
    Blocks { list: List },
    /// Statistics, of one symbol or of all.
    Ticker { form: Form, all: bool },
    /// The average price of the last minutes.
    AveragePrice,
    /// The reference price.
    ReferencePrice,
    /// Mark prices and what stands beside them, of one symbol or of all.
    MarkPrice { all: bool },
    /// Candles: from the one that began so many milliseconds after 1970 on, or the newest.
    Candles { from: Option<u64> },
}

impl Ask {
    /// What answers a wish; `None` where nothing does.
    pub(super) fn of(market: Market, why: Fetch, topic: &Topic) -> Option<Self> {
        let (channel, all) = (topic.channel(), topic.is_all());
        match why {
            Fetch::Snapshot if channel == Channel::Book && !all => {
                Some(Self::Book { levels: SNAPSHOT_LEVELS })
            }
            Fetch::Snapshot => None,
            Fetch::Backfill { from, to } if from <= to && !all => {
                Self::events(market, channel, List { from: Some(from), to })
            }
            Fetch::Backfill { .. } => None,
            Fetch::Poll { .. } if all => Self::of_all(market, topic),
            // Nothing comes after the greatest id.
            Fetch::Poll { after: Some(u64::MAX) } => None,
            Fetch::Poll { after } => {
                let list = List { from: after.map(|after| after + 1), to: u64::MAX };
                match channel {
                    // USD-M tells the newest trades without a key, only those of long ago it does not.
                    Channel::Trade => Some(Self::Trades { list }),
                    Channel::AggTrade | Channel::BlockTrade => Self::events(market, channel, list),
                    Channel::Candle => Some(Self::Candles { from: after }),
                    _ => Self::state(market, topic),
                }
            }
        }
    }

    /// Events by their ids.
    fn events(market: Market, channel: Channel, list: List) -> Option<Self> {
        match (market, channel) {
            // USD-M wants a key for trades by their ids, and there is none here.
            (Market::Spot, Channel::Trade) => Some(Self::Trades { list }),
            (_, Channel::AggTrade) => Some(Self::Aggregates { list }),
            // Their list has no newest end: one must say from where.
            (Market::Spot, Channel::BlockTrade) if list.from.is_some() => Some(Self::Blocks { list }),
            _ => None,
        }
    }

    /// The state of one symbol.
    fn state(market: Market, topic: &Topic) -> Option<Self> {
        match (market, topic.channel()) {
            (_, Channel::Book) => Some(Self::Book { levels: SNAPSHOT_LEVELS }),
            (_, Channel::Depth) => {
                let levels = topic.param("levels").and_then(|levels| levels.parse().ok());
                Some(Self::Book { levels: levels.unwrap_or(20) })
            }
            (_, Channel::Quote) => Some(Self::Top),
            (_, Channel::Ticker) => {
                let form = if topic.param("window").is_some() { Form::Window } else { Form::Full };
                Some(Self::Ticker { form, all: false })
            }
            (_, Channel::MiniTicker) => Some(Self::Ticker { form: Form::Mini, all: false }),
            (Market::Spot, Channel::AvgPrice) => Some(Self::AveragePrice),
            (Market::Spot, Channel::ReferencePrice) => Some(Self::ReferencePrice),
            (Market::UsdM, Channel::MarkPrice) => Some(Self::MarkPrice { all: false }),
            // Forced orders and announcements of contracts are streamed only.
            _ => None,
        }
    }

    /// The state of all symbols, where one reply holds it.
    fn of_all(market: Market, topic: &Topic) -> Option<Self> {
        match (market, topic.channel(), topic.param("window")) {
            (_, Channel::MiniTicker, None) => Some(Self::Ticker { form: Form::Mini, all: true }),
            (Market::UsdM, Channel::Ticker, None) => Some(Self::Ticker { form: Form::Full, all: true }),
            // Other windows are told for a few symbols at a time.
            (Market::Spot, Channel::Ticker, Some("1d")) => {
                Some(Self::Ticker { form: Form::Window, all: true })
            }
            (Market::UsdM, Channel::MarkPrice, _) => Some(Self::MarkPrice { all: true }),
            (Market::UsdM, Channel::Quote, _) => Some(Self::Tops),
            _ => None,
        }
    }

    /// The request at an origin; `None` where this host does not answer it.
    pub(super) fn request(self, market: Market, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        let (path, weight, max_body) = self.endpoint(market, origin)?;
        let base = match market {
            Market::Spot => "/api/v3",
            Market::UsdM => "/fapi/v1",
        };
        let mut url = Url(format!("{}{base}/{path}", origin.trim_end_matches('/')));
        if !topic.is_all() {
            url.add_encoded("symbol", &topic.symbol());
        }
        self.add_rest(market, topic, path, &mut url);
        Some(HttpRequest { url: url.0, headers: Vec::new(), weight, max_body, timeout: TIMEOUT })
    }

    /// The path, the weight, and the largest body.
    fn endpoint(self, market: Market, origin: &str) -> Option<(&'static str, u32, usize)> {
        let by = |spot: u32, usdm: u32| if market == Market::Spot { spot } else { usdm };
        Some(match self {
            Self::Book { levels } => {
                // 1,000 levels, or at most 20.
                ("depth", if levels > TOP_LEVELS * 4 { by(50, 20) } else { by(5, 2) }, LONG_BODY)
            }
            Self::Top => ("depth", by(5, 2), SHORT_BODY),
            Self::Tops => ("ticker/bookTicker", by(4, 5), WHOLE_BODY),
            Self::Trades { list } => match list.from {
                Some(_) if market == Market::Spot && !origin.contains(WITHOUT_HISTORY) => {
                    ("historicalTrades", 25, LONG_BODY)
                }
                // The newest thousand may hold what is new; what was missed long ago they do not.
                Some(_) if list.to != u64::MAX => return None,
                _ => ("trades", by(25, 5), LONG_BODY),
            },
            Self::Aggregates { .. } => ("aggTrades", by(4, 20), LONG_BODY),
            Self::Blocks { .. } if origin.contains(WITHOUT_HISTORY) => return None,
            Self::Blocks { .. } => ("historicalBlockTrades", 25, LONG_BODY),
            Self::Ticker { form: Form::Window, all: false } => ("ticker", 4, SHORT_BODY),
            Self::Ticker { all: false, .. } => ("ticker/24hr", by(2, 1), SHORT_BODY),
            Self::Ticker { all: true, .. } => ("ticker/24hr", by(80, 40), WHOLE_BODY),
            Self::AveragePrice => ("avgPrice", 2, SHORT_BODY),
            Self::ReferencePrice => ("referencePrice", 2, SHORT_BODY),
            Self::MarkPrice { all: false } => ("premiumIndex", 1, SHORT_BODY),
            Self::MarkPrice { all: true } => ("premiumIndex", 10, WHOLE_BODY),
            Self::Candles { from: None } => ("klines", by(2, 1), SHORT_BODY),
            Self::Candles { from: Some(_) } => ("klines", by(2, 1), LONG_BODY),
        })
    }

    /// The parameters behind the symbol.
    fn add_rest(self, market: Market, topic: &Topic, path: &str, url: &mut Url) {
        match self {
            Self::Book { levels } => url.add("limit", levels),
            Self::Top => url.add("limit", TOP_LEVELS),
            Self::Trades { list } | Self::Aggregates { list } | Self::Blocks { list } => {
                // The list of the newest takes no id.
                if let Some(from) = list.ask_from().filter(|_| path != "trades") {
                    url.add("fromId", from);
                }
                url.add("limit", list.rows());
            }
            Self::Ticker { form: Form::Window, all: false } => {
                url.add_encoded("windowSize", topic.param("window").unwrap_or("1d"));
                url.add("type", "FULL");
            }
            // USD-M knows one form.
            Self::Ticker { form, .. } if market == Market::Spot => {
                url.add("type", if form == Form::Mini { "MINI" } else { "FULL" });
            }
            Self::Candles { from } => {
                url.add_encoded("interval", topic.param("interval").unwrap_or(""));
                if topic.param("tz").is_some() {
                    // The only zone besides UTC.
                    url.add("timeZone", 8);
                }
                let Some(from) = from else { return url.add("limit", CANDLES) };
                url.add("startTime", from);
                // On spot the most weigh no more than the fewest.
                url.add("limit", if market == Market::Spot { MOST_ROWS } else { LIGHT_CANDLES });
            }
            Self::Tops
            | Self::Ticker { .. }
            | Self::AveragePrice
            | Self::ReferencePrice
            | Self::MarkPrice { .. } => {}
        }
    }
}

/// A URL that grows by its parameters.
struct Url(String);

impl Url {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(key);
        self.0.push('=');
    }

    fn add(&mut self, key: &str, value: impl Display) {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{value}");
    }

    fn add_encoded(&mut self, key: &str, value: &str) {
        self.key(key);
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'_' {
                self.0.push(char::from(byte));
            } else {
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
    }
}
