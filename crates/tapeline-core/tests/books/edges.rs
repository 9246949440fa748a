//! Every edge of synchronisation, by name.

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Level;

use super::dec;
use super::rig::{check, futures, spot};

#[test]
fn first_event_begins_right_after_the_snapshot() {
    spot(&[
        ("delta 11..12", "buffered syncing"),
        ("snapshot 10", "synced 12 live"),
        ("delta 13..13", "applied 13 live"),
    ]);
}

#[test]
fn first_event_straddles_the_snapshot() {
    spot(&[("delta 8..12", "buffered syncing"), ("snapshot 10", "synced 12 live")]);
    spot(&[("delta 10..12", "buffered syncing"), ("snapshot 10", "synced 12 live")]);
}

#[test]
fn events_up_to_the_snapshot_are_dropped() {
    let rig = spot(&[
        ("delta 5..8", "buffered syncing"),
        ("delta 9..10", "buffered syncing"),
        ("delta 11..12", "buffered syncing"),
        ("snapshot 10", "synced 12 live"),
    ]);
    let prices: Vec<Decimal> = rig.book.bids().iter().map(|level| level.price).collect();
    // 995 = 1000 - 12 % 7; those of 8 and 10 are the snapshot's business.
    assert_eq!(prices, [dec("995"), dec("900"), dec("800")]);
}

#[test]
fn an_event_ending_exactly_at_the_snapshot_proves_it() {
    spot(&[
        ("delta 5..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("delta 11..11", "applied 11 live"),
    ]);
    spot(&[
        ("snapshot 10", "held syncing"),
        ("delta 5..10", "synced 10 live"),
        ("delta 11..11", "applied 11 live"),
    ]);
}

#[test]
fn a_snapshot_older_than_the_buffer_keeps_the_buffer_and_is_asked_for_again() {
    spot(&[
        ("delta 11..12", "buffered syncing"),
        ("wants", "first"),
        ("sent", "- syncing"),
        ("wants", "nothing"),
        ("delta 13..13", "buffered syncing"),
        ("snapshot 9", "discarded(old) syncing"),
        ("wants", "old"),
        ("delta 14..15", "buffered syncing"),
        ("snapshot 9", "discarded(old) syncing"),
        ("snapshot 11", "synced 15 live"),
    ]);
}

#[test]
fn a_snapshot_newer_than_the_buffer_waits_for_the_event_that_reaches_it() {
    spot(&[
        ("delta 5..6", "buffered syncing"),
        ("snapshot 10", "held syncing"),
        ("wants", "nothing"),
        ("delta 7..9", "buffered syncing"),
        ("delta 10..11", "synced 11 live"),
        ("delta 12..12", "applied 12 live"),
    ]);
}

#[test]
fn a_snapshot_that_the_next_event_leaves_behind_is_asked_for_again() {
    spot(&[
        ("snapshot 10", "held syncing"),
        ("delta 12..14", "buffered syncing"),
        ("wants", "old"),
        ("snapshot 11", "synced 14 live"),
    ]);
}

#[test]
fn the_first_delta_is_waited_for_but_not_for_ever() {
    spot(&[
        ("wants", "nothing"),
        ("open", "- syncing"),
        ("wants", "nothing"),
        ("wait 1999", "- syncing"),
        ("wants", "nothing"),
        ("wait 1", "- syncing"),
        ("wants", "first"),
    ]);
    spot(&[("open", "- syncing"), ("delta 11..12", "buffered syncing"), ("wants", "first")]);
}

#[test]
fn a_quiet_book_is_unverified_until_a_delta_proves_it() {
    spot(&[
        ("open", "- syncing"),
        ("snapshot 10", "held syncing"),
        ("wait 1999", "- syncing"),
        ("wait 1", "synced 10 unverified"),
        ("delta 11..12", "applied 12 live"),
    ]);
    spot(&[
        ("open", "- syncing"),
        ("snapshot 10", "held syncing"),
        ("wait 2000", "synced 10 unverified"),
        ("delta 13..14", "broken(gap: expected 11, got 13) stale"),
    ]);
}

#[test]
fn a_snapshot_that_a_running_stream_does_not_reach_is_of_no_use() {
    spot(&[
        ("delta 5..6", "buffered syncing"),
        ("snapshot 1000", "held syncing"),
        ("delta 7..8", "buffered syncing"),
        ("wait 2000", "discarded(old) syncing"),
        ("wants", "old"),
        ("snapshot 7", "synced 8 live"),
    ]);
}

#[test]
fn a_gap_breaks_the_book_at_once_and_the_new_deltas_are_kept() {
    spot(&[
        ("delta 11..12", "buffered syncing"),
        ("snapshot 10", "synced 12 live"),
        ("delta 14..15", "broken(gap: expected 13, got 14) stale"),
        ("wants", "gap"),
        ("delta 16..16", "buffered stale"),
        ("snapshot 12", "discarded(old) stale"),
        ("snapshot 13", "synced 16 live"),
        ("delta 17..17", "applied 17 live"),
    ]);
}

#[test]
fn the_old_book_stays_readable_while_broken() {
    let mut rig = spot(&[("delta 11..12", "buffered syncing"), ("snapshot 10", "synced 12 live")]);
    let before: Vec<Level> = rig.book.bids().iter().collect();
    check(
        &mut rig,
        &[("delta 14..15", "broken(gap: expected 13, got 14) stale"), ("delta 16..16", "buffered stale")],
    );
    assert_eq!(rig.book.bids().iter().collect::<Vec<_>>(), before);
    assert_eq!(rig.book.data().venue_id, None);
}

#[test]
fn repeated_and_old_deltas_change_nothing() {
    let rig = spot(&[
        ("delta 11..12", "buffered syncing"),
        ("delta 11..12", "ignored syncing"),
        ("snapshot 10", "synced 12 live"),
        ("delta 11..12", "ignored 12 live"),
        ("delta 3..4", "ignored 12 live"),
        ("delta 13..14", "applied 14 live"),
        ("delta 13..14", "ignored 14 live"),
    ]);
    let counters = rig.book.counters();
    assert_eq!((counters.applied, counters.ignored, counters.gaps), (2, 4, 0));
}

#[test]
fn a_second_line_that_batches_differently_is_accepted_by_what_it_covers() {
    spot(&[
        ("delta 11..12", "buffered syncing"),
        ("snapshot 10", "synced 12 live"),
        ("delta 11..14", "applied 14 live"),
        ("delta 13..13", "ignored 14 live"),
        ("delta 14..16", "applied 16 live"),
    ]);
    futures(&[
        ("delta 10>11..12", "buffered syncing"),
        ("snapshot 10", "synced 12 live"),
        ("delta 10>11..14", "applied 14 live"),
        ("delta 12>13..13", "ignored 14 live"),
    ]);
}

#[test]
fn two_swapped_deltas_break_the_book_once() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("delta 12..12", "broken(gap: expected 11, got 12) stale"),
        ("delta 11..11", "ignored stale"),
        ("delta 13..13", "buffered stale"),
        ("snapshot 12", "synced 13 live"),
    ]);
}

