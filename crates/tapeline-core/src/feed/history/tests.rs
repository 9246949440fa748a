//! What a log keeps, what it lets go, and what it takes.

use super::*;
use crate::data::event::Side;
use crate::data::update::{Gap, GapKind};

/// So many seconds after the beginning.
fn at(second: u64) -> Time {
    let nanos = second * 1_000_000_000;
    Time { mono: Mono(nanos), unix: Unix(i64::try_from(nanos).unwrap()) }
}

/// One trade a second.
fn log(count: u64, bytes: usize) -> (History, Topic) {
    let topic: Topic = "toy:trade:A".parse().unwrap();
    let mut history = History::default();
    for offset in 1..=count {
        let trade = Trade { id: offset + 100, price: 1.into(), size: 2.into(), side: Side::Buy };
        let received = at(offset);
        let (kind, source) = (Kind::Event, Source::Live);
        let (time, late, data) = (Some(received.unix), false, Data::Trade(trade));
        let draft = Draft { kind, source, time, received, late, data };
        let bound = Bound { bytes, age: Duration::from_secs(60) };
        let place = Place { topic: &topic, epoch: Epoch::new(7), offset };
        let update = history.append(place, draft, bound, offset % 2 == 0);
        assert_eq!(update.is_some(), offset % 2 == 0, "made only for readers");
    }
    (history, topic)
}

fn tail(history: &History, topic: &Topic, offset: u64, last: u64) -> Option<Vec<(u64, u64)>> {
    let place = Place { topic, epoch: Epoch::new(7), offset };
    let id = |update: &Shared| match &update.data {
        Data::Trade(trade) => trade.id,
        _ => 0,
    };
    Some(history.after(place, last)?.map(|update| (update.offset, id(&update))).collect())
}

#[test]
fn the_tail_is_whole_or_there_is_none() {
    let (history, topic) = log(10, 1 << 20);
    assert_eq!(tail(&history, &topic, 8, 10), Some(vec![(9, 109), (10, 110)]));
    assert_eq!(tail(&history, &topic, 10, 10), Some(vec![]));
    assert_eq!(tail(&history, &topic, 0, 10).unwrap().len(), 10);
    assert_eq!(tail(&history, &topic, 11, 10), None);
}

/// Only what is between the age and a step more may be held or not.
fn holds_a_minute(history: &History, topic: &Topic, last: u64) {
    assert_eq!(tail(history, topic, last - 61, last).map(|tail| tail.len()), Some(61));
    assert_eq!(tail(history, topic, last - 64, last), None);
}

#[test]
fn what_is_too_old_goes() {
    for count in [70, 100, 1_000] {
        let (history, topic) = log(count, 1 << 20);
        holds_a_minute(&history, &topic, count);
    }
}

fn append(history: &mut History, topic: &Topic, received: Time, offset: u64) {
    let data = Data::Trade(Trade { id: offset + 100, price: 1.into(), size: 2.into(), side: Side::Buy });
    let (kind, source, late) = (Kind::Event, Source::Live, false);
    let draft = Draft { kind, source, time: None, received, late, data };
    let bound = Bound { bytes: 1 << 20, age: Duration::from_secs(60) };
    history.append(Place { topic, epoch: Epoch::new(7), offset }, draft, bound, false);
}

#[test]
fn a_wall_clock_that_is_set_ages_nothing() {
    let (mut history, topic) = log(100, 1 << 20);
    for (offset, days) in (101..=200).zip([30, -30].into_iter().cycle()) {
        let Time { mono, unix } = at(offset);
        append(&mut history, &topic, Time { mono, unix: Unix(unix.0 + days * 86_400_000_000_000) }, offset);
    }
    holds_a_minute(&history, &topic, 200);
}

