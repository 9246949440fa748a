//! What an outbox promises, case by case; the laws of conflation are in `laws`, sequence in `order`.

mod laws;
mod order;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::data::decimal::Decimal;
use crate::data::event::{Book, BookState, Level as BookLevel, Quote, Side, Trade};
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Gap, GapKind, Keyed, Kind, Source, Update};
use crate::time::Unix;

const ROOMY: Bounds = Bounds { messages: 1_000, bytes: 256 << 10 };

pub(super) fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

pub(super) fn update(topic: &Topic, epoch: u128, offset: u64, kind: Kind, data: Data) -> Shared {
    Arc::new(Update {
        topic: topic.clone(),
        epoch: Epoch::new(epoch),
        offset,
        kind,
        source: Source::Live,
        late: false,
        merged: 0,
        time: None,
        received: Unix(offset as i64),
        data,
        json: OnceLock::new(),
    })
}

pub(super) fn trade(topic: &Topic, offset: u64) -> Shared {
    let (price, size) = (Decimal::from(100), Decimal::from(1));
    let data = Data::Trade(Trade { id: offset, price, size, side: Side::Buy });
    update(topic, 1, offset, Kind::Event, data)
}

pub(super) fn quote(topic: &Topic, offset: u64, bid: i64) -> Shared {
    let (bid, one) = (Decimal::from(bid), Decimal::from(1));
    let quote = Quote { bid, bid_size: one, ask: bid, ask_size: one, venue_id: None };
    update(topic, 1, offset, Kind::Delta, Data::Quote(quote))
}

pub(super) fn book(levels: &[(i64, i64)], bids: u32, state: BookState) -> Data {
    let level =
        |&(price, size): &(i64, i64)| BookLevel { price: Decimal::from(price), size: Decimal::from(size) };
    Data::Book(Book { levels: levels.iter().map(level).collect(), bids, venue_id: None, state })
}

fn give(to: &Subscriber, how: Delivery, updates: impl IntoIterator<Item = Shared>) {
    let mut batch: Vec<_> = updates.into_iter().map(|update| (how, update)).collect();
    to.push(&mut batch);
    assert!(batch.is_empty());
}

fn read(outbox: &mut Outbox) -> Vec<(Kind, u64, u32)> {
    let mut out = Vec::new();
    outbox.drain(&mut out);
    out.iter().map(|update| (update.kind, update.offset, update.merged)).collect()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

fn poll(outbox: &mut Outbox, waker: &Waker) -> Poll<Option<u64>> {
    outbox.poll_next(&mut Context::from_waker(waker)).map(|next| next.map(|update| update.offset))
}

#[test]
fn consumer_is_woken_once_after_it_found_nothing() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let (woken, waker) = counting();
    give(&to, Delivery::Every, [trade(&t, 1)]);
    assert_eq!(woken.0.load(Ordering::SeqCst), 0, "nobody waited");
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(1)));
    assert_eq!(poll(&mut from, &waker), Poll::Pending);
    give(&to, Delivery::Every, [trade(&t, 2)]);
    give(&to, Delivery::Every, [trade(&t, 3)]);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(2)));
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(3)));
}

#[test]
fn the_end_comes_after_what_is_queued() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let (_, waker) = counting();
    give(&to, Delivery::Every, [trade(&t, 1)]);
    let clone = to.clone();
    drop(to);
    give(&clone, Delivery::Every, [trade(&t, 2)]);
    drop(clone);
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(1)));
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(2)));
    assert_eq!(poll(&mut from, &waker), Poll::Ready(None));
    assert_eq!(from.cut_off(), None);
}

#[test]
fn a_waiting_consumer_learns_that_it_was_cut_off() {
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let (woken, waker) = counting();
    assert_eq!(poll(&mut from, &waker), Poll::Pending);
    to.cut_off(CutOff::Shutdown);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut from, &waker), Poll::Ready(None));
    assert_eq!(from.cut_off(), Some(CutOff::Shutdown));
}

#[test]
fn dropping_the_outbox_closes_it_and_frees_what_waits() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, from) = outbox(SubscriberId(1), "reader", Overflow::Block, ROOMY);
    let waiting = trade(&t, 1);
    give(&to, Delivery::Every, [waiting.clone()]);
    assert!(!to.is_closed());
    drop(from);
    assert!(to.is_closed());
    assert_eq!(Arc::strong_count(&waiting), 1);
    give(&to, Delivery::Every, [waiting.clone()]);
    assert_eq!(Arc::strong_count(&waiting), 1, "nothing is kept for one who left");
}

