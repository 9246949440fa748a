//! The steps on made-up figures: what is counted, who is cut, and what is told.

use std::fs;
use std::path::Path;

use tapeline_core::data::channel::Delivery;
use tapeline_core::data::event::{Side, Trade};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Epoch, Kind, Position, Shared, Update};
use tapeline_core::outbox::{Bounds, Overflow, Subscriber, SubscriberId, outbox};

use super::*;

const MIB: usize = 1 << 20;

/// Memory of a process of whose resident part nobody tells.
fn unseen(buffers: usize) -> Memory {
    let system = System::made(Path::new("/nowhere"), 1, || None);
    Memory { system, ..Memory::new(1, buffers) }
}

/// Looks after so many tenths of a second from the start.
fn look(looks: &mut Looks, memory: &Memory, tenths: u64) -> Option<(Step, String)> {
    looks.look(Time::default().later(EVERY * u32::try_from(tenths).unwrap()), memory)
}

fn trade(offset: u64) -> Shared {
    let topic = Topic::parse("binance:trade:BTCUSDT").unwrap();
    let data = Data::Trade(Trade { id: offset, price: 1.into(), size: 1.into(), side: Side::Buy });
    let at = Position { epoch: Epoch::new(1), offset };
    Arc::new(Update::new(topic, at, Kind::Event, Unix(1), data))
}

/// An outbox that holds about so many bytes.
fn reader(memory: &Memory, id: u64, bytes: usize, loose: bool) -> (Subscriber, Outbox) {
    let bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };
    let (to, from) = outbox(SubscriberId(id), "reader", Overflow::Gap, bounds);
    memory.watch(&from, loose);
    let mut offset = 0;
    while to.stats().bytes < bytes {
        offset += 1;
        to.push(&mut vec![(Delivery::Every, trade(offset))]);
    }
    (to, from)
}

#[test]
fn what_parts_hold_decides_the_step_and_each_step_is_told_once() {
    let (memory, mut looks) = (unseen(100 * MIB), Looks::default());
    let (logs, clients) = (memory.account("logs", true), memory.account("clients", true));
    logs.holds(40 * MIB);
    assert_eq!(look(&mut looks, &memory, 0), None);
    clients.holds(36 * MIB);
    let (before, cause) = look(&mut looks, &memory, 1).unwrap();
    assert_eq!((before, memory.step()), (Step::Calm, Step::Shorten));
    assert!(cause.contains("76 MiB in logs and queues"), "{cause}");
    assert_eq!(look(&mut looks, &memory, 2), None, "it is told once");
    assert!(memory.admits());
    clients.holds(51 * MIB);
    assert_eq!(look(&mut looks, &memory, 3).unwrap().0, Step::Shorten);
    assert!(!memory.admits() && !memory.admits());
    let status = memory.status();
    assert_eq!((status.step, status.percent, status.refused, status.resident), (Step::Refuse, 91, 2, None));
    assert_eq!(status.parts["clients"], 51 * MIB as u64);
    drop(clients);
    for tenths in 4..53 {
        assert_eq!(look(&mut looks, &memory, tenths), None);
    }
    assert_eq!(look(&mut looks, &memory, 54).unwrap().0, Step::Refuse);
    assert!(memory.admits());
    assert_eq!(look(&mut looks, &memory, 104).unwrap().0, Step::Shorten);
    assert_eq!((memory.step(), memory.status().buffers_high), (Step::Calm, 91 * MIB as u64));
}

#[test]
fn nobody_takes_more_between_two_looks_than_there_is() {
    let (memory, mut looks) = (unseen(100 * MIB), Looks::default());
    let clients = memory.account("clients", true);
    assert_eq!((0..200).filter(|_| clients.takes(MIB)).count(), 98);
    look(&mut looks, &memory, 0);
    assert_eq!((memory.step(), clients.takes(MIB)), (Step::Cut, false));
    clients.holds(90 * MIB);
    look(&mut looks, &memory, 1);
    assert_eq!((0..200).filter(|_| clients.takes(MIB)).count(), 8);
}

#[test]
fn those_for_whom_most_waits_are_cut_and_no_more_of_them_than_needed() {
    let (memory, mut looks) = (unseen(10 * MIB), Looks::default());
    let (small, _small) = reader(&memory, 1, MIB, true);
    let (big, mut from_big) = reader(&memory, 2, 4 * MIB, true);
    let (many, _many) = reader(&memory, 3, 5 * MIB, false);
    let clients = memory.account("clients", true);
    assert_eq!(look(&mut looks, &memory, 0).unwrap().0, Step::Calm);
    assert_eq!((memory.step(), memory.status().cut), (Step::Cut, 1));
    assert_eq!((big.is_closed(), small.is_closed(), many.is_closed()), (true, false, false));
    assert!(from_big.try_next().is_none() && from_big.cut_off() == Some(CutOff::Slow));
    assert_eq!(look(&mut looks, &memory, 1), None, "it is enough");
    assert_eq!((small.is_closed(), memory.status().cut), (false, 1));
    // Somebody else holds more than anybody here: it is asked.
    clients.holds(5 * MIB);
    clients.waits(5 * MIB, 2 * MIB);
    look(&mut looks, &memory, 2);
    let asked = clients.take_asked();
    assert!(asked > MIB && asked < 4 * MIB && clients.take_asked() == 0, "{asked}");
    assert!(!small.is_closed());
}

