//! By how much one line is behind the other is measured of whatever both carry.

use std::time::Duration;

use super::pair::pair;
use super::toy::Bench;

const STEP: Duration = Duration::from_millis(100);

/// The lag of each line.
fn lags(bench: &mut Bench) -> Vec<Option<Duration>> {
    bench.feed.status(bench.now).lines.iter().map(|line| line.stats.lag).collect()
}

/// Lets line A bring an event every tenth of a second, and line B the same half a second later.
fn late(topic: &str, event: impl Fn(u64) -> String) -> Vec<Option<Duration>> {
    let (mut bench, [a, b], _who, _outbox) = pair(topic);
    for id in 1..=50 {
        // What the venue says twice on one line tells nothing of the other.
        if id > 1 {
            bench.hear(a, &event(id - 1));
        }
        bench.hear(a, &event(id));
        if id > 5 {
            bench.hear(b, &event(id - 5));
        }
        bench.pass(STEP);
    }
    lags(&mut bench)
}

#[test]
fn the_lag_of_a_line_is_measured_although_its_copies_are_never_of_the_newest_event() {
    let trades = late("toy:trade:A", |id| format!("t A {id} 1"));
    let changes = late("toy:book:A", |id| format!("d A {id} {id} 95 {id}"));
    for lags in [trades, changes] {
        assert_eq!(lags[0], None, "it was always first");
        let lag = lags[1].unwrap();
        assert!((STEP * 5 - STEP / 100..=STEP * 5).contains(&lag), "{lag:?}");
    }
}

#[test]
fn the_lag_of_a_line_is_measured_when_the_ids_of_a_book_start_over() {
    let start = |id: u64| if id <= 25 { 1_000_000 + id } else { id };
    let lags = late("toy:book:A", |id| format!("d A {0} {0} 95 {id}", start(id)));
    assert!(lags[1].is_some_and(|lag| lag <= STEP * 5 && lag > STEP * 4), "{lags:?}");
}
