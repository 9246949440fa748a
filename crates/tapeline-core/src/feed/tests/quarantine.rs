//! Topics over which we panic: set aside for a while, and the others run on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::toy::{Bench, SECOND, market, read};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, Input, Memory};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::alert::Rule;
use crate::policy::breaker;
use crate::policy::recovery::Recovery;
use crate::policy::uptime::KIND;
use crate::venue::{LineId, Refusal};

const SET_ASIDE: &str = "status 1 quarantined quarantined for 60 s: the translation of its messages panicked";

/// A reader of the trades of R, whose history the venue keeps, and of those of B, on a line that is open.
struct Two {
    bench: Bench,
    line: LineId,
    /// The next trade of B.
    next: u64,
    /// The next request to be accepted.
    request: u64,
    r: Outbox,
    b: Outbox,
    _who: [Subscriber; 2],
}

impl Two {
    fn new() -> Self {
        let mut bench = Bench::new();
        let ((one, r), (other, b)) = (Bench::reader(1, Overflow::Gap), Bench::reader(2, Overflow::Gap));
        bench.subscribe("toy:trade:R", &one);
        bench.subscribe("toy:trade:B", &other);
        let line = bench.open();
        assert_eq!(bench.accept(line, 1), ["+t B|t R -"]);
        let mut two = Self { bench, line, next: 1, request: 2, r, b, _who: [one, other] };
        two.bench.hear(line, "t R 1 1");
        two.flow(SECOND);
        two
    }

    /// Trades of B come, two a second.
    fn flow(&mut self, by: Duration) {
        let end = self.bench.now.later(by).mono;
        while self.bench.now.mono < end {
            let text = format!("t B {} 1", self.next);
            self.next += 1;
            self.bench.hear(self.line, &text);
            self.bench.pass(SECOND / 2);
        }
    }

    /// What was asked of the venue since; it is accepted.
    fn asked(&mut self) -> Vec<String> {
        let asked = self.bench.accept(self.line, self.request);
        self.request += asked.len() as u64;
        asked
    }

    /// So many trades of R cannot be translated.
    fn boom(&mut self, times: usize) {
        for _ in 0..times {
            self.bench.hear(self.line, "boom t R");
        }
    }

    fn is_set_aside(&mut self) -> bool {
        let status = self.bench.feed.status(self.bench.now);
        let topic = status.topics.iter().find(|topic| topic.topic.as_str() == "toy:trade:R").unwrap();
        assert_eq!(topic.quarantine.is_some(), topic.phase == "quarantined");
        assert_eq!(topic.quarantine.is_some(), topic.lines.is_empty());
        topic.quarantine.is_some()
    }

    /// Of B every trade came.
    fn b_has_all(&mut self) {
        let told = market(&mut self.b);
        let all: Vec<String> = (1..self.next).map(|id| format!("event {id} id={id}")).collect();
        assert_eq!(told, all);
    }
}

#[test]
fn one_or_two_bad_messages_cost_themselves_only() {
    let mut two = Two::new();
    two.boom(2);
    two.bench.hear(two.line, "t R 4 1");
    two.bench.pass(SECOND / 4);
    let (fetch, from, to) = two.bench.backfill();
    assert_eq!((from, to), (2, 3));
    two.bench.give(fetch, 2..=3);
    let told = ["event 1 id=1", "event 2 id=2 repair", "event 3 id=3 repair", "event 4 id=4"];
    assert_eq!(market(&mut two.r), told);
    assert!(!two.is_set_aside());
}

#[test]
fn a_poisoned_topic_is_set_aside_and_comes_back_with_what_it_missed() {
    let mut two = Two::new();
    two.boom(3);
    assert!(two.is_set_aside());
    assert_eq!(two.asked(), ["+ -t R"], "nothing more is asked of the venue");
    assert_eq!(read(&mut two.r).last().unwrap(), SET_ASIDE);
    // What is on its way still harms nobody, and reaches nobody.
    two.boom(10);
    two.bench.hear(two.line, "t R 2 1");
    two.flow(59 * SECOND);
    assert!(two.is_set_aside());
    assert_eq!((market(&mut two.r), two.asked()), (vec![], vec![]));
    two.flow(2 * SECOND);
    assert!(!two.is_set_aside());
    assert_eq!(two.asked(), ["+t R -"]);
    two.bench.hear(two.line, "t R 40 1");
    let (fetch, from, to) = two.bench.backfill();
    assert_eq!((from, to), (2, 39), "it is asked for at once: that it missed something is no surprise");
    two.bench.give(fetch, 2..=39);
    let told = market(&mut two.r);
    assert_eq!((told.len(), &*told[0], &*told[38]), (39, "event 2 id=2 repair", "event 40 id=40"));
    two.b_has_all();
    let status = two.bench.feed.status(two.bench.now);
    assert_eq!((status.lines[0].stats.drops, status.decode_panics, status.gaps), (0, 3, 0));
}

