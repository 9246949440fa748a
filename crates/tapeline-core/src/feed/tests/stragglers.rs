//! One stream of many falls mute on one of two lines, while the other line goes on bringing it.

use std::collections::VecDeque;

use super::pair::pair;
use super::toy::{Bench, SECOND, market, read};
use crate::data::update::Level;
use crate::feed::{Action, Input};
use crate::outbox::{Outbox, Subscriber};
use crate::policy::alert::Rule;
use crate::venue::{Fetch, LineId};

/// Two lines that carry `topic` and a busy quote beside it.
struct Two {
    bench: Bench,
    lines: [LineId; 2],
    _who: Subscriber,
    outbox: Outbox,
    /// The stream of the topic, as the venue calls it.
    stream: String,
    said: [u64; 2],
    /// What was asked: the second, the line, the text.
    asked: Vec<(u64, usize, String)>,
    tenths: u64,
    id: u64,
    /// What is on its way: when it is there, on which line, what.
    way: VecDeque<(u64, usize, String)>,
}

impl Two {
    fn of(topic: &str) -> Self {
        let (mut bench, lines, who, outbox) = pair(topic);
        bench.subscribe("toy:quote:Z", &who);
        for line in lines {
            bench.hear(line, "ok 2");
        }
        bench.todo.clear();
        let stream = format!("{} {}", &topic[4..5].replace('b', "d"), &topic[topic.len() - 1..]);
        let (said, asked, way) = ([2, 2], Vec::new(), VecDeque::new());
        Self { bench, lines, _who: who, outbox, stream, said, asked, tenths: 0, id: 0, way }
    }

    /// Lets so many tenths of a second pass. An event of the topic comes every `every` of them on the lines that
    /// `brings` tells, on the first one later and later, up to `late` tenths.
    fn run(&mut self, tenths: u64, every: u64, late: u64, brings: impl Fn(&Self, usize) -> bool) {
        for _ in 0..tenths {
            self.tenths += 1;
            let new = self.tenths.is_multiple_of(every);
            self.id += u64::from(new);
            for at in 0..2 {
                let late = if at == 0 { late.min(self.tenths / 50) } else { 0 };
                let due = self.tenths + late;
                if new && brings(self, at) {
                    let id = self.id;
                    let text = match &*self.stream {
                        book if book.starts_with('d') => format!("{book} {id} {id} 95 1"),
                        other => format!("{other} {id} {id}"),
                    };
                    self.way.push_back((due, at, text));
                }
                self.way.push_back((due, at, format!("q Z {} 1", self.tenths)));
            }
            let due = |feed: &(u64, usize, String)| feed.0 <= self.tenths;
            let (here, way) = std::mem::take(&mut self.way).into_iter().partition(due);
            self.way = way;
            let here: VecDeque<_> = here;
            here.into_iter().for_each(|(_, at, text)| self.bench.hear(self.lines[at], &text));
            self.bench.pass(SECOND / 10);
            self.answer();
            read(&mut self.outbox);
        }
    }

    /// The venue accepts everything.
    fn answer(&mut self) {
        for action in std::mem::take(&mut self.bench.todo) {
            match action {
                Action::Send { line, text } => {
                    let at = usize::from(line != self.lines[0]);
                    self.said[at] += 1;
                    let said = self.said[at];
                    self.bench.hear(line, &format!("ok {said}"));
                    self.asked.push((self.tenths / 10, at, text));
                }
                Action::Ping { line, payload } => self.bench.input(Input::Pong { line, payload: &payload }),
                Action::Fetch { id, why: Fetch::Snapshot, .. } => self.bench.answer(id, self.id),
                other => self.bench.todo.push_back(other),
            }
        }
    }

    fn missed(&mut self) -> [u64; 2] {
        // Figures are told every few seconds.
        let status = self.bench.feed.status(self.bench.now);
        [0, 1].map(|at| status.lines[at].stats.missed)
    }

    fn level(&mut self) -> Level {
        self.bench.feed.status(self.bench.now).topics[0].level
    }

    fn alerted(&mut self) -> bool {
        let all = self.bench.feed.findings(self.bench.now).all;
        all.iter().any(|found| found.rule == Rule::LineLost && &*found.part == "line 0")
    }
}