#[test]
fn a_slow_reader_is_cut_off_where_the_rule_says_so() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) =
        outbox(SubscriberId(1), "reader", Overflow::Disconnect, Bounds { messages: 2, ..ROOMY });
    give(&to, Delivery::Every, (1..=9).map(|offset| trade(&t, offset)));
    assert!(to.is_closed());
    let offsets: Vec<u64> = read(&mut from).iter().map(|read| read.1).collect();
    assert_eq!(offsets, [1, 2, 3], "the one that did not fit is the last");
    assert_eq!(from.cut_off(), Some(CutOff::Slow));
}

#[test]
fn a_blocking_outbox_is_full_until_half_of_it_is_free() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) =
        outbox(SubscriberId(1), "reader", Overflow::Block, Bounds { messages: 100, ..ROOMY });
    give(&to, Delivery::Every, (1..=100).map(|offset| trade(&t, offset)));
    assert!(!to.is_full());
    give(&to, Delivery::Every, [trade(&t, 101)]);
    assert!(to.is_full());
    let (woken, waker) = counting();
    to.wake_on_room(&waker);
    to.wake_on_room(&waker);
    assert!(from.try_next().is_some());
    assert!(to.is_full(), "a chunk has been taken, 69 are left");
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    for _ in 0..CHUNK {
        assert!(from.try_next().is_some());
    }
    assert!(!to.is_full());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(read(&mut from).last().unwrap().1, 101, "nothing was lost");
}

#[test]
fn who_waits_for_room_that_is_there_is_woken_at_once() {
    let (to, _from) = outbox(SubscriberId(1), "reader", Overflow::Block, ROOMY);
    let (woken, waker) = counting();
    to.wake_on_room(&waker);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[test]
fn dropping_a_full_outbox_lets_the_producer_go_on() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, from) = outbox(SubscriberId(1), "reader", Overflow::Block, Bounds { messages: 1, ..ROOMY });
    give(&to, Delivery::Every, (1..=3).map(|offset| trade(&t, offset)));
    let (woken, waker) = counting();
    to.wake_on_room(&waker);
    drop(from);
    assert!(!to.is_full());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[test]
fn dropped_events_are_declared_once_in_their_place() {
    let (a, b) = (topic("binance:trade:AUSDT"), topic("binance:trade:BUSDT"));
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, Bounds { messages: 10, ..ROOMY });
    give(&to, Delivery::Every, (1..=40).flat_map(|offset| [trade(&a, offset), trade(&b, offset)]));
    let mut out = Vec::new();
    from.drain(&mut out);
    let gaps: Vec<_> = out.iter().filter(|update| update.kind == Kind::Gap).collect();
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|gap| matches!(&gap.data,
        Data::Gap(gap) if gap.kind == GapKind::Delivery && gap.from == 1 && gap.to > 30)));
    assert!(out.len() <= 12);
    assert_eq!(from.stats().dropped, gaps.iter().map(|gap| gap.offset).sum::<u64>());
}

#[test]
fn a_declared_gap_of_the_venue_is_covered_when_it_is_dropped_too() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, Bounds { messages: 4, ..ROOMY });
    let gap = Gap { kind: GapKind::Venue, from: 7, to: 8, reason: "test".into() };
    let lost = update(&t, 1, 2, Kind::Gap, Data::Gap(Box::new(gap)));
    give(&to, Delivery::Every, [trade(&t, 1), lost, trade(&t, 3), trade(&t, 4), trade(&t, 5)]);
    assert_eq!(read(&mut from), [(Kind::Gap, 3, 0), (Kind::Event, 4, 0), (Kind::Event, 5, 0)]);
}

#[test]
fn conflated_state_keeps_the_newest_and_counts_the_rest() {
    let (a, b) = (topic("binance:quote:AUSDT"), topic("binance:quote:BUSDT"));
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    give(&to, Delivery::Conflate, [quote(&a, 1, 10), quote(&b, 1, 10), quote(&a, 2, 11), quote(&a, 3, 12)]);
    assert_eq!(read(&mut from), [(Kind::Delta, 3, 3), (Kind::Delta, 1, 0)], "in the order of first waiting");
    assert_eq!(from.stats().merged, 2);
}