#[test]
fn a_hole_between_buffered_deltas_begins_the_buffer_anew() {
    let rig = spot(&[
        ("delta 11..12", "buffered syncing"),
        ("delta 14..15", "buffered syncing"),
        ("snapshot 12", "discarded(old) syncing"),
        ("snapshot 13", "synced 15 live"),
    ]);
    assert_eq!(rig.book.counters().gaps, 1);
}

#[test]
fn a_restart_of_the_ids_is_no_repeat() {
    spot(&[
        ("delta 50000..50001@1", "buffered syncing"),
        ("snapshot 50000", "synced 50001 live"),
        ("delta 1..1@2", "broken(restart: expected 50002, got 1) stale"),
        ("delta 2..2@3", "buffered stale"),
        ("snapshot 1", "synced 2 live"),
        ("delta 3..3@4", "applied 3 live"),
    ]);
}

#[test]
fn a_restart_of_the_ids_is_seen_while_buffering() {
    spot(&[
        ("delta 50000..50001@1", "buffered syncing"),
        ("delta 1..2@2", "buffered syncing"),
        ("snapshot 60000", "held syncing"),
        ("delta 3..4@3", "buffered syncing"),
        ("wait 2000", "discarded(old) syncing"),
        ("snapshot 2", "synced 4 live"),
    ]);
}

#[test]
fn an_old_delta_with_an_old_time_is_a_repeat_however_far_back() {
    spot(&[
        ("delta 50000..50001@9", "buffered syncing"),
        ("snapshot 50000", "synced 50001 live"),
        ("delta 1..1@8", "ignored 50001 live"),
        ("delta 2..2@9", "ignored 50001 live"),
    ]);
}