#[test]
fn queues_hold_less_while_nobody_new_is_taken_on() {
    let (memory, mut looks) = (unseen(10 * MIB), Looks::default());
    let logs = memory.account("logs", true);
    let bounds = Bounds { messages: 400, bytes: usize::MAX };
    let fill =
        |to: &Subscriber| to.push(&mut (1..=300).map(|offset| (Delivery::Every, trade(offset))).collect());
    let (to, from) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
    memory.watch(&from, true);
    fill(&to);
    assert_eq!(to.stats().queued, 300);
    logs.holds(9 * MIB);
    look(&mut looks, &memory, 0);
    assert!(to.stats().queued <= 100, "{:?}", to.stats());
    let (late, from_late) = outbox(SubscriberId(2), "late", Overflow::Gap, bounds);
    memory.watch(&from_late, true);
    fill(&late);
    assert!(late.stats().queued <= 101, "who is watched later holds as little: {:?}", late.stats());
    logs.holds(0);
    look(&mut looks, &memory, 1);
    look(&mut looks, &memory, 60);
    assert_eq!(memory.step(), Step::Shorten);
    let (roomy, from_roomy) = outbox(SubscriberId(3), "roomy", Overflow::Gap, bounds);
    memory.watch(&from_roomy, true);
    fill(&roomy);
    assert_eq!(roomy.stats().queued, 300);
}

#[test]
fn resident_memory_counts_and_cuts_at_most_once_a_second() {
    let folder = std::env::temp_dir().join(format!("tapeline-memory-{}", std::process::id()));
    fs::create_dir_all(folder.join("proc/self")).unwrap();
    let path = folder.join("proc/self/status");
    let resident = |mib: u64| fs::write(&path, format!("VmRSS:\t{} kB\n", mib * 1_024)).unwrap();
    let system = System::made(&folder, 1 << 40, || Some(1 << 30));
    let (memory, mut looks) = (Memory { system, ..Memory::new(1, 1 << 40) }, Looks::default());
    let readers: Vec<_> = (0..4).map(|id| reader(&memory, id, MIB, true)).collect();
    resident(500);
    look(&mut looks, &memory, 0);
    let status = memory.status();
    assert_eq!((status.resident, status.resident_most), (Some(500 << 20), Some(1 << 30)));
    resident(1_000);
    look(&mut looks, &memory, 5);
    assert_eq!(memory.step(), Step::Calm, "while little is used it is asked for once a second");
    look(&mut looks, &memory, 10);
    assert_eq!(
        (memory.step(), memory.status().cut),
        (Step::Cut, 4),
        "all of them hold less than is too much"
    );
    drop(readers);
    let more: Vec<_> = (10..12).map(|id| reader(&memory, id, MIB, true)).collect();
    look(&mut looks, &memory, 19);
    assert_eq!(memory.status().cut, 4, "what was freed is not given back at once");
    look(&mut looks, &memory, 20);
    assert_eq!(memory.status().cut, 6);
    let little: Vec<_> = (20..30).map(|id| reader(&memory, id, 1_000, true)).collect();
    look(&mut looks, &memory, 40);
    assert_eq!(memory.status().cut, 6, "who holds next to nothing is not cut");
    drop((more, little));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_part_that_is_silent_for_five_seconds_hangs_until_it_tells_again() {
    let (memory, mut looks) = (unseen(MIB), Looks::default());
    let (clients, _logs) = (memory.account("clients", true), memory.account("logs", false));
    for tenths in 0..200 {
        look(&mut looks, &memory, tenths);
        clients.holds(1);
        assert_eq!(memory.silent(), None);
    }
    for tenths in 200..250 {
        look(&mut looks, &memory, tenths);
    }
    assert_eq!(memory.silent(), None);
    look(&mut looks, &memory, 250);
    assert_eq!(memory.silent(), Some((1, "clients")));
    clients.holds(1);
    assert_eq!(memory.silent(), None);
    for tenths in 251..400 {
        look(&mut looks, &memory, tenths);
    }
    drop(clients);
    assert_eq!(memory.silent(), None, "what has ended does not hang");
}