#[test]
fn a_stream_that_one_of_two_lines_brings_no_more_is_asked_for_anew_on_that_line_alone() {
    for topic in ["toy:trade:A", "toy:quote:A", "toy:book:A", "toy:liquidation:A"] {
        let mut two = Two::of(topic);
        two.run(1_200, 2, 0, |_, _| true);
        assert!(two.asked.is_empty() && two.level() == Level::Healthy, "{topic}: {:?}", two.asked);
        two.run(150, 2, 0, |_, at| at == 1);
        assert_eq!(two.asked, [], "{topic}: sooner would be haste");
        two.run(150, 2, 0, |_, at| at == 1);
        let texts: Vec<_> = two.asked.iter().map(|(_, at, text)| (*at, text.clone())).collect();
        let (leave, take) = (format!("+ -{}", two.stream), format!("+{} -", two.stream));
        assert_eq!(texts, [(0, leave), (0, take)], "{topic}");
        assert!(two.alerted() && two.level() == Level::Warning, "{topic}: the next cut will be felt");
        let told = two.bench.feed.records_after(0).any(|record| {
            &*record.entity == topic && record.cause.starts_with("line 0 brings nothing of it")
        });
        assert!(told, "{topic}");
        // The venue has done as it was asked.
        two.run(600, 2, 0, |_, _| true);
        assert!(!two.alerted() && two.level() == Level::Healthy, "{topic}");
        assert_eq!(two.asked.len(), 2, "{topic}: {:?}", two.asked);
        if topic == "toy:trade:A" {
            assert_eq!(two.missed(), [150, 0], "each that came on the other line only");
        }
    }
}

#[test]
fn what_stays_mute_on_one_line_is_asked_for_less_and_less_often() {
    let mut two = Two::of("toy:trade:A");
    two.run(600, 2, 0, |_, _| true);
    two.run(36_000, 2, 0, |_, at| at == 1);
    let at: Vec<u64> =
        two.asked.iter().filter(|(.., text)| text == "+t A -").map(|(at, ..)| at - 60).collect();
    assert!((8..=12).contains(&at.len()), "within an hour: {at:?}");
    let pauses: Vec<u64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses[0] >= 20 && pauses.windows(2).all(|two| two[1] + 5 >= two[0]), "{pauses:?}");
    let missed = two.missed();
    assert!(missed[0] >= 17_900 && missed[0] <= 18_000 && missed[1] == 0, "{missed:?}");
}

#[test]
fn a_line_that_has_let_a_topic_pass_is_no_cover_for_it_when_the_other_is_cut() {
    // While it is only suspected, and after it was asked for anew.
    for silent in [180, 600] {
        let mut two = Two::of("toy:trade:R");
        two.run(600, 2, 0, |_, _| true);
        two.run(silent, 2, 0, |_, at| at == 1);
        let last = two.id;
        market(&mut two.outbox);
        two.bench.cut(two.lines[1]);
        two.bench.todo.clear();
        // What comes next shows what was missed: it is asked for at once, not waited for.
        two.bench.hear(two.lines[0], &format!("t R {} 1", last + 40));
        assert_eq!(two.bench.backfill().1, last + 1, "silent for {silent} tenths");
    }
}

#[test]
fn a_line_that_is_cut_while_the_other_brings_the_topic_breaks_nothing() {
    let mut two = Two::of("toy:trade:R");
    two.run(600, 2, 0, |_, _| true);
    two.run(400, 2, 0, |_, at| at == 1);
    two.bench.cut(two.lines[0]);
    two.bench.todo.clear();
    let next = two.id + 1;
    two.bench.hear(two.lines[1], &format!("t R {next} 1"));
    assert_eq!(market(&mut two.outbox), [format!("event {next} id={next}")]);
    assert!(!two.bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. })), "nothing is missed");
}

#[test]
fn a_line_that_is_only_late_or_a_symbol_that_is_quiet_is_left_alone() {
    for topic in ["toy:trade:A", "toy:quote:A", "toy:book:A"] {
        // The topic's pauses and how late one line is, in tenths of a second.
        for (every, late) in [(2, 99), (30, 99), (70, 99), (70, 0), (300, 99), (2, 30), (450, 0)] {
            let mut two = Two::of(topic);
            two.run(9_000, every, late, |_, _| true);
            let of_it: Vec<_> = two.asked.iter().filter(|(.., text)| text.contains(&two.stream)).collect();
            assert!(of_it.is_empty(), "{topic}, every {every}, {late} late: {of_it:?}");
        }
    }
}

#[test]
fn a_line_that_stands_still_for_a_while_has_its_streams_left_alone() {
    let mut two = Two::of("toy:trade:A");
    two.run(600, 2, 0, |_, _| true);
    let a = two.lines[0];
    for round in 0..5 {
        // Nothing comes on it for some seconds, not even a pong; then it goes on with what was held up.
        for _ in 0..(10 + round * 5) {
            two.id += 1;
            two.bench.hear(two.lines[1], &format!("t A {} 1", two.id));
            two.bench.pass(SECOND / 10);
            two.bench.todo.clear();
        }
        for id in two.id - 5..=two.id {
            two.bench.hear(a, &format!("t A {id} 1"));
        }
        two.run(300, 2, 0, |_, _| true);
    }
    assert_eq!(two.asked, []);
}

