//! What is known of one topic: its newest figures, how fast it changes, how well it is served.

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Side;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Kind, Level, Source, Update};
use tapeline_core::time::Unix;

use super::ladder::{Ladder, told};
use super::number::fixed;
use super::rate::Rate;
use super::text::Tone;

/// What a row wants of an update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) data: &'a Data,
    /// It is the whole state, not a change of it.
    pub(crate) whole: bool,
    pub(crate) source: Source,
    /// How many updates it stands for.
    pub(crate) count: u32,
    /// When the feed received what it tells.
    pub(crate) received: Unix,
}

impl<'a> From<&'a Update> for News<'a> {
    fn from(update: &'a Update) -> Self {
        Self {
            topic: &update.topic,
            data: &update.data,
            whole: update.kind == Kind::Snapshot,
            source: update.source,
            count: update.merged.max(1),
            received: update.received,
        }
    }
}

/// One topic's figures.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) topic: Topic,
    pub(crate) rate: Rate,
    /// Price, or best bid.
    pub(crate) price: Option<Decimal>,
    /// Best ask.
    pub(crate) ask: Option<Decimal>,
    /// Size of the trade, or at the best bid.
    pub(crate) size: Option<Decimal>,
    /// Size at the best ask.
    pub(crate) ask_size: Option<Decimal>,
    /// The taker's side.
    pub(crate) side: Side,
    /// Words for what is no price.
    pub(crate) note: String,
    /// The book, for channels that carry one.
    pub(crate) ladder: Option<Box<Ladder>>,
    /// When data last came, in milliseconds of the board's clock.
    pub(crate) seen: Option<u64>,
    /// When the feed received the newest of it.
    newest: Unix,
    /// When the price last rose or fell.
    moved: Option<(u64, Tone)>,
    /// Gaps declared so far.
    pub(crate) gaps: u64,
    level: Level,
    phase: &'static str,
    source: Source,
    /// Whoever brings it is away: nothing here is known to be so still.
    away: bool,
    /// When its line was first said to be live.
    connected: Option<u64>,
    /// Why it is not served as promised.
    pub(crate) reason: Box<str>,
    /// The most digits behind the point seen so far, of prices and of sizes.
    scales: (u8, u8),
}

/// A price that has moved is marked for so long.
const MARKED: u64 = 400;
/// Whoever brings nothing for so long from the beginning may not exist.
const NOTHING: u64 = 10_000;
/// A topic with as many updates per second is busy; if it pauses for longer than this, something is off.
const BUSY: f64 = 2.0;
const PAUSE: u64 = 1_000;

impl Row {
    /// A topic of which nothing is known yet.
    pub(crate) fn new(topic: Topic) -> Self {
        Self {
            topic,
            rate: Rate::default(),
            price: None,
            ask: None,
            size: None,
            ask_size: None,
            side: Side::Unknown,
            note: String::new(),
            ladder: None,
            seen: None,
            newest: Unix(i64::MIN),
            moved: None,
            gaps: 0,
            level: Level::Healthy,
            phase: "waiting",
            source: Source::Live,
            away: false,
            connected: None,
            reason: "".into(),
            scales: (0, 0),
        }
    }

    /// Takes one update that came at `now`.
    pub(crate) fn take(&mut self, now: u64, news: News<'_>) {
        self.away = false;
        match news.data {
            Data::Status(status) => {
                (self.level, self.phase, self.source) = (status.level, status.phase, status.source);
                self.reason = status.reason.clone();
                if self.phase == "live" {
                    self.connected.get_or_insert(now);
                }
                return;
            }
            Data::Gap(_) => {
                self.gaps += 1;
                return;
            }
            Data::Empty {} => return,
            // A book that is not there yet is told by its state, it is no news of the market.
            Data::Book(book) if book.levels.is_empty() => {
                self.ladder.get_or_insert_default().take(book, news.whole);
                return;
            }
            data => self.figures(now, data, news.whole),
        }
        self.source = news.source;
        if self.phase == "waiting" && self.level == Level::Healthy {
            // Data is the best proof of a live line, also where no status was sent yet.
            self.phase = "live";
        }
        if news.whole && news.received <= self.newest {
            // What is known already, said again: no sign that the market lives.
            return;
        }
        self.newest = self.newest.max(news.received);
        self.seen = Some(now);
        self.rate.add(now, news.count);
    }

    fn figures(&mut self, now: u64, data: &Data, whole: bool) {
        match data {
            Data::Trade(trade) => {
                self.side = trade.side;
                self.show(now, Some(trade.price), Some(trade.size));
            }
            Data::AggTrade(trade) => {
                self.side = trade.side;
                self.show(now, Some(trade.price), Some(trade.size));
            }
            Data::Liquidation(order) => {
                self.side = order.side;
                self.show(now, order.average.or(Some(order.price)), Some(order.size));
            }
            Data::Quote(quote) => {
                self.show(now, Some(quote.bid), Some(quote.bid_size));
                self.offer(Some(quote.ask), Some(quote.ask_size));
            }
            Data::Book(book) => {
                let ladder = self.ladder.get_or_insert_default();
                ladder.take(book, whole);
                let (bid, ask) = (ladder.bid(), ladder.ask());
                self.show(now, bid.map(|bid| bid.0), bid.map(|bid| bid.1));
                self.offer(ask.map(|ask| ask.0), ask.map(|ask| ask.1));
            }
            Data::Ticker(ticker) => {
                self.show(now, Some(ticker.last), Some(ticker.volume));
                self.note = ticker.change_percent.map(|percent| format!("{percent} %")).unwrap_or_default();
            }
            Data::MiniTicker(ticker) => self.show(now, Some(ticker.last), Some(ticker.volume)),
            Data::Candle(candle) => {
                self.show(now, Some(candle.close), Some(candle.volume));
                self.note = if candle.closed { "closed".to_owned() } else { "open".to_owned() };
            }
            Data::MarkPrice(mark) => {
                self.show(now, Some(mark.price), None);
                self.note = mark.funding_rate.map(|rate| format!("funding {rate}")).unwrap_or_default();
            }
            Data::Price(price) => self.show(now, price.price, None),
            Data::IndexPrice(price) => self.show(now, Some(price.price), None),
            Data::TokenPrice(price) => self.show(now, Some(price.price), None),
            Data::Keyed(keyed) => self.note = format!("{} symbols", keyed.0.len()),
            _ => {}
        }
    }

