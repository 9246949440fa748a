//! What is tried: each model runs a few threads over one of our parts and says what must hold in the end.

use std::sync::Arc as Std;
use std::task::{Context, Poll, Wake, Waker};

use shuttle::future::block_on;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::event::{Side, Trade};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Epoch, Kind, Position, Shared, Update};
use tapeline_core::time::Unix;

/// One model.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Its name; for one of a mistake, that of the mistake stands before it.
    pub name: &'static str,
    /// What it claims.
    pub about: &'static str,
    /// Runs it once, in one order.
    pub play: fn(),
}

/// An event of a topic.
fn trade(offset: u64) -> Shared {
    let topic = Topic::parse("toy:trade:A").unwrap_or_else(|error| panic!("{error}"));
    let data = Data::Trade(Trade { id: offset, price: 1.into(), size: 1.into(), side: Side::Buy });
    let at = Position { epoch: Epoch::new(1), offset };
    Std::new(Update::new(topic, at, Kind::Event, Unix(0), data))
}

/// Everything from 1 to `last`, each once and in order, delivered or declared missing; how many were delivered.
fn accounted(got: &[Shared], last: u64) -> usize {
    let mut next = 1;
    for update in got {
        let from = match &update.data {
            Data::Gap(gap) => gap.from,
            _ => update.offset,
        };
        assert_eq!(from, next, "{got:?}");
        next = update.offset + 1;
    }
    assert_eq!(next, last + 1, "{got:?}");
    got.iter().filter(|update| update.kind == Kind::Event).count()
}

/// Notes that somebody is woken, and looks at once, as a task that runs on the thread of the one who wakes it.
struct Prompt<F>(AtomicBool, F);

impl<F: Fn() + Send + Sync + 'static> Wake for Prompt<F> {
    fn wake(self: Std<Self>) {
        self.0.store(true, Ordering::SeqCst);
        (self.1)();
    }
}

macro_rules! model {
    ($prefix:literal, $play:ident, $about:literal) => {
        Model { name: concat!($prefix, stringify!($play)), about: $about, play: $play }
    };
}