#[test]
fn what_a_line_passes_over_in_a_short_silence_is_counted() {
    let mut two = Two::of("toy:trade:A");
    two.run(600, 1, 0, |_, _| true);
    for _ in 0..700 {
        two.id += 1;
        two.bench.hear(two.lines[1], &format!("t A {} 1", two.id));
    }
    two.run(100, 1, 0, |_, _| true);
    assert_eq!(two.missed(), [700, 0]);
}

#[test]
fn a_stream_that_never_came_on_a_line_that_flows_is_asked_for_anew_there() {
    let mut two = Two::of("toy:trade:A");
    two.run(100, 2, 0, |_, at| at == 1);
    assert_eq!(two.asked, []);
    two.run(250, 2, 0, |_, at| at == 1);
    let texts: Vec<_> = two.asked.iter().map(|(_, at, text)| (*at, &**text)).collect();
    assert_eq!(texts, [(0, "+ -t A"), (0, "+t A -")]);
}

#[test]
fn what_nobody_has_after_the_cut_of_the_line_that_brought_a_topic_is_declared_though_the_other_stands() {
    let mut two = Two::of("toy:trade:A");
    two.run(600, 2, 0, |_, _| true);
    two.run(1_000, 2, 0, |_, at| at == 1);
    let (last, b) = (two.id, two.lines[1]);
    two.bench.cut(b);
    assert!(two.level() >= Level::Warning);
    two.bench.todo.clear();
    two.bench.hear(two.lines[0], &format!("t A {} 1", last + 21));
    let mut told = Vec::new();
    for _ in 0..100 {
        two.bench.hear(two.lines[0], "q Z 1 1");
        two.bench.pass(SECOND / 10);
        two.bench.todo.clear();
        told.extend(market(&mut two.outbox));
    }
    let gap = told.iter().position(|told| told.contains("gap"));
    let next = told.iter().position(|told| told.ends_with(&format!("id={}", last + 21)));
    assert!(gap.is_some() && gap < next, "{told:?}");
}

#[test]
fn a_state_that_a_line_has_let_pass_is_not_said_to_go_on_when_the_other_is_cut() {
    for (topic, goes_on) in [("toy:quote:A", true), ("toy:quote:A", false), ("toy:liquidation:A", false)] {
        let mut two = Two::of(topic);
        two.run(600, 2, 0, |_, _| true);
        two.run(400, 2, 0, |_, at| at == 1 || goes_on);
        let epoch = |two: &mut Two| two.bench.feed.status(two.bench.now).topics[0].position.epoch;
        let before = epoch(&mut two);
        two.bench.cut(two.lines[1]);
        two.bench.todo.clear();
        two.run(2, 2, 0, |_, at| at == 0);
        assert_eq!(epoch(&mut two) == before, goes_on, "{topic}");
    }
}

#[test]
fn a_book_that_a_line_has_let_pass_is_made_anew_when_the_other_is_cut() {
    for goes_on in [true, false] {
        let mut two = Two::of("toy:book:A");
        two.run(600, 2, 0, |_, _| true);
        two.run(400, 2, 0, |_, at| at == 1 || goes_on);
        let resyncs = |two: &mut Two| two.bench.feed.status(two.bench.now).topics[0].counts.resyncs;
        let before = resyncs(&mut two);
        two.bench.cut(two.lines[1]);
        two.run(50, 2, 0, |_, at| at == 0);
        assert_eq!(resyncs(&mut two) == before, goes_on);
    }
}

#[test]
fn a_line_that_has_followed_another_and_never_brings_one_topic_is_found_in_its_time() {
    let mut two = Two::of("toy:trade:A");
    two.run(600, 2, 0, |_, _| true);
    two.bench.hear(two.lines[0], "bye");
    let heir = two.bench.open();
    let (mut said, mut asked) = (0, Vec::new());
    for tenth in 0..400 {
        two.id += 1;
        for line in two.lines {
            two.bench.hear(line, &format!("t A {} 1", two.id));
        }
        two.bench.hear(heir, &format!("q Z {} 1", 1_000 + tenth));
        two.bench.pass(SECOND / 10);
        for action in std::mem::take(&mut two.bench.todo) {
            if let Action::Send { line, text } = action
                && line == heir
            {
                said += 1;
                two.bench.hear(line, &format!("ok {said}"));
                asked.push((tenth / 10, text));
            }
        }
        read(&mut two.outbox);
    }
    let leaves: Vec<u64> = asked.iter().filter(|(_, text)| text == "+ -t A").map(|(at, _)| *at).collect();
    assert!(matches!(leaves[..], [at] if (20..=35).contains(&at)), "{asked:?}");
}
