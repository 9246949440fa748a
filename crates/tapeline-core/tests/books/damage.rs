//! Content that cannot be true, bounds that are passed, and snapshots beside a live book.

use tapeline_core::data::book::BookLimits;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Level;
use tapeline_core::venue::{Chain, Span};

use super::rig::{Rig, check, spot, touched};
use super::{dec, level};

#[test]
fn a_refresh_replays_what_came_meanwhile() {
    let mut rig = spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("ask", "- 10 live"),
        ("wants", "asked"),
        ("sent", "- 10 live"),
        ("wants", "nothing"),
        ("delta 11..11", "applied 11 live"),
        ("delta 12..12", "applied 12 live"),
        ("snapshot 11", "refreshed 12 live"),
        ("wants", "nothing"),
    ]);
    // The snapshot knows nothing of what 11 had set, but what 12 set stays.
    let (gone_bid, gone_ask) = touched(11);
    let changes = rig.book.take_changes();
    assert_eq!(changes.venue_id, Some(12));
    assert_eq!(changes.bids(), [Level { size: Decimal::ZERO, ..gone_bid }]);
    assert_eq!(changes.asks(), [Level { size: Decimal::ZERO, ..gone_ask }]);
    assert_eq!(rig.book.bids().get(touched(12).0.price), Some(dec("12")));
    assert!(rig.book.take_changes().levels.is_empty());
}

#[test]
fn a_refresh_older_than_the_live_book_is_discarded_and_the_book_stays() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("ask", "- 10 live"),
        ("sent", "- 10 live"),
        ("snapshot 9", "discarded(old) 10 live"),
        ("wants", "asked"),
        ("sent", "- 10 live"),
        ("failed", "- 10 live"),
        ("wants", "asked"),
        ("delta 11..11", "applied 11 live"),
    ]);
}

#[test]
fn a_refresh_ahead_of_the_stream_waits_for_it() {
    let rig = spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("ask", "- 10 live"),
        ("sent", "- 10 live"),
        ("snapshot 13", "held 10 live"),
        ("wants", "nothing"),
        ("delta 11..12", "applied 12 live"),
        ("delta 13..14", "applied+refreshed 14 live"),
        ("delta 15..15", "applied 15 live"),
    ]);
    // 14 lies behind the snapshot and is replayed on it; 12 is gone, for the snapshot has not got it.
    let held = [12, 14, 15].map(|last| rig.book.bids().get(touched(last).0.price));
    assert_eq!(held, [None, Some(dec("14")), Some(dec("15"))]);
}

#[test]
fn a_refresh_that_the_stream_never_reaches_is_given_up() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("ask", "- 10 live"),
        ("sent", "- 10 live"),
        ("snapshot 1000", "held 10 live"),
        ("delta 11..12", "applied 12 live"),
        ("wait 2000", "discarded(old) 12 live"),
        ("wants", "asked"),
    ]);
}

#[test]
fn a_gap_during_a_refresh_makes_its_snapshot_the_resync() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("ask", "- 10 live"),
        ("sent", "- 10 live"),
        ("delta 12..13", "broken(gap: expected 11, got 12) stale"),
        ("wants", "nothing"),
        ("snapshot 12", "synced 13 live"),
        ("wants", "nothing"),
    ]);
}

#[test]
fn a_book_that_goes_on_by_itself_takes_the_late_snapshot_as_a_refresh() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("cut", "broken(cut: expected 11, got 0) stale"),
        ("open", "- stale"),
        ("wait 2000", "- stale"),
        ("wants", "cut"),
        ("sent", "- stale"),
        ("delta 11..12", "synced 12 live"),
        ("delta 13..13", "applied 13 live"),
        ("snapshot 10", "refreshed 13 live"),
    ]);
}

#[test]
fn a_span_that_ends_before_it_begins_is_corrupt() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("delta 12..11", "broken(corrupt: expected 11, got 12) stale"),
        ("delta 13..12", "ignored stale"),
        ("delta 12..14", "buffered stale"),
        ("snapshot 13", "synced 14 live"),
    ]);
}