#[test]
fn events_are_never_conflated_even_if_asked_for() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    give(&to, Delivery::Conflate, [trade(&t, 1), trade(&t, 2)]);
    assert_eq!(read(&mut from).len(), 2);
}

#[test]
fn a_book_is_merged_by_level() {
    let t = topic("binance:book:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let delta = |offset, levels: &[(i64, i64)], bids| {
        update(&t, 1, offset, Kind::Delta, book(levels, bids, BookState::Live))
    };
    give(&to, Delivery::Conflate, [delta(1, &[(9, 1), (8, 1), (11, 4)], 2), delta(2, &[(9, 0), (12, 2)], 1)]);
    let merged = from.try_next().unwrap();
    assert_eq!((merged.kind, merged.offset, merged.merged), (Kind::Delta, 2, 2));
    assert_eq!(merged.data, book(&[(9, 0), (8, 1), (11, 4), (12, 2)], 2, BookState::Live));
}

#[test]
fn deltas_after_a_waiting_snapshot_make_a_newer_snapshot() {
    let t = topic("binance:book:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let whole = update(&t, 1, 5, Kind::Snapshot, book(&[(9, 1), (8, 1), (11, 4)], 2, BookState::Live));
    let delta = update(&t, 1, 6, Kind::Delta, book(&[(9, 0), (10, 3)], 2, BookState::Stale));
    give(&to, Delivery::Conflate, [whole, delta]);
    let merged = from.try_next().unwrap();
    assert_eq!((merged.kind, merged.offset, merged.merged), (Kind::Snapshot, 6, 1));
    assert_eq!(merged.data, book(&[(10, 3), (8, 1), (11, 4)], 2, BookState::Stale));
}

#[test]
fn a_snapshot_replaces_all_that_waits_and_arrives_as_it_is() {
    let t = topic("binance:quote:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let Data::Quote(data) = &quote(&t, 0, 3).data.clone() else { unreachable!() };
    let whole = update(&t, 2, 0, Kind::Snapshot, Data::Quote(data.clone()));
    give(&to, Delivery::Conflate, [quote(&t, 1, 1), quote(&t, 2, 2), whole.clone()]);
    assert!(Arc::ptr_eq(&from.try_next().unwrap(), &whole));
    assert!(from.try_next().is_none());
}

#[test]
fn arrays_are_merged_by_symbol() {
    let t = topic("binance:mini_ticker:!all");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let array = |offset, entries: &[(&str, i64)]| {
        let entry = |&(key, bid): &(&str, i64)| (key.into(), quote(&t, 0, bid).data.clone());
        let data = Data::Keyed(Box::new(Keyed(entries.iter().map(entry).collect())));
        update(&t, 1, offset, Kind::Delta, data)
    };
    give(&to, Delivery::Conflate, [array(1, &[("A", 1), ("B", 1)]), array(2, &[("C", 5), ("A", 2)])]);
    let merged = from.try_next().unwrap();
    assert_eq!(merged.data, array(2, &[("A", 2), ("B", 1), ("C", 5)]).data);
}

#[test]
fn rounds_hold_state_back_but_not_events() {
    let (t, q) = (topic("binance:trade:BTCUSDT"), topic("binance:quote:BTCUSDT"));
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    from.in_rounds();
    let (woken, waker) = counting();
    give(&to, Delivery::Conflate, [quote(&q, 1, 1)]);
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(1)), "the first goes out at once");
    assert!(from.round_is_over());
    assert_eq!(poll(&mut from, &waker), Poll::Pending);
    give(&to, Delivery::Conflate, [quote(&q, 2, 2), quote(&q, 3, 3)]);
    assert_eq!(woken.0.load(Ordering::SeqCst), 0, "nothing to read before the next round");
    give(&to, Delivery::Every, [trade(&t, 7)]);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(7)));
    assert_eq!(poll(&mut from, &waker), Poll::Pending);
    from.next_round();
    assert_eq!(poll(&mut from, &waker), Poll::Ready(Some(3)));
}

