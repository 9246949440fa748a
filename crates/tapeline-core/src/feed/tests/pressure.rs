//! What a feed gives up when memory runs short, and takes back.

use super::toy::{Bench, SECOND, live};
use crate::policy::pressure::Step;

fn flood(bench: &mut Bench, line: crate::venue::LineId, ids: std::ops::RangeInclusive<u64>) {
    for id in ids {
        bench.hear(line, &format!("t A {id} 1"));
    }
}

#[test]
fn logs_give_half_with_each_step_and_grow_again_when_all_is_calm() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    flood(&mut bench, line, 1..=20_000);
    let held = bench.feed.held_bytes();
    assert!(held > 500_000, "{held}");
    let mut most = held;
    for step in [Step::Shorten, Step::Refuse, Step::Cut] {
        bench.feed.press(step);
        most /= 2;
        let now = bench.feed.held_bytes();
        assert!(now <= most && now > most / 8, "{step:?}: {now} of {held}");
    }
    let low = bench.feed.held_bytes();
    for (from, step) in [(20_001, Step::Cut), (40_001, Step::Refuse), (60_001, Step::Shorten)] {
        bench.feed.press(step);
        flood(&mut bench, line, from..=from + 19_999);
        assert!(bench.feed.held_bytes() <= most * 9 / 8, "{step:?}: {} of {low}", bench.feed.held_bytes());
    }
    bench.feed.press(Step::Calm);
    for round in 0..40 {
        bench.feed.sweep(bench.now, false);
        let from = 80_001 + round * 1_000;
        flood(&mut bench, line, from..=from + 999);
    }
    bench.pass(SECOND / 100);
    assert!(bench.feed.held_bytes() > 2 * most, "{} after {most}", bench.feed.held_bytes());
}

#[test]
fn two_steps_at_once_give_as_much_as_one_after_the_other() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    flood(&mut bench, line, 1..=20_000);
    let held = bench.feed.held_bytes();
    bench.feed.press(Step::Cut);
    assert!(bench.feed.held_bytes() <= held / 8, "{} of {held}", bench.feed.held_bytes());
}