/// The models of an outbox, wherever its source stands.
macro_rules! of_outbox {
    ($list:ident, $prefix:literal, $($outbox:ident)::+) => {
        mod $list {
            use super::*;
            use crate::$($outbox)::+::{Bounds, CutOff, Outbox, Overflow, Subscriber, SubscriberId, outbox};

            pub(super) const ALL: &[Model] = &[
                model!($prefix, delivered, "What is pushed arrives, each once and in order, and then the end."),
                model!($prefix, from_two, "The end comes when the last of two producers has gone, behind all of it."),
                model!($prefix, room, "A producer that waits for room goes on when there is some."),
                model!($prefix, gaps, "What is too much is declared: nothing is missed in silence."),
                model!($prefix, evicted, "Whoever is cut off while it waits is woken and learns why."),
                model!($prefix, left, "An outbox that is left, squeezed and emptied at once holds nothing in the end."),
                model!($prefix, woken_at_once, "Whoever is woken may look at once: no lock is held over a wake-up."),
            ];

            fn new(rule: Overflow, messages: usize) -> (Subscriber, Outbox) {
                outbox(SubscriberId(1), "reader", rule, Bounds { messages, bytes: 1 << 20 })
            }

            fn push(to: &Subscriber, offsets: std::ops::RangeInclusive<u64>) {
                to.push(&mut offsets.map(|offset| (Delivery::Every, trade(offset))).collect());
            }

            fn all(from: &mut Outbox) -> Vec<Shared> {
                let mut got = Vec::new();
                while block_on(std::future::poll_fn(|context| from.poll_drain(context, &mut got))) > 0 {}
                got
            }

            fn delivered() {
                let (to, mut from) = new(Overflow::Gap, 100);
                let producer = thread::spawn(move || (0..3).for_each(|n| push(&to, 2 * n + 1..=2 * n + 2)));
                assert_eq!(accounted(&all(&mut from), 6), 6);
                assert_eq!(from.cut_off(), None);
                joined(producer);
            }

            fn from_two() {
                let (to, mut from) = new(Overflow::Gap, 100);
                let other = to.clone();
                let one = thread::spawn(move || push(&to, 1..=1));
                let two = thread::spawn(move || push(&other, 2..=2));
                assert_eq!(all(&mut from).len(), 2);
                joined(one);
                joined(two);
            }

            fn room() {
                let (to, mut from) = new(Overflow::Block, 2);
                let has_room = |to: &Subscriber, context: &Context<'_>| {
                    if !to.is_full() {
                        return Poll::Ready(());
                    }
                    to.wake_on_room(context.waker());
                    Poll::Pending
                };
                let producer = thread::spawn(move || {
                    for offset in 1..=6 {
                        block_on(std::future::poll_fn(|context| has_room(&to, context)));
                        push(&to, offset..=offset);
                    }
                });
                assert_eq!(accounted(&all(&mut from), 6), 6);
                joined(producer);
            }

            fn gaps() {
                let (to, mut from) = new(Overflow::Gap, 2);
                let producer = thread::spawn(move || (1..=6).for_each(|offset| push(&to, offset..=offset)));
                accounted(&all(&mut from), 6);
                joined(producer);
            }

            fn evicted() {
                let (to, mut from) = new(Overflow::Gap, 100);
                let gauge = from.gauge();
                let held = to.clone();
                let producer = thread::spawn(move || push(&to, 1..=2));
                let evictor = thread::spawn(move || gauge.evict(CutOff::Slow));
                let got = all(&mut from);
                assert!(got.is_empty() || got.len() == 2, "{got:?}");
                assert_eq!(from.cut_off(), Some(CutOff::Slow));
                assert!(held.is_closed());
                joined(producer);
                joined(evictor);
            }

            fn left() {
                let (to, from) = new(Overflow::Gap, 4);
                let gauge = from.gauge();
                let held = to.clone();
                let producer = thread::spawn(move || (1..=4).for_each(|offset| push(&to, offset..=offset)));
                let keeper = thread::spawn(move || {
                    gauge.squeeze(true);
                    gauge.evict(CutOff::Slow);
                    gauge.squeeze(false);
                });
                drop(from);
                joined(producer);
                joined(keeper);
                let stats = held.stats();
                assert!(held.is_closed() && (stats.queued, stats.bytes) == (0, 0), "{stats:?}");
            }

            fn woken_at_once() {
                let (to, mut from) = new(Overflow::Gap, 100);
                let looked = to.clone();
                let prompt = Std::new(Prompt(AtomicBool::new(false), move || {
                    looked.stats();
                }));
                let waker = Waker::from(Std::clone(&prompt));
                let producer = thread::spawn(move || push(&to, 1..=1));
                let readable = from.poll_readable(&mut Context::from_waker(&waker));
                joined(producer);
                assert!(readable.is_ready() || prompt.0.load(Ordering::SeqCst), "it waits, and nobody woke it");
            }
        }
    };
}

/// The models of the signals of a feed's task.
macro_rules! of_signals {
    ($list:ident, $prefix:literal, $($signals:ident)::+) => {
        mod $list {
            use super::*;
            use crate::$($signals)::+::Signals;
            use tapeline_core::outbox::SubscriberId;

            pub(super) const ALL: &[Model] = &[
                model!($prefix, all_are_seen_to_leave, "Whoever leaves is seen to, however many leave at once."),
                model!($prefix, a_stop_is_heard, "A task that waits is woken when it is to stop."),
            ];

            fn all_are_seen_to_leave() {
                let signals = Arc::new(Signals::default());
                let leave = |id| {
                    let signals = Arc::clone(&signals);
                    thread::spawn(move || signals.left(SubscriberId(id)))
                };
                let leaving = [leave(1), leave(2)];
                let mut seen = Vec::new();
                block_on(std::future::poll_fn(|context| {
                    signals.listen(context);
                    seen.extend(signals.take_left());
                    if seen.len() == 2 { Poll::Ready(()) } else { Poll::Pending }
                }));
                seen.sort_unstable();
                assert_eq!(seen, [SubscriberId(1), SubscriberId(2)]);
                leaving.into_iter().for_each(joined);
            }

            fn a_stop_is_heard() {
                let signals = Arc::new(Signals::default());
                let other = Arc::clone(&signals);
                let stopping = thread::spawn(move || {
                    other.wake();
                    other.stop();
                });
                block_on(signals.stopped());
                assert!(signals.is_stopped());
                joined(stopping);
            }
        }
    };
}

