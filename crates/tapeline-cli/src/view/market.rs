//! One row per symbol, put together from its quote, trade and book topics; where two venues have it, the second
//! one's price and book stand beside those of the first.

use tapeline_core::data::channel::Channel;

use super::Board;
use super::number::{age, count, difference, rate, rough};
use super::row::Row;
use super::table::{self, Column, Field};
use super::text::{Line, Tone};

/// One symbol of one venue, over all its topics.
#[derive(Debug, Default)]
struct Figures {
    rate: f64,
    updates: u64,
    gaps: u64,
    seen: Option<u64>,
    /// Indices of rows.
    trade: Option<usize>,
    book: Option<usize>,
    quote: Option<usize>,
    /// The row that gives the best bid and ask.
    top: Option<usize>,
}

/// The columns; those marked belong to the second venue.
const COLUMNS: &[(Column, bool)] = &[
    (Column { name: "SYMBOL", right: false, spare: 0, least: 8 }, false),
    (Column { name: "BID", right: true, spare: 0, least: 9 }, false),
    (Column { name: "ASK", right: true, spare: 0, least: 9 }, false),
    (Column { name: "SPREAD", right: true, spare: 3, least: 8 }, false),
    (Column { name: "LAST", right: true, spare: 2, least: 9 }, false),
    (Column { name: "SIZE", right: true, spare: 6, least: 8 }, false),
    (Column { name: "FUTURES", right: true, spare: 1, least: 9 }, true),
    (Column { name: "TRADES/S", right: true, spare: 5, least: 0 }, false),
    (Column { name: "RATE/S", right: true, spare: 4, least: 0 }, false),
    (Column { name: "TRADES", right: true, spare: 7, least: 7 }, false),
    (Column { name: "AGE", right: true, spare: 0, least: 4 }, false),
    (Column { name: "BOOK", right: false, spare: 0, least: 9 }, false),
    (Column { name: "FUTURES", right: false, spare: 0, least: 9 }, true),
];

impl Board {
    /// One line of text per symbol: the top of its book, its last trade, its counts.
    pub(crate) fn summaries(&mut self, now: u64) -> Vec<String> {
        let symbols = self.symbols();
        symbols.iter().map(|symbol| self.summary(symbol, now)).collect()
    }

    fn summary(&mut self, symbol: &str, now: u64) -> String {
        let (figures, second) = self.both(symbol, now);
        let row = |at: Option<usize>| at.map(|at| &self.rows[at]);
        let mut text = format!("{symbol:<10}");
        if let Some(top) = row(figures.top) {
            let (bid, ask) = (top.price_text(top.price), top.price_text(top.ask));
            text.push_str(&format!(" bid {bid} ask {ask} size {}", top.size_text()));
        }
        if let Some(trade) = row(figures.trade).filter(|trade| trade.price.is_some()) {
            let (price, size, count) = (trade.price_text(trade.price), trade.size_text(), trade.rate.total());
            text.push_str(&format!(" last {price} size {size} trades {count}"));
        }
        let (mut updates, mut gaps) = (figures.updates, figures.gaps);
        if let Some(second) = second {
            (updates, gaps) = (updates + second.updates, gaps + second.gaps);
            if let Some(top) = row(second.top) {
                text.push_str(&format!(" futures {} {}", top.price_text(top.price), top.state().1));
            }
        }
        text.push_str(&format!(" updates {updates} gaps {gaps}"));
        if let Some(book) = row(figures.book) {
            text.push_str(&format!(" book {}", book.state().1));
        }
        text
    }

    pub(super) fn by_symbol(&mut self, now: u64, columns: usize) -> Vec<Line> {
        let two = self.venues().len() > 1;
        let shown: Vec<bool> = COLUMNS.iter().map(|(_, second)| two || !second).collect();
        let kept = |index: &usize| shown[*index];
        let headings: Vec<Column> = (0..COLUMNS.len()).filter(kept).map(|index| COLUMNS[index].0).collect();
        let symbols = self.symbols();
        let mut rows = Vec::with_capacity(symbols.len());
        for symbol in &symbols {
            let fields = self.symbol_fields(symbol, now);
            let fields = fields.into_iter().enumerate().filter(|(index, _)| kept(index));
            rows.push(fields.map(|(_, field)| field).collect::<Vec<Field>>());
        }
        table::draw(&headings, &rows, columns)
    }

