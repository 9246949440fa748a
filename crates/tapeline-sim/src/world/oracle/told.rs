//! What readers are told, judged as it reaches them.

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Gap, Kind, Shared, Source, Update};

use super::seen::Seen;
use super::truth::Truth;
use super::{Oracle, Oracles, Sight, Watch, content};
use crate::house::House;

use super::super::clock::SEC;

/// Missed events are waited for for half a minute, and a breaker may have been open for as long before.
const PATIENCE: u64 = 70 * SEC;

impl Oracles {
    /// An update reached a reader of house `at`.
    pub(crate) fn delivered(&mut self, now: u64, reader: usize, at: usize, house: &House, update: &Shared) {
        let Some(sight) = self.sights[reader].get_mut(&update.topic) else {
            let words = format!("reader {reader} gets {}, which it does not read", update.topic.as_str());
            return self.object(Oracle::Order, words);
        };
        let seen = Seen::from(&**update);
        let told = |words: String| format!("reader {reader}, {}: {words}", update.topic.as_str());
        if let Err(words) = sight.place.judge(&seen) {
            return self.object(Oracle::Order, told(words));
        }
        sight.take(now, update);
        let symbol = update.topic.symbol();
        let Some(truth) = self.truths[at].get_mut(&*symbol) else { return };
        if matches!(seen.data, Data::Book(_) | Data::Quote(_)) {
            truth.follow(house, &symbol);
        }
        if let Err(words) = sight.is_newer(update, truth) {
            return self.object(Oracle::Authority, told(words));
        }
        let found = match seen.data {
            Data::Book(book) => {
                let found = match update.topic.channel() {
                    Channel::Depth => sight.shallow.judge(update, book, truth),
                    _ => sight.copy.judge(&seen, truth.scales, &truth.ledger, &mut truth.range),
                };
                found.map_err(|words| (Oracle::BookTruth, words))
            }
            Data::Empty {} | Data::Status(_) | Data::Gap(_) => Ok(()),
            _ if self.right.holds(update) => Ok(()),
            _ => {
                let published = (&self.published[at], sight.stream);
                let found = content::judge(update, house, truth, published);
                self.right.add(update);
                // A snapshot of a state may show what was polled when a line serves again.
                let polled = is_polled_alone(seen.data) && (update.source == Source::Poll || found.is_err());
                if polled && (update.source != Source::Live || update.kind == Kind::Snapshot) {
                    let told = self.watches[at].polled.judge(&update.topic, seen.data);
                    told.map_err(|words| (Oracle::Accounting, format!("{words}; delivered: {:?}", seen.data)))
                } else {
                    found
                }
            }
        };
        if let Err((oracle, words)) = found {
            return self.object(oracle, told(words));
        }
        if matches!(seen.data, Data::Trade(_) | Data::AggTrade(_) | Data::Gap(_)) {
            let trades = update.topic.channel() == Channel::Trade;
            let unused = |id: u64| {
                let real = house.trades(&symbol, id.saturating_sub(1)).and_then(|mut all| all.next());
                trades && real.is_none_or(|real| real.id != id || real.lots == 0)
            };
            if let Err(words) = sight.account.judge(&seen, unused) {
                self.object(Oracle::Accounting, told(words));
            }
        }
    }

    /// Ids were declared missing of a topic whose missed events the venue keeps.
    pub(crate) fn declared(&mut self, now: u64, host: usize, topic: &Topic, gap: &Gap) {
        if !self.watches[host].rest_serves(now) {
            return;
        }
        let (from, to, name) = (gap.from, gap.to, topic.as_str());
        let words =
            format!("host {host}: {from} to {to} of {name} are declared, and REST would have told them");
        self.object(Oracle::Accounting, words);
    }
}

/// Whether REST tells it in other words than the streams.
const fn is_polled_alone(data: &Data) -> bool {
    matches!(data, Data::Ticker(_) | Data::MiniTicker(_) | Data::Candle(_) | Data::MarkPrice(_))
}