/// The models of what parts of the process may take of the memory.
macro_rules! of_account {
    ($list:ident, $prefix:literal, $($account:ident)::+) => {
        mod $list {
            use super::*;
            use crate::$($account)::+::{Account, Room};

            pub(super) const ALL: &[Model] = &[
                model!($prefix, room_is_given_once, "Two who take at once never get more than there is."),
                model!($prefix, a_look_gives_nothing_twice, "What is taken while it is looked is not given again."),
            ];

            /// Two parts, each of which takes 4 bytes so often.
            fn taking(room: &Arc<Room>, times: usize) -> Vec<(Arc<Account>, thread::JoinHandle<usize>)> {
                let one = |part| {
                    let account = Arc::new(Account::new(part, Arc::clone(room)));
                    let taking = Arc::clone(&account);
                    let taken = move || (0..times).filter(|_| taking.takes(4)).count();
                    (account, thread::spawn(taken))
                };
                vec![one("a"), one("b")]
            }

            fn room_is_given_once() {
                let room = Arc::new(Room::new(10));
                let parts = taking(&room, 2);
                let (mut taken, mut held) = (0, 0);
                for (account, taking) in parts {
                    taken += taking.join().unwrap_or_else(|_| panic!("a thread failed"));
                    held += account.held();
                }
                assert_eq!((taken, held), (2, 8));
            }

            fn a_look_gives_nothing_twice() {
                let room = Arc::new(Room::new(10));
                let parts = taking(&room, 2);
                let mark = room.mark();
                let held: u64 = parts.iter().map(|(account, _)| account.held()).sum();
                room.allow(mark, 10_u64.saturating_sub(held));
                let mut held = 0;
                for (account, taking) in parts {
                    taking.join().unwrap_or_else(|_| panic!("a thread failed"));
                    held += account.held();
                }
                assert!(held <= 10, "{held} of 10 bytes are held");
            }
        }
    };
}

fn joined<T>(thread: thread::JoinHandle<T>) {
    assert!(thread.join().is_ok(), "a thread failed");
}

of_outbox!(outbox, "outbox/", outbox);
of_signals!(signals, "signals/", signals);
of_account!(account, "account/", account);

of_outbox!(waker_left_late, "waker_left_late/", mistakes::waker_left_late::outbox);
of_outbox!(room_not_looked_at, "room_not_looked_at/", mistakes::room_not_looked_at::outbox);
of_outbox!(woken_under_the_lock, "woken_under_the_lock/", mistakes::woken_under_the_lock::outbox);
of_outbox!(end_wakes_nobody, "end_wakes_nobody/", mistakes::end_wakes_nobody::outbox);
of_signals!(flag_lowered_late, "flag_lowered_late/", mistakes::flag_lowered_late::signals);
of_signals!(stop_told_early, "stop_told_early/", mistakes::stop_told_early::signals);
of_account!(
    room_looked_at,
    "room_looked_at_and_then_taken/",
    mistakes::room_looked_at_and_then_taken::account
);
of_account!(
    room_counted_late,
    "room_counted_from_the_end_of_a_look/",
    mistakes::room_counted_from_the_end_of_a_look::account
);

/// The models of our parts as they are.
pub fn models() -> impl Iterator<Item = &'static Model> {
    [outbox::ALL, signals::ALL, account::ALL].into_iter().flatten()
}

/// The models of our parts with one mistake each: at least one of each list must object.
pub fn mistaken() -> [(&'static str, &'static [Model]); 8] {
    [
        ("waker_left_late", waker_left_late::ALL),
        ("room_not_looked_at", room_not_looked_at::ALL),
        ("woken_under_the_lock", woken_under_the_lock::ALL),
        ("end_wakes_nobody", end_wakes_nobody::ALL),
        ("flag_lowered_late", flag_lowered_late::ALL),
        ("stop_told_early", stop_told_early::ALL),
        ("room_looked_at_and_then_taken", room_looked_at::ALL),
        ("room_counted_from_the_end_of_a_look", room_counted_late::ALL),
    ]
}
