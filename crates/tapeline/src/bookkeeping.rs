//! The ledgers in the event log: by the minute what came of a venue's events, and of each topic of which something had to
//! be fetched or was lost. So completeness can be computed from the log, without a line per topic and minute.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::data::ledger::Counts;
use tapeline_core::data::topic::Topic;
use tapeline_core::feed::FeedLedger;
use tapeline_core::time::Mono;

/// How often.
pub(crate) const EVERY: Duration = Duration::from_secs(60);
/// Topics told of at a time. Those left out are told of later, with all that has come of them until then.
const TOPICS: usize = 64;

/// What has come of events since the record before of the same entity. A column falls where what was lost came late
/// after all: then it moves from `lost` to `repaired`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LedgerChange {
    /// Ids that the venue must have given.
    pub expected: i64,
    /// Events that a line or polling brought, each once.
    pub received: i64,
    /// Further copies, dropped.
    pub duplicate: i64,
    /// Ids that no line brought and that were fetched, or came late.
    pub repaired: i64,
    /// Ids given up and not here.
    pub lost: i64,
    /// Events received of which nobody can tell whether others are missing between them.
    pub unverifiable: i64,
}

impl LedgerChange {
    fn between(before: &Counts, now: &Counts) -> Self {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let change = |column: fn(&Counts) -> u64| signed(column(now)).saturating_sub(signed(column(before)));
        Self {
            expected: change(|counts| counts.expected),
            received: change(|counts| counts.received),
            duplicate: change(|counts| counts.duplicate),
            repaired: change(|counts| counts.repaired),
            lost: change(|counts| counts.lost),
            unverifiable: change(|counts| counts.unverifiable),
        }
    }
}

/// What has been told of one venue's ledgers.
#[derive(Debug, Default)]
pub(crate) struct Books {
    due: Mono,
    total: Counts,
    /// Of the topics that were told of and still run.
    topics: BTreeMap<Topic, Counts>,
    /// Where among the topics it is begun next, so that none of them waits for ever.
    next: usize,
}

impl Books {
    /// When it is to be told again.
    pub(crate) const fn due(&self) -> Mono {
        self.due
    }

    /// What is to be told of a ledger: of the venue if anything has changed, and of the topics concerned.
    pub(crate) fn news(&mut self, now: Mono, ledger: &FeedLedger) -> Vec<(Box<str>, LedgerChange)> {
        self.due = now + EVERY;
        let mut news = Vec::new();
        if ledger.total != self.total {
            news.push(("venue".into(), LedgerChange::between(&self.total, &ledger.total)));
            self.total = ledger.total;
        }
        let all = &ledger.topics;
        let running: BTreeSet<&Topic> = all.iter().map(|one| &one.topic).collect();
        self.topics.retain(|topic, _| running.contains(topic));
        let mut next = self.next.checked_rem(all.len()).unwrap_or(0);
        let (before, after) = all.split_at(next);
        for one in after.iter().chain(before) {
            let told = self.topics.get(&one.topic).copied().unwrap_or_default();
            let counts = one.reading.total;
            // One that went and came back counts from the first again.
            let told = if counts.received < told.received { Counts::default() } else { told };
            if (counts.repaired, counts.lost) != (told.repaired, told.lost) {
                if news.len() > TOPICS {
                    break;
                }
                news.push((one.topic.as_str().into(), LedgerChange::between(&told, &counts)));
                self.topics.insert(one.topic.clone(), counts);
            }
            next += 1;
        }
        self.next = next;
        news
    }
}

#[cfg(test)]
mod tests {
    use tapeline_core::data::ledger::Reading;
    use tapeline_core::feed::TopicLedger;

    use super::*;

    fn counts(received: u64, repaired: u64, lost: u64) -> Counts {
        Counts { expected: received + repaired + lost, received, repaired, lost, ..Counts::default() }
    }

    fn ledger(topics: &[(usize, Counts)]) -> FeedLedger {
        let mut total = Counts::default();
        topics.iter().for_each(|(_, counts)| total += *counts);
        let topic = |(name, counts): &(usize, Counts)| TopicLedger {
            topic: Topic::parse(&format!("one:trade:T{name}")).unwrap(),
            verifiable: true,
            completeness: counts.completeness(),
            reading: Reading { total: *counts, minutes: Vec::new() },
        };
        let topics = topics.iter().map(topic).collect();
        FeedLedger { venue: "one", total, completeness: total.completeness(), topics }
    }

    fn told(books: &mut Books, topics: &[(usize, Counts)]) -> Vec<(String, i64, i64, i64)> {
        let news = books.news(Mono::default(), &ledger(topics));
        let row = |(entity, change): (Box<str>, LedgerChange)| {
            (entity.into_string(), change.received, change.repaired, change.lost)
        };
        news.into_iter().map(row).collect()
    }

    #[test]
    fn a_venue_is_told_of_when_anything_came_and_a_topic_when_something_was_missed() {
        let mut books = Books::default();
        let row = |entity: &str, received, repaired, lost| (entity.to_owned(), received, repaired, lost);
        assert_eq!(told(&mut books, &[(1, counts(5, 0, 0))]), [row("venue", 5, 0, 0)]);
        assert_eq!(told(&mut books, &[(1, counts(5, 0, 0))]), [], "nothing came");
        assert_eq!(
            told(&mut books, &[(1, counts(7, 1, 3)), (2, counts(4, 0, 0))]),
            [row("venue", 6, 1, 3), row("one:trade:T1", 7, 1, 3)],
            "with all that came of it before"
        );
        let late = [(1, counts(8, 3, 1)), (2, counts(4, 0, 0))];
        assert_eq!(
            told(&mut books, &late),
            [row("venue", 1, 2, -2), row("one:trade:T1", 1, 2, -2)],
            "what comes late is lost no more"
        );
    }

    #[test]
    fn a_thousand_topics_that_lose_something_at_once_are_told_of_by_and_by_and_none_is_left_out() {
        let mut books = Books::default();
        let mut seen: BTreeMap<String, i64> = BTreeMap::new();
        let (mut rounds, mut lost) = (0, 0);
        // A part of them loses something in every minute, and does not keep the others waiting for ever.
        while seen.len() < 1_001 {
            rounds += 1;
            let minute = |topic| counts(9, 0, if topic < 100 { rounds } else { 1 });
            let all: Vec<_> = (0..1_000).map(|topic| (topic, minute(topic))).collect();
            let news = told(&mut books, &all);
            assert!(news.len() <= 1 + TOPICS && rounds < 40, "{} in round {rounds}", news.len());
            for (entity, _, _, more) in news {
                *seen.entry(entity).or_default() += more;
            }
            lost = ledger(&all).total.lost;
        }
        assert_eq!(seen["venue"], lost.cast_signed());
        assert!(rounds >= 16 && seen["one:trade:T999"] == 1);
    }

    #[test]
    fn a_topic_that_went_and_came_back_counts_from_the_first_again() {
        let mut books = Books::default();
        let _ = told(&mut books, &[(1, counts(50, 0, 9))]);
        assert_eq!(told(&mut books, &[(1, counts(3, 0, 1))])[1], ("one:trade:T1".to_owned(), 3, 0, 1));
        let _ = told(&mut books, &[]);
        assert!(books.topics.is_empty(), "what is gone is forgotten");
    }
}