impl Watch {
    /// Whether REST has lately told at once what it was asked.
    pub(crate) fn rest_serves(&self, now: u64) -> bool {
        now >= self.rest_hurt + PATIENCE && !self.pace.is_spent(now) && now >= self.away.over() + PATIENCE
    }
}

/// Where what came last came from: what is asked for over REST lets go what a line had told and was held back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Came {
    pub(crate) at: u64,
    live: bool,
    poll: bool,
}

impl Came {
    fn note(&mut self, now: u64, source: Source) {
        if now > self.at {
            *self = Self { at: now, ..Self::default() };
        }
        self.live |= source == Source::Live;
        self.poll |= source == Source::Poll;
    }

    /// Where it came from, if that is not what it is said to come from; `dialled` is when the oldest open connection
    /// that carries it was dialled.
    pub(crate) fn belies(&self, said: Source, dialled: Option<u64>) -> Option<Source> {
        // What came while no line could bring it had been held back, and REST showed that nothing was missed before it.
        let brought = dialled.is_some_and(|dialled| dialled < self.at);
        match said {
            // While a line is tried both may bring it.
            Source::Live if self.poll && !self.live && dialled.is_none() => Some(Source::Poll),
            Source::Poll if self.live && !self.poll && brought => Some(Source::Live),
            _ => None,
        }
    }
}

impl Sight {
    /// Notes what came, and from where.
    fn take(&mut self, now: u64, update: &Update) {
        match &update.data {
            Data::Status(status) => {
                self.level = Some(status.level);
                self.source = (status.source, now);
            }
            Data::Empty {} => {}
            data => {
                self.flow.pass(now, self.data_at);
                (self.data_at, self.unanswered) = (now, None);
                if !matches!(data, Data::Gap(_)) && !update.late {
                    self.came.note(now, update.source);
                }
            }
        }
    }

    /// Whether a state that was polled is as new as what was streamed.
    fn is_newer(&mut self, update: &Update, truth: &Truth) -> Result<(), String> {
        let id = match &update.data {
            Data::Quote(quote) => quote.venue_id,
            Data::Book(book) if book.venue_id.is_some() => book.venue_id,
            Data::Ticker(_) | Data::MiniTicker(_) | Data::Candle(_) | Data::MarkPrice(_) => None,
            _ => return Ok(()),
        };
        let streamed = match update.source {
            Source::Live => true,
            Source::Poll => false,
            Source::Repair | Source::Cache => return Ok(()),
        };
        if streamed && id.is_some_and(|id| id > truth.ledger.newest()) {
            // From before the ids started over.
            return Ok(());
        }
        self.streamed.pass(streamed, id, update.time.map(|time| time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_said_to_come_from_where_it_comes() {
        let check = |came: &[(u64, Source)], said, dialled, expected| {
            let mut seen = Came::default();
            came.iter().for_each(|(at, source)| seen.note(*at, *source));
            assert_eq!(seen.belies(said, dialled), expected, "{came:?} {said:?}");
        };
        let (live, poll) = (Source::Live, Source::Poll);
        check(&[], poll, None, None);
        check(&[(1, live)], live, Some(0), None);
        check(&[(1, live)], poll, Some(0), Some(live));
        check(&[(1, poll), (2, live)], poll, Some(0), Some(live));
        check(&[(1, poll)], live, None, Some(poll));
        check(&[(1, poll)], live, Some(0), None);
        // What a line had told was held back behind what was polled.
        check(&[(1, live), (2, poll), (2, live)], poll, Some(0), None);
        check(&[(2, poll), (3, Source::Repair)], live, None, None);
        // It was held back behind an id that belongs to no event: the poll brings nothing of its own.
        check(&[(2, live)], poll, None, None);
        check(&[(2, live)], poll, Some(3), None);
    }
}