#[test]
fn a_large_snapshot_gets_through_any_bound() {
    let t = topic("binance:book:BTCUSDT");
    let levels: Vec<(i64, i64)> = (0..20_000).map(|price| (price + 1, 1)).collect();
    for how in [Delivery::Every, Delivery::Conflate] {
        let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Disconnect, ROOMY);
        give(&to, how, [update(&t, 1, 0, Kind::Snapshot, book(&levels, 0, BookState::Live))]);
        assert!(!to.is_closed());
        assert_eq!(read(&mut from).len(), 1);
    }
}

#[test]
fn a_reader_of_books_that_never_reads_is_cut_off_in_the_end() {
    let t = topic("binance:book:BTCUSDT");
    let bounds = Bounds { messages: 100, bytes: 4 << 10 };
    let (to, _from) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
    let mut most = 0;
    for offset in 1..100_000u64 {
        let price = offset as i64;
        let delta = book(&[(price, 1)], 1, BookState::Live);
        give(&to, Delivery::Conflate, [update(&t, 1, offset, Kind::Delta, delta)]);
        most = most.max(to.stats().bytes);
        if to.is_closed() {
            assert!(most <= 16 * bounds.bytes + 1024, "{most} bytes were held");
            return;
        }
    }
    panic!("the queue grew without bound");
}

#[test]
fn while_memory_is_short_a_queue_that_may_drop_and_merge_holds_a_quarter() {
    let (t, q) = (topic("binance:trade:BTCUSDT"), topic("binance:quote:BTCUSDT"));
    let bounds = Bounds { messages: 100, bytes: 1 << 20 };
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
    let gauge = from.gauge();
    give(&to, Delivery::Every, (1..=80).map(|offset| trade(&t, offset)));
    give(&to, Delivery::Every, (1..=10).map(|offset| quote(&q, offset, offset as i64)));
    assert_eq!(gauge.stats().unwrap().queued, 90);
    gauge.squeeze(true);
    let squeezed = gauge.stats().unwrap();
    assert!(squeezed.queued <= 25 && squeezed.dropped > 0, "{squeezed:?}");
    give(&to, Delivery::Every, (81..=200).map(|offset| trade(&t, offset)));
    assert!(to.stats().queued <= 27, "{:?}", to.stats());
    gauge.squeeze(false);
    give(&to, Delivery::Every, (201..=260).map(|offset| trade(&t, offset)));
    assert!(to.stats().queued >= 60, "it may hold all again: {:?}", to.stats());
    // Whatever was dropped is declared.
    let (mut read, mut next) = (Vec::new(), 1);
    from.drain(&mut read);
    for update in read.iter().filter(|update| update.topic == t) {
        match &update.data {
            Data::Gap(gap) => {
                assert_eq!((std::mem::replace(&mut next, gap.to + 1), gap.to), (gap.from, update.offset))
            }
            _ => assert_eq!(std::mem::replace(&mut next, update.offset + 1), update.offset),
        }
    }
    assert_eq!(next, 261);
    // Whoever must not lose anything is left alone.
    for rule in [Overflow::Block, Overflow::Disconnect] {
        let (to, from) = outbox(SubscriberId(1), "reader", rule, bounds);
        give(&to, Delivery::Every, (1..=80).map(|offset| trade(&t, offset)));
        from.gauge().squeeze(true);
        assert!(!to.is_closed() && !to.is_full() && to.stats().queued == 80, "{rule:?}");
    }
}

#[test]
fn who_is_evicted_holds_nothing_and_learns_why() {
    let t = topic("binance:trade:BTCUSDT");
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, ROOMY);
    let gauge = from.gauge();
    let (woken, waker) = counting();
    assert_eq!(poll(&mut from, &waker), Poll::Pending);
    gauge.evict(CutOff::Slow);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "who waits is told");
    assert_eq!(poll(&mut from, &waker), Poll::Ready(None));
    let (full, mut from_full) = outbox(SubscriberId(2), "reader", Overflow::Gap, ROOMY);
    give(&full, Delivery::Every, (1..=9).map(|offset| trade(&t, offset)));
    from_full.gauge().evict(CutOff::Slow);
    assert_eq!((full.stats().bytes, full.stats().queued, full.is_closed()), (0, 0, true));
    assert!(from_full.try_next().is_none() && from_full.cut_off() == Some(CutOff::Slow));
    assert_eq!(gauge.stats(), None, "it holds nothing any more");
    drop((to, from));
    gauge.squeeze(true);
    gauge.evict(CutOff::Shutdown);
}
