//! In which order things leave an outbox, and what must not be merged.

use super::*;

fn status(topic: &Topic, offset: u64) -> Shared {
    update(topic, 1, offset, Kind::Status, Data::Empty {})
}

fn plain() -> (Subscriber, Outbox) {
    outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY)
}

#[test]
fn state_leaves_in_its_turn_among_events() {
    let (t, q) = (topic("binance:trade:BTCUSDT"), topic("binance:quote:BTCUSDT"));
    let (to, mut from) = plain();
    give(&to, Delivery::Every, [trade(&t, 11)]);
    give(&to, Delivery::Conflate, [quote(&q, 1, 1)]);
    give(&to, Delivery::Every, [trade(&t, 12)]);
    give(&to, Delivery::Conflate, [quote(&q, 2, 2)]);
    let offsets: Vec<u64> = read(&mut from).iter().map(|read| read.1).collect();
    assert_eq!(offsets, [11, 2, 12], "at the place of the first that waits");
}

#[test]
fn a_reader_that_takes_one_by_one_gets_the_newest_each_time() {
    let (a, b) = (topic("binance:quote:AUSDT"), topic("binance:quote:BUSDT"));
    let (to, mut from) = plain();
    give(&to, Delivery::Conflate, [quote(&a, 1, 1), quote(&b, 1, 1)]);
    assert_eq!(from.try_next().unwrap().topic, a);
    give(&to, Delivery::Conflate, [quote(&b, 2, 2), quote(&a, 2, 2)]);
    let next = from.try_next().unwrap();
    assert_eq!((&next.topic, next.offset, next.merged), (&b, 2, 2), "merged while it waited");
    assert_eq!(from.try_next().unwrap().topic, a, "round robin");
}

#[test]
fn all_that_waits_leaves_in_one_round() {
    let (a, b) = (topic("binance:quote:AUSDT"), topic("binance:quote:BUSDT"));
    let (to, mut from) = plain();
    from.in_rounds();
    give(&to, Delivery::Conflate, [quote(&a, 1, 1), quote(&b, 1, 1)]);
    assert!(from.try_next().is_some());
    give(&to, Delivery::Conflate, [quote(&a, 2, 2)]);
    assert_eq!(from.try_next().unwrap().topic, b, "it waited when the round began");
    assert!(from.try_next().is_none(), "this one did not");
    from.next_round();
    assert_eq!(from.try_next().unwrap().offset, 2);
}

#[test]
fn what_waits_for_the_next_round_is_still_delivered_at_the_end() {
    let q = topic("binance:quote:AUSDT");
    let (to, mut from) = plain();
    from.in_rounds();
    give(&to, Delivery::Conflate, [quote(&q, 1, 1)]);
    assert!(from.try_next().is_some());
    give(&to, Delivery::Conflate, [quote(&q, 2, 2)]);
    to.cut_off(CutOff::Shutdown);
    assert_eq!(from.try_next().map(|update| update.offset), Some(2), "the final state");
    assert!(from.try_next().is_none());
}

#[test]
fn a_status_does_not_keep_later_state_from_being_merged() {
    let q = topic("binance:quote:AUSDT");
    let (to, mut from) = plain();
    give(&to, Delivery::Conflate, [status(&q, 0), quote(&q, 1, 1)]);
    assert_eq!(from.try_next().unwrap().kind, Kind::Status);
    give(&to, Delivery::Conflate, [quote(&q, 2, 2)]);
    assert_eq!(read(&mut from), [(Kind::Delta, 2, 2)]);
}

#[test]
fn state_of_two_epochs_is_not_merged() {
    let q = topic("binance:quote:AUSDT");
    let (to, mut from) = plain();
    let next_epoch = update(&q, 2, 1, Kind::Delta, quote(&q, 1, 5).data.clone());
    give(&to, Delivery::Conflate, [quote(&q, 1, 1), next_epoch]);
    assert_eq!(read(&mut from), [(Kind::Delta, 1, 0), (Kind::Delta, 1, 0)]);
}

#[test]
fn losses_of_two_epochs_are_declared_apart() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, Bounds { messages: 2, ..ROOMY });
    let data = trade(&t, 1).data.clone();
    let renewed = (3..=6).map(|offset| update(&t, 2, offset, Kind::Event, data.clone()));
    give(&to, Delivery::Every, [trade(&t, 1), trade(&t, 2)].into_iter().chain(renewed));
    let mut out = Vec::new();
    from.drain(&mut out);
    let gaps: Vec<(u128, u64)> = out
        .iter()
        .filter(|update| update.kind == Kind::Gap)
        .map(|update| (update.epoch.bits(), update.offset))
        .collect();
    assert_eq!(gaps.len(), 2);
    assert_eq!(gaps[0], (1, 2));
    assert_eq!(gaps[1].0, 2);
}

#[test]
fn who_asks_for_every_update_later_is_not_overtaken_by_them() {
    let q = topic("binance:quote:AUSDT");
    let (to, mut from) = plain();
    from.in_rounds();
    give(&to, Delivery::Conflate, [quote(&q, 1, 1)]);
    assert!(from.try_next().is_some());
    give(&to, Delivery::Conflate, [quote(&q, 2, 2)]);
    give(&to, Delivery::Every, [quote(&q, 3, 3)]);
    assert!(from.try_next().is_none(), "the one before waits for its round");
    from.next_round();
    assert_eq!(read(&mut from), [(Kind::Delta, 2, 0), (Kind::Delta, 3, 0)]);
}

#[test]
fn the_offset_of_an_idle_event_topic_is_not_worth_keeping_under_pressure() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, Bounds { messages: 8, ..ROOMY });
    let tick = |offset| update(&t, 1, offset, Kind::Tick, Data::Empty {});
    give(&to, Delivery::Every, (1..=100).flat_map(|offset| [trade(&t, offset), tick(offset)]));
    let all = read(&mut from);
    assert!(all.len() <= 10, "{all:?}");
    assert_eq!(all.iter().filter(|read| read.0 == Kind::Gap).count(), 1);
}

#[test]
fn a_book_that_changes_in_place_takes_no_more_room_however_long_nobody_reads() {
    let t = topic("binance:book:BTCUSDT");
    let (to, mut from) = plain();
    for offset in 1..=10_000 {
        let change = book(&[(1 + offset as i64 % 10, offset as i64)], 1, BookState::Live);
        give(&to, Delivery::Conflate, [update(&t, 1, offset, Kind::Delta, change)]);
        assert!(to.stats().bytes < 64 << 10);
    }
    let merged = from.try_next().unwrap();
    assert_eq!((merged.offset, merged.merged), (10_000, 10_000));
    assert!(matches!(&merged.data, Data::Book(book) if book.levels.len() == 10));
}
