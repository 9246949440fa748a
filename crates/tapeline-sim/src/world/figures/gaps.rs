//! Lost deltas of books: each is noticed, no wrong book is called live, and the book is soon right again.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::event::BookState;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;
use tapeline_venues::binance::Market;

use super::super::clock::{MS, SEC};
use super::between::{Between, house, is_true};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::exchange::Symbol;
use crate::rng::Rng;

/// Gaps in one life of a feed.
const EACH: u64 = 100;
/// Books of it.
const BOOKS: usize = 4;
/// Looks at the books after each gap.
const LOOKS: u64 = 10;

#[derive(Debug, Default)]
struct Found {
    gaps: u64,
    noticed: u64,
    looks: u64,
    wrong: u64,
    /// From the notice to the book that is right, without the time of the snapshot.
    waits: Samples,
    /// Books that became stale without a gap of theirs.
    others: u64,
    resyncs: u64,
}

pub(super) fn measure(gaps: u64, tell: Tell<'_>) -> Vec<Row> {
    let (mut one, mut two) = (Found::default(), Found::default());
    for seed in 0..gaps.div_ceil(EACH) {
        tell(seed * EACH, gaps);
        live(seed, EACH.min(gaps - seed * EACH), 1, &mut one);
    }
    for seed in 0..gaps.div_ceil(5).div_ceil(EACH) {
        live(1_000 + seed, EACH.min(gaps.div_ceil(5) - seed * EACH), 2, &mut two);
    }
    vec![
        Row::at_least("gaps of one line", one.gaps as f64, gaps as f64, ""),
        Row::at_least("noticed", one.noticed as f64, one.gaps as f64, ""),
        Row::at_least("looks at books", one.looks as f64, (gaps * LOOKS) as f64, ""),
        Row::at_most("wrong books called live", one.wrong as f64, 0.0, ""),
        Row::at_most("until it is right, beside the snapshot, p99", one.waits.percentile(99), 1.0, "s"),
        Row::at_most("other books touched", one.others as f64, 0.0, ""),
        Row::told("A/B: gaps of one line", two.gaps.to_string()),
        Row::at_most("A/B: books synchronised anew", two.resyncs as f64, 0.0, ""),
        Row::at_most("A/B: wrong books called live", two.wrong as f64, 0.0, ""),
    ]
}

fn live(seed: u64, gaps: u64, lines: u8, found: &mut Found) {
    let config = FeedConfig { lines, ..FeedConfig::default() };
    let far = Between::new(house(seed, BOOKS, 20), lines > 1);
    let mut rig = Rig::new(far, Market::Spot, config, usual_way(seed), seed);
    let symbols: Vec<String> = Symbol::ten(false).into_iter().take(BOOKS).map(|symbol| symbol.name).collect();
    let topics: Vec<Topic> =
        symbols.iter().filter_map(|name| format!("binance:book:{name}").parse().ok()).collect();
    rig.read(topics.clone());
    let mut dice = Rng::new(seed, 113);
    rig.run(20 * SEC);
    let resyncs = |rig: &mut Rig<Between>| rig.feed.status(rig.time()).resyncs.values().sum::<u64>();
    let before = resyncs(&mut rig);
    for _ in 0..gaps {
        let place = dice.below(BOOKS as u64) as usize;
        let side = dice.below(u64::from(lines)) as usize;
        let turned = rig.notes.turns.len();
        rig.far.lose = Some((side, symbols[place].to_lowercase()));
        let lost = rig.until(rig.now + 10 * SEC, |rig| rig.far.lose.is_none());
        found.gaps += u64::from(lost);
        let at = rig.now;
        for _ in 0..LOOKS {
            rig.run(rig.now + dice.below(SEC / MS) * MS);
            found.looks += topics.len() as u64 / BOOKS as u64;
            found.wrong += wrong(&rig, &topics);
        }
        rig.run(at + 12 * SEC);
        weigh(&rig, turned, &topics[place], found);
    }
    found.resyncs += resyncs(&mut rig) - before;
}

/// What became of one gap.
fn weigh(rig: &Rig<Between>, turned: usize, topic: &Topic, found: &mut Found) {
    let turns = &rig.notes.turns[turned..];
    found.others += turns.iter().filter(|(_, other, live)| other != topic && !live).count() as u64;
    let mut own = turns.iter().filter(|(_, other, _)| other == topic);
    let Some((broke, ..)) = own.find(|(_, _, live)| !live) else { return };
    found.noticed += 1;
    let Some((right, ..)) = own.find(|(_, _, live)| *live) else { return found.waits.add(12 * SEC) };
    let snapshot = rig.notes.fetched.iter().rev().find(|(sent, _)| sent >= broke && sent <= right);
    found.waits.add((right - broke).saturating_sub(snapshot.map_or(0, |(sent, came)| came - sent)));
}

/// Books that are called live and are not the venue's.
fn wrong(rig: &Rig<Between>, topics: &[Topic]) -> u64 {
    let is_wrong = |topic: &&Topic| {
        let shown = rig.feed.peek(rig.time(), topic).and_then(|peek| peek.snapshot);
        match shown.as_ref().map(|update| &update.data) {
            Some(Data::Book(book)) if book.state == BookState::Live => !is_true(&rig.far.house, topic, book),
            _ => false,
        }
    };
    topics.iter().filter(is_wrong).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_delta_is_noticed_and_mended() {
        super::super::assert_holds(&measure(20, &|_, _| {}));
    }
}