#[test]
fn a_topic_that_breaks_again_is_set_aside_for_longer_and_forgiven_in_the_end() {
    let mut two = Two::new();
    let mut terms = Vec::new();
    for _ in 0..6 {
        two.boom(3);
        let from = two.bench.now.mono;
        assert_eq!(two.asked(), ["+ -t R"]);
        while two.is_set_aside() {
            two.flow(SECOND);
        }
        terms.push(two.bench.now.mono.since(from).as_secs());
        assert_eq!(two.asked(), ["+t R -"]);
        two.bench.hear(two.line, "t R 1 1");
    }
    assert_eq!(terms, [60, 120, 240, 480, 900, 900]);
    two.flow(901 * SECOND);
    // REST was asked whether it has missed anything.
    two.bench.todo.clear();
    two.boom(2);
    assert!(!two.is_set_aside(), "after a quarter of an hour it is as good as any");
    two.boom(1);
    two.asked();
    two.flow(60 * SECOND);
    assert!(!two.is_set_aside());
    assert_eq!(two.bench.feed.status(two.bench.now).lines[0].stats.drops, 0);
}

#[test]
fn the_log_of_service_and_the_alerts_tell_of_it() {
    let mut two = Two::new();
    let told = |two: &Two| {
        let records = two.bench.feed.records_after(0).filter(|record| *record.entity == *"toy:trade:R");
        let told = records.map(|record| (record.kind == KIND, record.from, record.to));
        told.collect::<Vec<_>>()
    };
    two.boom(3);
    two.asked();
    let all = told(&two);
    assert_eq!(all[all.len() - 2..], [(false, "live", "quarantined"), (true, "full", "down")]);
    let found = two.bench.feed.findings(two.bench.now).all;
    let found: Vec<_> = found.iter().filter(|found| found.rule == Rule::Quarantined).collect();
    assert_eq!((found.len(), &*found[0].part), (1, "toy:trade:R"));
    assert!(found[0].evidence.contains("time 1, for 60 s more"), "{}", found[0].evidence);
    two.flow(61 * SECOND);
    two.asked();
    two.bench.hear(two.line, "t R 2 1");
    let all = told(&two);
    assert_eq!(all[all.len() - 2..], [(false, "quarantined", "idle"), (true, "down", "full")]);
    assert!(two.bench.feed.findings(two.bench.now).all.iter().all(|found| found.rule != Rule::Quarantined));
}

#[test]
fn replies_that_break_their_translation_set_a_topic_aside_and_blame_no_endpoint() {
    let mut two = Two::new();
    two.bench.hear(two.line, "t R 9 1");
    two.flow(SECOND);
    for _ in 0..3 {
        let (id, ..) = two.bench.backfill();
        two.bench.input(Input::Fetched { id, result: Err(Refusal::panic()) });
        two.flow(4 * SECOND);
    }
    assert!(two.is_set_aside());
    let status = two.bench.feed.status(two.bench.now);
    assert_eq!((status.decode_panics, status.endpoints.last().unwrap().breaker), (3, breaker::State::Closed));
    assert!(!Refusal::panic().fault.counts_for_breaker());
    two.b_has_all();
}

#[test]
fn an_operator_ends_it() {
    let mut two = Two::new();
    two.boom(3);
    two.asked();
    two.bench.feed.command(two.bench.now, Command::Recover { slot: None, how: Recovery::Immediate });
    two.bench.collect();
    assert!(!two.is_set_aside());
    two.flow(SECOND);
    assert_eq!(two.asked(), ["+t R -"]);
    two.boom(1);
    assert!(two.is_set_aside(), "it was not forgotten");
}

#[test]
fn the_last_topic_of_a_line_takes_it_down_and_up_again() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:quote:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "q A 1 7");
    for _ in 0..3 {
        bench.hear(line, "boom q A");
    }
    bench.todo.clear();
    market(&mut outbox);
    bench.pass(61 * SECOND);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "q A 2 8");
    assert_eq!(market(&mut outbox), ["snapshot 0 bid=8"], "what was shown before is another stretch");
}

