//! What becomes of a line, and of what is wanted, while the line that is to follow it cannot.

use std::collections::BTreeMap;

use super::pair::pair;
use super::toy::{Bench, SECOND, live, market, read};
use crate::feed::{Action, Command, DialError, Input, Stage};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;
use crate::venue::{Decoded, LineId};

/// What the venue does with a dial.
#[derive(Clone, Copy, PartialEq)]
enum Door {
    Shut,
    /// It opens, and what is asked for comes.
    Open,
    /// It opens and acknowledges, and nothing comes.
    Mute,
}

/// A venue with as many connections as are dialled.
struct Toys {
    /// How the endpoints take dials.
    doors: [Door; 2],
    /// Streams of which a line that is opened from now on has no room.
    full: Option<&'static str>,
    open: BTreeMap<u32, (LineId, Door)>,
    said: BTreeMap<u32, u64>,
    dials: Vec<usize>,
    asked: Vec<(u32, String)>,
    told: u64,
}

impl Toys {
    fn new(doors: [Door; 2]) -> Self {
        let (open, said) = Default::default();
        Self { doors, full: None, open, said, dials: Vec::new(), asked: Vec::new(), told: 10_000 }
    }

    /// Goes on with lines on which so many requests have been said.
    fn knowing(lines: &[(LineId, u64)], doors: [Door; 2]) -> Self {
        let mut toys = Self::new(doors);
        for (line, said) in lines {
            toys.open.insert(line.slot, (*line, Door::Open));
            toys.said.insert(line.slot, *said);
        }
        toys
    }

    fn act(&mut self, bench: &mut Bench) {
        while let Some(action) = bench.todo.pop_front() {
            match action {
                Action::Dial { line, request, .. } => {
                    let place = usize::from(request.url == "ws://b");
                    self.dials.push(place);
                    if self.doors[place] == Door::Shut {
                        let (stage, fault) = (Stage::Tcp, Fault::Transient);
                        let why = DialError { stage, fault, detail: "no".into() };
                        bench.input(Input::Failed { line, why });
                    } else {
                        self.open.insert(line.slot, (line, self.doors[place]));
                        bench.input(Input::Opened { line });
                    }
                }
                Action::Send { line, text } => {
                    let said = self.said.entry(line.slot).or_default();
                    *said += 1;
                    let full = self.full.is_some_and(|stream| text.contains(stream));
                    let word = if full { "full" } else { "ok" };
                    bench.hear(line, &format!("{word} {said}"));
                    self.asked.push((line.slot, text));
                }
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Close { line, .. } => self.open.retain(|_, (held, _)| *held != line),
                Action::Fetch { id, .. } => {
                    bench.input(Input::Fetched { id, result: Ok(Decoded::default()) });
                }
                _ => {}
            }
        }
    }

    /// Lets the venue run: each second an event of each symbol on every line that is not mute.
    fn run(&mut self, bench: &mut Bench, seconds: u64, symbols: &[&str]) {
        for _ in 0..seconds {
            self.act(bench);
            self.told += 1;
            let open: Vec<_> = self.open.values().copied().collect();
            for (line, _) in open.iter().filter(|(_, door)| *door == Door::Open) {
                symbols.iter().for_each(|symbol| bench.hear(*line, &format!("t {symbol} {} 1", self.told)));
            }
            bench.pass(SECOND);
        }
        self.act(bench);
    }
}

fn lines_of(bench: &mut Bench, topic: usize) -> Vec<u32> {
    bench.feed.status(bench.now).topics[topic].lines.clone()
}

fn rotate(bench: &mut Bench, slot: Option<u32>) {
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot }), 1);
    bench.collect();
}

#[test]
fn what_is_wanted_while_a_follower_is_tried_in_vain_stays_with_the_line_that_serves() {
    for door in [Door::Mute, Door::Shut] {
        let (mut bench, old, who, mut outbox) = live("toy:trade:A");
        let mut toys = Toys::knowing(&[(old, 1)], [door; 2]);
        toys.run(&mut bench, 5, &["A"]);
        rotate(&mut bench, None);
        toys.run(&mut bench, 2, &["A"]);
        bench.subscribe("toy:trade:B", &who);
        toys.run(&mut bench, 1, &["A"]);
        assert!(toys.asked.contains(&(old.slot, "+t B -".into())), "at once, of the line that stands");
        read(&mut outbox);
        toys.run(&mut bench, 400, &["A", "B"]);
        let told = market(&mut outbox);
        assert_eq!(told.iter().filter(|line| line.starts_with("event")).count(), 800, "nothing twice");
        let topic = bench.feed.status(bench.now).topics[1].clone();
        assert!(topic.lines.contains(&old.slot) && topic.phase == "live", "{:?}", topic.lines);
        assert_eq!(topic.counts.gaps, 0);
    }
}