    /// The symbols, in the order in which they came.
    fn symbols(&self) -> Vec<String> {
        let mut symbols: Vec<String> = Vec::new();
        for row in &self.rows {
            let symbol = row.topic.symbol();
            if !symbols.iter().any(|known| *known == symbol) {
                symbols.push(symbol.into_owned());
            }
        }
        symbols
    }

    /// The venues, in the order in which they came.
    fn venues(&self) -> Vec<String> {
        let mut venues: Vec<String> = Vec::new();
        for row in &self.rows {
            if !venues.iter().any(|known| known == row.topic.venue()) {
                venues.push(row.topic.venue().to_owned());
            }
        }
        venues
    }

    /// A symbol at the first venue, and at the second one.
    fn both(&mut self, symbol: &str, now: u64) -> (Figures, Option<Figures>) {
        let venues = self.venues();
        let first = venues.first().map(String::as_str).unwrap_or_default();
        let figures = self.figures((first, symbol), now);
        (figures, venues.get(1).map(|second| self.figures((second, symbol), now)))
    }

    /// What is known of one symbol of a venue from all its topics.
    fn figures(&mut self, (venue, symbol): (&str, &str), now: u64) -> Figures {
        let mut figures = Figures::default();
        let of = |row: &Row| row.topic.venue() == venue && row.topic.symbol() == symbol;
        for (at, row) in self.rows.iter_mut().enumerate().filter(|(_, row)| of(row)) {
            figures.rate += row.rate.per_second(now);
            figures.updates += row.rate.total();
            figures.gaps += row.gaps;
            figures.seen = figures.seen.max(row.seen);
            match row.topic.channel() {
                Channel::Trade => figures.trade = Some(at),
                Channel::Book => figures.book = Some(at),
                Channel::Quote => figures.quote = Some(at),
                _ => {}
            }
        }
        // The top of the book is the better quote: it is verified.
        let book = figures.book.filter(|&at| self.rows[at].price.is_some());
        figures.top = book.or(figures.quote);
        figures
    }

    /// One field per column.
    fn symbol_fields(&mut self, symbol: &str, now: u64) -> Vec<Field> {
        let (figures, second) = self.both(symbol, now);
        let second = second.unwrap_or_default();
        let trades = figures.trade.map_or(0.0, |at| self.rows[at].rate.per_second(now));
        let row = |at: Option<usize>| at.map(|at| &self.rows[at]);
        let (top, trade, futures) = (row(figures.top), row(figures.trade), row(second.top));
        let tone = |row: Option<&Row>| row.map_or(Tone::Plain, |row| row.tone(now));
        let state = |figures: &Figures| {
            let found = row(figures.book.or(figures.top)).map(Row::state);
            found.map_or((Tone::Dim, String::new()), |(tone, word)| (tone, format!("● {word}")))
        };
        let text = |row: Option<&Row>, price: fn(&Row) -> Option<_>| {
            row.map(|row| row.price_text(price(row))).unwrap_or_default()
        };
        // The book and the trades of a symbol pause together; the youngest of them tells its age.
        let youngest =
            [figures.trade, figures.book, figures.quote].into_iter().flatten().map(|at| &self.rows[at]);
        let youngest = youngest.max_by_key(|row| row.seen);
        let paused = youngest.map_or(Tone::Dim, |row| row.age_tone(now));
        vec![
            (Tone::Strong, symbol.to_owned()),
            (tone(top), text(top, |row| row.price)),
            (tone(top), text(top, |row| row.ask)),
            (Tone::Dim, top.and_then(spread).unwrap_or_default()),
            (tone(trade), text(trade, |row| row.price)),
            (Tone::Plain, trade.map(Row::size_text).unwrap_or_default()),
            (tone(futures), text(futures, |row| row.price)),
            (Tone::Dim, rate(trades)),
            (Tone::Dim, rate(figures.rate + second.rate)),
            (Tone::Dim, trade.map(|row| count(row.rate.total())).unwrap_or_default()),
            (paused, figures.seen.map_or("–".to_owned(), |seen| age(now.saturating_sub(seen)))),
            state(&figures),
            state(&second),
        ]
    }
}

/// The spread in hundredths of a percent of the price.
fn spread(top: &Row) -> Option<String> {
    let (bid, ask) = (top.price?, top.ask?);
    let points = rough(difference(ask, bid)?) / rough(bid) * 10_000.0;
    points.is_finite().then(|| format!("{points:.1} bp"))
}