#[test]
fn what_comes_after_a_pause_does_not_keep_what_came_before() {
    let (mut history, topic) = log(3, 1 << 20);
    append(&mut history, &topic, at(50), 4);
    assert_eq!(tail(&history, &topic, 0, 4).map(|tail| tail.len()), Some(4));
    append(&mut history, &topic, at(64), 5);
    append(&mut history, &topic, at(65), 6);
    assert_eq!(tail(&history, &topic, 2, 6), None);
    assert_eq!(tail(&history, &topic, 3, 6).map(|tail| tail.len()), Some(3));
    append(&mut history, &topic, at(500), 7);
    append(&mut history, &topic, at(501), 8);
    assert_eq!(tail(&history, &topic, 6, 8).map(|tail| tail.len()), Some(2));
    assert_eq!(tail(&history, &topic, 5, 8), None);
}

#[test]
fn marks_of_age_are_few() {
    let (history, _) = log(100_000, 10_000);
    assert!(history.0.as_ref().unwrap().ages.marks.len() <= 2 * STEPS as usize + 2);
}

#[test]
fn what_is_too_much_goes() {
    let row = size_of::<Row<Trade>>();
    let (history, topic) = log(50, 10 * row);
    let held = history.0.as_ref().unwrap().len();
    assert!((8..=10).contains(&held), "{held} rows");
    assert_eq!(tail(&history, &topic, 49 - held as u64, 50), None);
    assert_eq!(tail(&history, &topic, 50 - held as u64, 50).unwrap().len(), held);
}

#[test]
fn a_gap_stands_among_the_trades_and_goes_with_them() {
    let (mut history, topic) = log(4, 1 << 20);
    let gap = Gap { kind: GapKind::Venue, from: 1, to: 2, reason: "test".into() };
    let received = at(4);
    let data = Data::Gap(Box::new(gap));
    let (kind, source) = (Kind::Gap, Source::Live);
    let draft = Draft { kind, source, time: None, received, late: false, data };
    let bound = Bound { bytes: 1 << 20, age: Duration::from_secs(60) };
    let place = |offset| Place { topic: &topic, epoch: Epoch::new(7), offset };
    assert!(history.append(place(5), draft, bound, false).is_some());
    let kinds: Vec<Kind> = history.after(place(3), 5).unwrap().map(|update| update.kind).collect();
    assert_eq!(kinds, [Kind::Event, Kind::Gap]);
    history.shorten(1);
    assert_eq!(history.0.as_ref().unwrap().bytes, 0);
}

#[test]
fn a_log_that_is_shortened_gives_memory_back_and_does_not_grow_into_it_again() {
    let row = size_of::<Row<Trade>>();
    let (mut history, topic) = log(40_000, 30_000 * row);
    // Nothing is older than a minute here.
    let (mut offset, received) = (40_000, at(40_000));
    let mut more = |history: &mut History, count: u64| {
        for _ in 0..count {
            offset += 1;
            let data = Data::Trade(Trade { id: offset, price: 1.into(), size: 2.into(), side: Side::Buy });
            let (kind, source, late) = (Kind::Event, Source::Live, false);
            let draft = Draft { kind, source, time: None, received, late, data };
            let bound = Bound { bytes: 30_000 * row, age: Duration::from_secs(60) };
            let place = Place { topic: &topic, epoch: Epoch::new(7), offset };
            assert!(history.append(place, draft, bound, false).is_none());
        }
    };
    more(&mut history, 40_000);
    let before = history.bytes();
    assert!(before >= 30_000 * row, "the room for more counts: {} rows", before / row);
    let freed = history.shorten(10_000 * row);
    let after = history.bytes();
    assert_eq!(before - freed, after);
    assert!(after <= 10_200 * row, "{} rows", after / row);
    more(&mut history, 100_000);
    assert_eq!(history.bytes(), after, "nothing was allocated anew");
    assert!(history.is_shortened() && history.0.as_ref().unwrap().len() > 9_000);
    history.lengthen();
    more(&mut history, 100_000);
    assert!(history.0.as_ref().unwrap().len() > 19_000);
}