#[test]
fn deltas_behind_a_snapshot_that_is_far_ahead_are_no_restart() {
    futures(&[
        ("delta 100>200..1000@1", "buffered syncing"),
        ("snapshot 90000", "held syncing"),
        ("delta 1000>1200..5000@2", "buffered syncing"),
        ("delta 5000>5001..89000@3", "buffered syncing"),
        ("delta 89000>89500..90500@4", "synced 90500 live"),
    ]);
}

#[test]
fn a_run_of_old_deltas_without_times_is_a_restart() {
    let mut rig =
        spot(&[("delta 50000..50001", "buffered syncing"), ("snapshot 50000", "synced 50001 live")]);
    for id in 1..16 {
        check(&mut rig, &[(&format!("delta {id}..{id}"), "ignored 50001 live")]);
    }
    check(&mut rig, &[("delta 16..16", "broken(restart: expected 50002, got 16) stale")]);
}

#[test]
fn a_cut_book_goes_on_without_a_snapshot_if_nothing_was_missed() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("cut", "broken(cut: expected 11, got 0) stale"),
        ("wants", "nothing"),
        ("open", "- stale"),
        ("delta 10..10", "ignored stale"),
        ("delta 11..12", "synced 12 live"),
    ]);
}

#[test]
fn a_cut_book_that_missed_something_needs_a_snapshot() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("cut", "broken(cut: expected 11, got 0) stale"),
        ("cut", "- stale"),
        ("open", "- stale"),
        ("delta 12..13", "buffered stale"),
        ("wants", "cut"),
        ("snapshot 12", "synced 13 live"),
    ]);
}

#[test]
fn a_snapshot_that_arrives_while_the_line_is_cut_is_of_no_use() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("sent", "- syncing"),
        ("cut", "- syncing"),
        ("snapshot 10", "discarded(first) syncing"),
        ("open", "- syncing"),
        ("delta 11..11", "buffered syncing"),
        ("wants", "first"),
    ]);
}

#[test]
fn a_snapshot_without_a_level_is_of_no_use() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("empty 10", "discarded(corrupt) syncing"),
        ("wants", "first"),
        ("snapshot 10", "synced 10 live"),
        ("sent", "- 10 live"),
        ("empty 10", "discarded(corrupt) 10 live"),
        ("delta 11..11", "applied 11 live"),
    ]);
    futures(&[("empty 10", "discarded(corrupt) syncing")]);
}

#[test]
fn a_snapshot_older_than_the_book_at_the_cut_is_of_no_use() {
    spot(&[
        ("delta 9..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("cut", "broken(cut: expected 11, got 0) stale"),
        ("open", "- stale"),
        ("snapshot 8", "discarded(old) stale"),
        ("delta 12..12", "buffered stale"),
        ("snapshot 12", "synced 12 live"),
    ]);
}

#[test]
fn futures_chain_by_the_previous_id_only() {
    futures(&[
        ("delta 90>95..98", "buffered syncing"),
        ("delta 98>101..105", "buffered syncing"),
        ("snapshot 100", "synced 105 live"),
        ("delta 105>140..150", "applied 150 live"),
        ("delta 151>152..160", "broken(gap: expected 150, got 151) stale"),
        ("snapshot 151", "synced 160 live"),
    ]);
}

#[test]
fn the_first_futures_event_may_begin_after_the_snapshot() {
    futures(&[("delta 10>12..15", "buffered syncing"), ("snapshot 11", "synced 15 live")]);
    futures(&[("delta 10>12..15", "buffered syncing"), ("snapshot 10", "synced 15 live")]);
    futures(&[("delta 10>12..15", "buffered syncing"), ("snapshot 9", "discarded(old) syncing")]);
}

#[test]
fn the_first_futures_event_may_contain_the_snapshot_or_end_with_it() {
    futures(&[("delta 5>8..12", "buffered syncing"), ("snapshot 10", "synced 12 live")]);
    futures(&[("delta 5>8..10", "buffered syncing"), ("snapshot 10", "synced 10 live")]);
    futures(&[
        ("snapshot 10", "held syncing"),
        ("delta 5>8..10", "synced 10 live"),
        ("delta 10>12..13", "applied 13 live"),
    ]);
}

#[test]
fn a_futures_event_without_its_link_is_read_with_caution() {
    futures(&[
        ("delta 5>8..10", "buffered syncing"),
        ("snapshot 10", "synced 10 live"),
        ("delta 11..12", "applied 12 live"),
        ("delta 15..16", "broken(gap: expected 12, got 14) stale"),
    ]);
}
