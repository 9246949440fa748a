//! What readers are told of where a topic comes from, where nothing has come that could say it.

use super::poll::turn;
use super::toy::{Bench, SECOND, live, read};
use crate::data::update::{Data, Kind, Source};
use crate::feed::{Input, TopicStatus};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::venue::Refusal;

fn topic(bench: &mut Bench, name: &str) -> TopicStatus {
    let mut topics = bench.feed.status(bench.now).topics.into_iter();
    topics.find(|topic| topic.topic.as_str() == name).unwrap()
}

#[test]
fn what_has_never_come_is_not_called_live_while_only_memory_serves_the_venue() {
    for name in ["toy:book:R", "toy:quote:N", "toy:trade:R"] {
        let mut bench = Bench::new();
        let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
        bench.subscribe(name, &who);
        assert_eq!(topic(&mut bench, name).source, Source::Live, "its line is on its way");
        for _ in 0..400 {
            bench.pass(SECOND);
            for (id, _) in turn(&mut bench, true) {
                bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "503")) });
            }
        }
        assert_eq!(bench.feed.status(bench.now).fallback.rung, "cache");
        let TopicStatus { source, reason, .. } = topic(&mut bench, name);
        assert_eq!(source, Source::Cache, "{name}");
        assert!(!reason.contains("from memory"), "memory has nothing of {name} that could be old: {reason}");
        let mut told = Vec::new();
        while let Some(update) = outbox.try_next() {
            if let Data::Status(status) = &update.data {
                told.push((update.source, status.source));
            }
        }
        assert_eq!(told.last(), Some(&(Source::Cache, Source::Cache)), "{name}: its readers are told");
    }
}

/// The sources of the snapshots and states that a reader got.
fn sources(outbox: &mut crate::outbox::Outbox) -> Vec<(Kind, Source)> {
    let mut out = Vec::new();
    while let Some(update) = outbox.try_next() {
        out.push((update.kind, update.source));
    }
    out
}

#[test]
fn a_state_from_before_a_cut_comes_from_memory_until_something_has_come_of_it() {
    for (name, first, then) in
        [("toy:quote:A", "q A 1 5", "q A 2 6"), ("toy:mark_price:!all", "k 1 X Y", "k 2 X")]
    {
        let (mut bench, line, who, mut outbox) = live(name);
        bench.subscribe("toy:trade:A", &who);
        bench.accept(line, 2);
        bench.hear(line, first);
        bench.hear(line, "t A 1 1");
        assert_eq!(topic(&mut bench, name).source, Source::Live);
        bench.cut(line);
        bench.pass(2 * SECOND);
        let line = bench.open();
        bench.accept(line, 3);
        bench.hear(line, "t A 2 1");
        let TopicStatus { source, reason, .. } = topic(&mut bench, name);
        let words = "nothing has come since its line was lost";
        assert_eq!((source, &*reason), (Source::Cache, words), "{name}: it may have changed meanwhile");
        assert_eq!(topic(&mut bench, "toy:trade:A").source, Source::Live, "whose ids tell what is missing");
        for id in 3..43 {
            bench.pass(10 * SECOND);
            bench.hear(line, &format!("t A {id} 1"));
        }
        let TopicStatus { source, held, .. } = topic(&mut bench, name);
        assert_eq!(source, Source::Cache, "{name}");
        assert!(held.is_none(), "{name}: a line would tell of a change, it does not grow old: {held:?}");
        let (late, mut seen) = Bench::reader(2, Overflow::Gap);
        bench.subscribe(name, &late);
        assert!(sources(&mut seen).contains(&(Kind::Snapshot, Source::Cache)), "{name}");
        read(&mut outbox);
        bench.hear(line, then);
        let told = sources(&mut seen);
        assert!(
            !told.is_empty() && told.iter().all(|(_, source)| *source == Source::Live),
            "{name}: {told:?}"
        );
        assert!(told.iter().any(|(kind, _)| *kind == Kind::Status), "{name}: its readers are told: {told:?}");
        assert_eq!(topic(&mut bench, name).source, Source::Live);
    }
}