#[test]
fn a_topic_that_crashes_the_feed_is_set_aside_by_its_successor() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:R", &who);
    bench.subscribe("toy:book:X", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t R 1 1");
    let frame = Input::Frame { line, bytes: b"d X 10 10 95 1" };
    let crash = catch_unwind(AssertUnwindSafe(|| bench.feed.handle(bench.now, frame)));
    assert!(crash.is_err());
    let successor = |bench: Bench| {
        let now = bench.now;
        let mut memory = bench.feed.into_memory();
        memory.crashed(now);
        let mut next = Bench::with(FeedConfig::default(), memory);
        next.now = now;
        next.pass(Duration::from_millis(1));
        next
    };
    let mut bench = successor(bench);
    let line = bench.open();
    assert_eq!(bench.accept(line, 1), ["+t R -"], "the others run on");
    bench.hear(line, "t R 2 1");
    let told = read(&mut outbox);
    assert!(told.contains(&"status 0 quarantined quarantined for 60 s: the feed crashed over it".to_owned()));
    assert!(told.contains(&"event 1 id=2".to_owned()), "{told:?}");
    // Another crash, of which it is not the cause, does not make it forgotten.
    bench.pass(Duration::from_secs(1));
    let mut bench = successor(bench);
    let topic = |bench: &mut Bench| {
        let topics = bench.feed.status(bench.now).topics;
        topics.into_iter().find(|topic| topic.topic.as_str() == "toy:book:X").unwrap()
    };
    let held = topic(&mut bench).quarantine.unwrap();
    assert_eq!(held.times, 1);
    assert!((58_000..59_100).contains(&held.left_ms), "{held:?}");
    let memory: Memory = bench.feed.into_memory().without_wishes(bench.now.mono, true);
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.subscribe("toy:book:X", &who);
    assert_eq!(topic(&mut bench).quarantine, None, "an operator forgave everything");
}

#[test]
fn panics_whose_topic_is_known_are_not_held_against_the_line() {
    let mut two = Two::new();
    two.boom(3);
    for _ in 0..2 {
        two.bench.hear(two.line, "boom t B");
    }
    let status = two.bench.feed.status(two.bench.now);
    assert_eq!((status.lines[0].stats.drops, status.lines[0].stats.undecodable), (0, 5));
    // Those of nobody are, as any other message that cannot be read.
    for _ in 0..5 {
        two.bench.hear(two.line, "panic");
    }
    assert_eq!(two.bench.feed.status(two.bench.now).lines[0].stats.drops, 1);
}

#[test]
fn a_reply_that_was_on_its_way_is_not_published() {
    let mut two = Two::new();
    two.bench.hear(two.line, "t R 9 1");
    two.flow(SECOND);
    let (fetch, from, to) = two.bench.backfill();
    two.boom(3);
    assert_eq!(market(&mut two.r), ["event 1 id=1", "gap 2 2-8", "event 3 id=9"], "what had come goes out");
    two.bench.give(fetch, from..=to);
    assert_eq!(market(&mut two.r), Vec::<String>::new());
}

#[test]
fn its_own_silence_is_not_held_against_it() {
    let mut two = Two::new();
    for id in 2..62 {
        two.bench.hear(two.line, &format!("t R {id} 1"));
        two.flow(SECOND / 2);
    }
    two.boom(3);
    assert_eq!(two.asked(), ["+ -t R"]);
    two.flow(61 * SECOND);
    assert_eq!(two.asked(), ["+t R -"]);
    two.flow(8 * SECOND);
    two.bench.todo.retain(|action| matches!(action, Action::Send { .. }));
    assert_eq!(two.asked(), Vec::<String>::new(), "it is not mute: nothing was asked of it");
}

/// Whether a topic that was set aside is asked for again, and what comes of it delivered.
fn comes_back() -> bool {
    let mut two = Two::new();
    two.boom(3);
    two.asked();
    two.flow(61 * SECOND);
    let asked = two.asked();
    two.bench.hear(two.line, "t R 2 1");
    asked == ["+t R -"] && market(&mut two.r).last().is_some_and(|line| line.ends_with("id=2"))
}

#[test]
fn who_was_set_aside_comes_back() {
    assert!(comes_back());
}

#[cfg(feature = "defects")]
#[test]
fn a_quarantine_that_never_ends_is_noticed() {
    use crate::defect::{Defect, plant};
    plant(Some(Defect::EndlessQuarantine));
    let back = comes_back();
    plant(None);
    assert!(!back, "a planted mistake is not noticed");
}