    fn show(&mut self, now: u64, price: Option<Decimal>, size: Option<Decimal>) {
        if let (Some(before), Some(price)) = (self.price, price)
            && before != price
        {
            self.moved = Some((now, if price > before { Tone::Risen } else { Tone::Fallen }));
        }
        self.price = price;
        self.size = size;
        self.widen(price, size);
    }

    fn offer(&mut self, ask: Option<Decimal>, size: Option<Decimal>) {
        self.ask = ask;
        self.ask_size = size;
        self.widen(ask, size);
    }

    fn widen(&mut self, price: Option<Decimal>, size: Option<Decimal>) {
        self.scales.0 = self.scales.0.max(price.map_or(0, Decimal::scale));
        self.scales.1 = self.scales.1.max(size.map_or(0, Decimal::scale));
    }

    /// How the price is to be shown at `now`.
    pub(crate) fn tone(&self, now: u64) -> Tone {
        match self.moved {
            Some((at, tone)) if now.saturating_sub(at) < MARKED => tone,
            _ => match self.side {
                Side::Buy => Tone::Good,
                Side::Sell => Tone::Bad,
                Side::Unknown => Tone::Plain,
            },
        }
    }

    /// A price with the digits that this topic's prices have.
    pub(crate) fn price_text(&self, price: Option<Decimal>) -> String {
        price.map(|price| fixed(price, self.scales.0)).unwrap_or_default()
    }

    /// The size or both sizes.
    pub(crate) fn size_text(&self) -> String {
        let text = |size: Decimal| fixed(size, self.scales.1);
        match (self.size, self.ask_size) {
            (Some(bid), Some(ask)) => format!("{} × {}", text(bid), text(ask)),
            (Some(size), None) | (None, Some(size)) => text(size),
            (None, None) => String::new(),
        }
    }

    /// Whoever brings it is away.
    pub(crate) const fn leave(&mut self) {
        self.away = true;
    }

    /// Whoever brings it is back. Either nothing was missed, or all that was known is old.
    pub(crate) fn rejoin(&mut self, missed_nothing: bool) {
        if !std::mem::take(&mut self.away) || missed_nothing {
            return;
        }
        (self.level, self.phase, self.source) = (Level::Healthy, "waiting", Source::Cache);
        if let Some(ladder) = &mut self.ladder {
            ladder.distrust();
        }
    }

    /// The state in a word: the book's where there is one and its line stands, else what the line does.
    pub(crate) fn state(&self) -> (Tone, &'static str) {
        match &self.ladder {
            _ if self.away => (Tone::Bad, "away"),
            _ if self.phase == "rejected" => (Tone::Bad, "rejected"),
            Some(ladder) if self.level <= Level::Warning || self.phase == "live" => told(ladder.state()),
            _ => {
                let tone = match self.level {
                    Level::Healthy if self.phase == "live" => Tone::Good,
                    Level::Healthy | Level::Warning => Tone::Warning,
                    Level::Degraded | Level::Unhealthy | Level::Critical => Tone::Bad,
                };
                (tone, self.phase)
            }
        }
    }

    /// What is to be said about a topic that brings nothing and perhaps never will.
    pub(crate) fn remark(&self, now: u64) -> Option<String> {
        if self.phase == "rejected" {
            return Some(format!("rejected; is the symbol right? {}", self.reason.trim_end_matches('.')));
        }
        if self.phase == "quarantined" {
            return Some(self.reason.trim_end_matches('.').to_owned());
        }
        let since = self.connected.filter(|_| self.seen.is_none() && self.phase == "live" && !self.away)?;
        (now.saturating_sub(since) >= NOTHING)
            .then(|| "nothing has come yet; is the symbol right?".to_owned())
    }

    /// How its age is to be shown: a busy topic that pauses is remarkable.
    pub(crate) fn age_tone(&self, now: u64) -> Tone {
        let paused = self.seen.is_some_and(|seen| now.saturating_sub(seen) >= PAUSE);
        if paused && self.rate.mean(now) >= BUSY { Tone::Warning } else { Tone::Dim }
    }

    /// Where the data comes from, in a word.
    pub(crate) const fn source(&self) -> &'static str {
        match self.source {
            _ if self.away => "cache",
            Source::Live => "live",
            Source::Poll => "poll",
            Source::Repair => "repair",
            Source::Cache => "cache",
        }
    }
}
