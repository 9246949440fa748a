//! The trust horizon: what a snapshot of limited depth covers, and what happens at its edge.

use tapeline_core::data::book::{BookLimits, BookSync, Outcome, Why};
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{BookState, Level};
use tapeline_core::time::Mono;
use tapeline_core::venue::{BookRule, Chain, Span};

use super::{dec, level};

const NOW: Mono = Mono(0);

/// A live book at id 10 whose snapshot holds `bids` and `asks` of at most 5 levels a side.
fn live(bids: &[Level], asks: &[Level]) -> BookSync {
    let mut book =
        BookSync::new(BookRule { chain: Chain::Contiguous, snapshot_levels: 5 }, BookLimits::default());
    let span = Span { first: 10, last: 10, previous: None };
    assert_eq!(book.delta(NOW, None, span, &[], &[]), Outcome::Buffered);
    assert_eq!(book.snapshot(NOW, 10, bids, asks), Outcome::Synced);
    book
}

/// Levels of size 1 at these prices.
fn at(prices: impl IntoIterator<Item = i64>) -> Vec<Level> {
    prices.into_iter().map(|price| level(price, 1)).collect()
}

/// Applies the next delta.
fn apply(book: &mut BookSync, bids: &[Level], asks: &[Level]) {
    let next = book.last_id().expect("a live book") + 1;
    let span = Span { first: next, last: next, previous: None };
    assert_eq!(book.delta(NOW, None, span, bids, asks), Outcome::Applied { refreshed: false });
}

fn removed(prices: impl IntoIterator<Item = i64>) -> Vec<Level> {
    prices.into_iter().map(|price| level(price, 0)).collect()
}

#[test]
fn a_full_side_is_covered_to_its_worst_price_and_a_short_one_wholly() {
    let book = live(&at([100, 99, 98, 97, 90]), &at([101, 102]));
    assert_eq!(book.horizon(), (Some(dec("90")), None));
    assert_eq!(book.wants_snapshot(NOW), None);
}

#[test]
fn a_refresh_is_wanted_when_a_fifth_of_the_range_is_left() {
    let mut book = live(&at([100, 99, 95, 92, 90]), &at([101]));
    apply(&mut book, &removed([100, 99, 95]), &[]);
    assert_eq!(book.wants_snapshot(NOW), None, "2 of 10 are left");
    apply(&mut book, &[level(91, 1), level(92, 0)], &[]);
    assert_eq!((book.wants_snapshot(NOW), book.state()), (Some(Why::Horizon), BookState::Live));
}

#[test]
fn a_top_beyond_the_edge_is_unverified_until_it_comes_back() {
    let mut book = live(&at([100, 99, 95, 92, 90]), &at([101]));
    apply(&mut book, &[level(80, 3)], &[]);
    assert_eq!(book.state(), BookState::Live, "a level beyond the edge is right, only not the whole truth");
    apply(&mut book, &removed([100, 99, 95, 92, 90]), &[]);
    assert_eq!((book.state(), book.wants_snapshot(NOW)), (BookState::Unverified, Some(Why::Horizon)));
    apply(&mut book, &[level(96, 1)], &[]);
    assert_eq!((book.state(), book.wants_snapshot(NOW)), (BookState::Live, None));
}

#[test]
fn an_emptied_side_is_beyond_its_edge_only_if_it_has_one() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101]));
    apply(&mut book, &[], &removed([101]));
    assert_eq!(book.state(), BookState::Live, "the venue's asks are known to be empty");
    apply(&mut book, &removed([100, 99, 98, 97, 96]), &[]);
    assert_eq!(book.state(), BookState::Unverified);
}

#[test]
fn a_refresh_widens_the_range_and_publishes_what_appeared() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101]));
    apply(&mut book, &[level(100, 0), level(99, 0), level(98, 0), level(70, 2)], &[]);
    book.expect_snapshot();
    apply(&mut book, &[level(95, 4)], &[]);
    let refreshed = [level(97, 1), level(96, 1), level(94, 8), level(93, 8), level(92, 8)];
    assert_eq!(book.snapshot(NOW, 11, &refreshed, &at([101])), Outcome::Refreshed);
    let changes = book.take_changes();
    assert_eq!((changes.bids(), changes.asks()), (&[level(94, 8), level(93, 8), level(92, 8)][..], &[][..]));
    assert_eq!((changes.venue_id, changes.state), (Some(12), BookState::Live));
    let bids = [97, 96, 95, 94, 93, 92, 70].map(|price| book.bids().get(price.into()).is_some());
    assert_eq!(bids, [true; 7], "levels of before, of the snapshot and of deltas are all there");
    assert_eq!(book.horizon(), (Some(dec("92")), None));
    assert_eq!(book.counters().disagreements, 0);
}