#[test]
fn a_full_buffer_gives_up_its_oldest_deltas() {
    let mut rig = Rig::new(Chain::Contiguous, BookLimits { buffer: 2, ..BookLimits::default() });
    check(
        &mut rig,
        &[
            ("delta 1..1", "buffered syncing"),
            ("delta 2..2", "buffered syncing"),
            ("delta 3..3", "buffered syncing"),
            ("snapshot 0", "discarded(old) syncing"),
            ("snapshot 1", "synced 3 live"),
        ],
    );
    assert_eq!(rig.book.counters().overflowed, 1);
    // Each delta has two levels: two of them pass this bound, and one alone passes the next.
    let mut rig = Rig::new(Chain::Contiguous, BookLimits { buffer_levels: 3, ..BookLimits::default() });
    check(
        &mut rig,
        &[
            ("delta 1..1", "buffered syncing"),
            ("delta 2..2", "buffered syncing"),
            ("snapshot 0", "discarded(old) syncing"),
            ("snapshot 1", "synced 2 live"),
        ],
    );
    let mut rig = Rig::new(Chain::Contiguous, BookLimits { buffer_levels: 1, ..BookLimits::default() });
    check(
        &mut rig,
        &[
            ("delta 1..1", "buffered syncing"),
            ("delta 2..2", "buffered syncing"),
            ("snapshot 1", "discarded(old) syncing"),
            ("snapshot 2", "synced 2 live"),
        ],
    );
}

/// A delta to `last` with these levels.
fn delta(rig: &mut Rig, last: u64, bids: &[Level], asks: &[Level]) -> String {
    let span = Span { first: last, last, previous: None };
    format!("{:?}", rig.book.delta(rig.now, None, span, bids, asks))
}

#[test]
fn a_crossed_book_is_corrupt_and_resynced_twice_a_minute_at_most() {
    let mut rig = spot(&[("delta 9..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    let told = delta(&mut rig, 11, &[level(2_100, 1)], &[]);
    assert_eq!(told, "Broken(Break { why: Corrupt, expected: 11, got: 11 })");
    check(
        &mut rig,
        &[
            ("wants", "corrupt"),
            ("delta 12..12", "buffered stale"),
            ("snapshot 10", "discarded(old) stale"),
            ("snapshot 11", "synced 12 live"),
            ("wait 1000", "- 12 live"),
        ],
    );
    assert!(delta(&mut rig, 13, &[], &[level(900, 1)]).contains("Corrupt"));
    check(
        &mut rig,
        &[
            ("wants", "nothing"),
            ("wait 28999", "- stale"),
            ("wants", "nothing"),
            ("wait 1", "- stale"),
            ("wants", "corrupt"),
        ],
    );
    assert_eq!(rig.book.counters().corrupt, 2);
}

#[test]
fn a_crossed_snapshot_is_not_believed() {
    let mut rig = spot(&[("delta 9..10", "buffered syncing")]);
    let outcome = rig.book.snapshot(rig.now, 10, &[level(5, 1)], &[level(5, 1)]);
    assert_eq!(format!("{outcome:?}"), "Discarded(Corrupt)");
    check(&mut rig, &[("wants", "corrupt"), ("snapshot 10", "synced 10 live")]);
}

#[test]
fn a_side_beyond_its_bound_or_a_negative_size_is_corrupt() {
    let mut rig = Rig::new(Chain::Contiguous, BookLimits { levels: 3, ..BookLimits::default() });
    check(&mut rig, &[("delta 9..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    assert!(delta(&mut rig, 11, &[level(1, 1), level(2, 1)], &[]).contains("Corrupt"));
    let mut rig = spot(&[("delta 9..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    assert!(delta(&mut rig, 11, &[level(1, -1)], &[]).contains("Corrupt"));
}

#[test]
fn the_last_of_two_equal_prices_in_one_delta_wins() {
    let mut rig = spot(&[("delta 9..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    delta(
        &mut rig,
        11,
        &[level(1_500, 1), level(1_500, 0), level(1_500, 7)],
        &[level(1_600, 2), level(1_600, 0)],
    );
    assert_eq!(rig.book.bids().best(), Some(level(1_500, 7)));
    assert_eq!(rig.book.asks().get(dec("1600")), None);
}

#[test]
fn removing_an_unknown_level_is_normal() {
    let mut rig = spot(&[("delta 9..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    let before = rig.book.data().levels;
    assert_eq!(delta(&mut rig, 11, &[level(555, 0)], &[level(5_555, 0)]), "Applied { refreshed: false }");
    assert_eq!(rig.book.data().levels, before);
}