#[test]
fn a_follower_without_room_for_everything_does_not_take_over() {
    let (mut bench, old, who, mut outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(old, 2);
    let mut toys = Toys::knowing(&[(old, 2)], [Door::Open; 2]);
    toys.run(&mut bench, 5, &["A", "B"]);
    rotate(&mut bench, None);
    toys.full = Some("t B");
    toys.run(&mut bench, 40, &["A", "B"]);
    let status = bench.feed.status(bench.now);
    assert_eq!(status.rotations, 0);
    assert_eq!([lines_of(&mut bench, 0), lines_of(&mut bench, 1)], [[old.slot], [old.slot]]);
    toys.full = None;
    toys.run(&mut bench, 60, &["A", "B"]);
    let status = bench.feed.status(bench.now);
    assert_eq!((status.rotations, status.topics[1].counts.gaps), (1, 0), "later there is room");
    assert_eq!([lines_of(&mut bench, 0), lines_of(&mut bench, 1)], [[1], [1]]);
    assert_eq!(market(&mut outbox).len(), 2 * 105);
}

#[test]
fn what_neither_line_of_a_rotation_has_room_for_goes_to_a_third_and_is_not_carried_twice() {
    let (mut bench, old, who, _outbox) = live("toy:trade:A");
    let mut toys = Toys::knowing(&[(old, 1)], [Door::Open; 2]);
    toys.run(&mut bench, 5, &["A"]);
    rotate(&mut bench, None);
    toys.run(&mut bench, 1, &["A"]);
    toys.full = Some("t B");
    bench.subscribe("toy:trade:B", &who);
    while bench.todo.iter().any(|action| matches!(action, Action::Send { .. })) {
        toys.act(&mut bench);
    }
    toys.full = None;
    toys.run(&mut bench, 200, &["A", "B"]);
    let [a, b] = [0, 1].map(|topic| lines_of(&mut bench, topic));
    assert!(a.len() == 1 && b.len() == 1 && a != b, "{a:?} {b:?}");
    assert_eq!(bench.feed.status(bench.now).rotations, 1);
}

#[test]
fn a_preferred_endpoint_that_brings_nothing_is_rated_down_and_tried_ever_more_rarely() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let mut toys = Toys::new([Door::Shut, Door::Open]);
    toys.run(&mut bench, 60, &["A"]);
    toys.doors[0] = Door::Mute;
    toys.dials.clear();
    toys.run(&mut bench, 900, &["A"]);
    let tried = toys.dials.iter().filter(|place| **place == 0).count();
    assert!((1..=5).contains(&tried), "{:?}", toys.dials);
    bench.subscribe("toy:trade:B", &who);
    toys.run(&mut bench, 1_500, &["A", "B"]);
    let tried = toys.dials.iter().filter(|place| **place == 0).count();
    assert!(tried <= 10, "{:?}", toys.dials);
    let topic = bench.feed.status(bench.now).topics[1].clone();
    assert!(!topic.lines.is_empty() && topic.counts.received >= 1_495, "{}", topic.counts.received);
    assert_eq!(topic.counts.gaps, 0);
}

#[test]
fn after_a_pin_during_a_rotation_each_side_has_one_line_and_can_be_rotated() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:R");
    let mut toys = Toys::knowing(&[(a, 1), (b, 1)], [Door::Open; 2]);
    toys.run(&mut bench, 5, &["R"]);
    for round in 0..4 {
        // As long as it has no data it takes nothing over.
        toys.doors = [Door::Mute; 2];
        let slot = bench.feed.status(bench.now).lines[0].id;
        rotate(&mut bench, Some(slot));
        toys.run(&mut bench, 2, &["R"]);
        assert_eq!(lines_of(&mut bench, 0).len(), 3, "round {round}");
        bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll });
        bench.collect();
        toys.run(&mut bench, 2, &["R"]);
        assert!(toys.open.is_empty());
        toys.doors = [Door::Open; 2];
        bench.feed.command(bench.now, Command::Unpin);
        bench.collect();
        toys.run(&mut bench, 200, &["R"]);
        assert_eq!((lines_of(&mut bench, 0).len(), toys.open.len()), (2, 2), "round {round}");
    }
    let before = bench.feed.status(bench.now).rotations;
    let slots: Vec<u32> = bench.feed.status(bench.now).lines.iter().map(|line| line.id).collect();
    rotate(&mut bench, Some(slots[0]));
    toys.run(&mut bench, 10, &["R"]);
    rotate(&mut bench, Some(slots[1]));
    toys.run(&mut bench, 10, &["R"]);
    assert_eq!(bench.feed.status(bench.now).rotations, before + 2);
    assert_eq!(lines_of(&mut bench, 0).len(), 2);
}

#[test]
fn a_line_alone_is_alone_again_after_a_pin_during_its_rotation() {
    let (mut bench, old, _who, _outbox) = live("toy:trade:R");
    let mut toys = Toys::knowing(&[(old, 1)], [Door::Open; 2]);
    toys.run(&mut bench, 5, &["R"]);
    rotate(&mut bench, None);
    toys.run(&mut bench, 1, &["R"]);
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll });
    bench.collect();
    toys.run(&mut bench, 2, &["R"]);
    bench.feed.command(bench.now, Command::Unpin);
    bench.collect();
    toys.run(&mut bench, 3_600, &["R"]);
    assert_eq!((lines_of(&mut bench, 0).len(), toys.open.len()), (1, 1), "one line was wanted");
}