#[test]
fn snapshots_that_all_lag_behind_the_stream_refresh_a_live_book_at_the_second_try() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101]));
    apply(&mut book, &removed([100, 99, 98, 97, 96]), &[]);
    let shown = at([95, 94, 93, 92, 91]);
    book.expect_snapshot();
    apply(&mut book, &[level(90, 2)], &[]);
    assert_eq!(book.snapshot(NOW, 10, &shown, &at([101])), Outcome::Discarded(Why::Old));
    assert_eq!(book.state(), BookState::Unverified);
    apply(&mut book, &[level(89, 2)], &[]);
    book.expect_snapshot();
    apply(&mut book, &[level(88, 2)], &[]);
    // Asked for at 13, and older than that; but what came after 11 has been kept all along.
    assert_eq!(book.snapshot(NOW, 11, &shown, &at([101])), Outcome::Refreshed);
    assert_eq!((book.state(), book.last_id()), (BookState::Live, Some(14)));
    assert_eq!(book.bids().len(), 8);
    assert_eq!(book.counters().disagreements, 0);
    // A book that wants nothing keeps nothing.
    apply(&mut book, &[], &[]);
    assert_eq!(book.snapshot(NOW, 14, &shown, &at([101])), Outcome::Discarded(Why::Old));
}

#[test]
fn a_snapshot_ahead_of_a_delta_too_large_to_keep_is_of_no_use() {
    let rule = BookRule { chain: Chain::Contiguous, snapshot_levels: 5 };
    let mut book = BookSync::new(rule, BookLimits { buffer_levels: 2, ..BookLimits::default() });
    let span = |first, last| Span { first, last, previous: None };
    assert_eq!(book.delta(NOW, None, span(10, 10), &[], &[]), Outcome::Buffered);
    assert_eq!(book.snapshot(NOW, 10, &at([100]), &at([101])), Outcome::Synced);
    book.ask();
    book.expect_snapshot();
    assert_eq!(book.snapshot(NOW, 11, &at([100, 99]), &at([101])), Outcome::Held);
    // 99 came and went within the delta: at the word of the snapshot alone it would be back.
    let large = [level(98, 1), level(97, 1), level(99, 0)];
    assert_eq!(book.delta(NOW, None, span(11, 12), &large, &[]), Outcome::Applied { refreshed: false });
    assert_eq!(
        book.bids().iter().map(|level| level.price).collect::<Vec<_>>(),
        [100, 98, 97].map(Decimal::from)
    );
    assert_eq!(book.wants_snapshot(NOW), Some(Why::Asked));
}

#[test]
fn a_refresh_that_reaches_less_far_keeps_the_old_range() {
    let mut book = live(&at([100, 99, 98, 97, 90]), &at([101]));
    apply(&mut book, &at([104, 103, 102]), &at([105]).into_iter().chain(removed([101])).collect::<Vec<_>>());
    book.ask();
    assert_eq!(book.wants_snapshot(NOW), Some(Why::Asked));
    assert_eq!(book.snapshot(NOW, 11, &at([104, 103, 102, 100, 99]), &at([105])), Outcome::Refreshed);
    assert!(book.take_changes().levels.is_empty());
    assert_eq!(book.horizon().0, Some(dec("90")));
    assert_eq!(book.bids().len(), 8, "levels outside of the snapshot are kept");
    assert_eq!(book.counters().disagreements, 0);
}

#[test]
fn a_refresh_that_finds_a_trusted_level_wrong_says_so() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101, 102]));
    assert_eq!(
        book.snapshot(NOW, 10, &at([100, 99, 97, 96, 95]), &[level(101, 5), level(102, 1)]),
        Outcome::Refreshed
    );
    let changes = book.take_changes();
    assert_eq!((changes.bids(), changes.asks()), (&[level(98, 0), level(95, 1)][..], &[level(101, 5)][..]));
    assert_eq!(book.counters().disagreements, 2, "95 was never trusted");
}

#[test]
fn a_level_that_a_delta_told_of_is_trusted_beyond_the_edge() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101]));
    apply(&mut book, &[level(70, 2), level(60, 2)], &[]);
    assert_eq!(
        book.snapshot(
            NOW,
            11,
            &[level(100, 1), level(80, 1), level(70, 3), level(50, 1), level(40, 1)],
            &at([101])
        ),
        Outcome::Refreshed
    );
    assert_eq!(book.counters().disagreements, 6, "99 to 96 and 60 gone, 70 changed; 80, 50 and 40 are news");
}

#[test]
fn a_short_refresh_ends_the_horizon() {
    let mut book = live(&at([100, 99, 98, 97, 96]), &at([101]));
    book.ask();
    assert_eq!(book.snapshot(NOW, 10, &at([100, 99, 98, 97]), &at([101])), Outcome::Refreshed);
    assert_eq!(book.horizon(), (None, None));
    assert_eq!(book.bids().len(), 4, "96 is gone: the whole side was told");
}

#[test]
fn a_new_snapshot_after_a_gap_forgets_the_old_range() {
    let mut book = live(&at([100, 99, 98, 97, 90]), &at([101]));
    let span = Span { first: 12, last: 12, previous: None };
    assert!(matches!(book.delta(NOW, None, span, &[], &[]), Outcome::Broken(_)));
    assert_eq!(book.snapshot(NOW, 12, &at([100, 99, 98, 97, 96]), &at([101])), Outcome::Synced);
    assert_eq!(book.horizon(), (Some(dec("96")), None));
    assert_eq!(book.bids().len(), 5);
}
