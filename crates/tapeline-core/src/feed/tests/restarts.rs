//! Ids far below the last one: a venue that has started over, or only a line that is behind.

use super::toy::{Bench, SECOND, live};
use crate::data::update::Data;
use crate::feed::{Action, Command};
use crate::outbox::Outbox;
use crate::venue::LineId;

/// The ids of the quotes that a reader got.
fn quotes(outbox: &mut Outbox) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Quote(quote) = &update.data {
            ids.extend(quote.venue_id);
        }
    }
    ids
}

/// A second line is to take over from the only one, and carries the topic by now.
fn follower(bench: &mut Bench) -> LineId {
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 1);
    bench.collect();
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let heir = bench.open();
    assert!(!bench.accept(heir, 1).is_empty());
    heir
}

#[test]
fn quotes_without_a_time_do_not_go_back_when_a_line_is_left_to_one_that_is_behind_it() {
    let (mut bench, old, _who, mut outbox) = live("toy:quote:A");
    let heir = follower(&mut bench);
    for id in (100_000..116_000).step_by(500) {
        bench.hear(old, &format!("n A {id} 1"));
        bench.hear(heir, &format!("n A {} 1", id - 2_500));
        bench.pass(SECOND / 10);
    }
    assert_eq!(bench.feed.status(bench.now).rotations, 1);
    for id in (113_500..118_000).step_by(500) {
        bench.hear(heir, &format!("n A {id} 1"));
    }
    let told = quotes(&mut outbox);
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert_eq!(told.last(), Some(&117_500));

    // It has caught up, so that the next step back is the venue's.
    bench.hear(heir, "n A 5 1");
    assert_eq!(quotes(&mut outbox), [5]);
}

#[test]
fn the_ids_of_quotes_that_start_over_while_the_line_is_behind_are_believed_after_a_while() {
    let (mut bench, old, _who, mut outbox) = live("toy:quote:A");
    let heir = follower(&mut bench);
    bench.hear(old, "n A 100000 1");
    bench.hear(heir, "n A 97500 1");
    bench.pass(SECOND * 3);
    assert_eq!(bench.feed.status(bench.now).rotations, 1);
    bench.hear(heir, "n A 5 1");
    assert_eq!(quotes(&mut outbox), [100_000], "it may be the slower line's");
    for id in 6..16 {
        bench.pass(SECOND);
        bench.hear(heir, &format!("n A {id} 1"));
    }
    assert_eq!(quotes(&mut outbox), [12, 13, 14, 15]);
}
