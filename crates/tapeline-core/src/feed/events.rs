//! The record of what changed and why: one entry per transition, bounded.

use std::collections::VecDeque;

use serde::Serialize;

use crate::policy::uptime::KIND;
use crate::time::{Mono, Time, Unix};

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Rises by one per record.
    pub seq: u64,
    /// When, for people.
    pub wall: Unix,
    /// When, for arithmetic.
    #[serde(skip)]
    pub at: Mono,
    /// What kind of record it is: `line`, `rung`, `topic`, `feed`, `order` or `service`.
    pub kind: &'static str,
    /// Whose: `line 0`, a topic.
    pub entity: Box<str>,
    /// The state left.
    pub from: &'static str,
    /// The state entered.
    pub to: &'static str,
    /// Of transitions of service: since when that has been so.
    #[serde(skip)]
    pub since: Option<Mono>,
    /// Of lines that were lost while they were open: whether some wanted topic felt it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub felt: Option<bool>,
    /// Why.
    pub cause: Box<str>,
}

/// Records that wait to be taken, beyond those that are kept. One input may change something of every topic.
const UNTAKEN: usize = 65_536;

/// The latest records, and those that whoever takes them has not taken yet.
#[derive(Debug)]
pub(super) struct Events {
    ring: VecDeque<Record>,
    bound: usize,
    next: u64,
    /// Up to which record they were taken; `None` if nobody takes any, so that none waits.
    taken: Option<u64>,
}

impl Events {
    pub(super) fn new(bound: usize) -> Self {
        Self { ring: VecDeque::new(), bound, next: 0, taken: None }
    }

    /// Whoever keeps the records has those up to `seq`, and wants the others.
    pub(super) fn taken(&mut self, seq: u64) {
        self.taken = Some(seq);
        self.shorten();
    }

    /// What is kept is bounded; what waits to be taken is no part of that, but bounded too.
    fn shorten(&mut self) {
        while self.ring.len() > self.bound {
            let waits = |first: &Record| self.taken.is_some_and(|taken| first.seq > taken);
            if self.ring.len() <= self.bound + UNTAKEN && self.ring.front().is_some_and(waits) {
                return;
            }
            self.ring.pop_front();
        }
    }

    pub(super) fn record(
        &mut self,
        now: Time,
        entity: &str,
        change: (&'static str, &'static str),
        cause: &str,
    ) {
        let kind = match entity {
            "venue" => "rung",
            "operator" => "order",
            "feed" => "feed",
            line if line.starts_with("line ") => "line",
            _ => "topic",
        };
        self.push(made(now, kind, entity, change, cause));
    }

    /// A line has left a phase; whether that was felt, if it was lost while it was open.
    pub(super) fn line(
        &mut self,
        now: Time,
        slot: usize,
        change: (&'static str, &'static str),
        felt: Option<bool>,
        cause: &str,
    ) {
        self.push(Record { felt, ..made(now, "line", &format!("line {slot}"), change, cause) });
    }

    /// A transition of how a topic is served.
    pub(super) fn service(
        &mut self,
        now: Time,
        topic: &str,
        change: (&'static str, &'static str),
        since: Mono,
        cause: &str,
    ) {
        self.push(Record { since: Some(since), ..made(now, KIND, topic, change, cause) });
    }

    fn push(&mut self, record: Record) {
        self.next += 1;
        self.ring.push_back(Record { seq: self.next, ..record });
        self.shorten();
    }

    /// Goes on after those of a predecessor.
    pub(super) fn go_on(&mut self, before: Self) {
        let own = std::mem::replace(self, before);
        for record in own.ring {
            self.next += 1;
            self.ring.push_back(Record { seq: self.next, ..record });
        }
        self.shorten();
    }

    /// The number of the newest record.
    pub(super) const fn newest(&self) -> u64 {
        self.next
    }

    /// The records after `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = &Record> {
        self.ring.iter().skip_while(move |record| record.seq <= seq)
    }
}

/// A record that has no number yet.
fn made(
    now: Time,
    kind: &'static str,
    entity: &str,
    (from, to): (&'static str, &'static str),
    cause: &str,
) -> Record {
    let (entity, cause) = (entity.into(), cause.into());
    Record { seq: 0, wall: now.unix, at: now.mono, kind, entity, from, to, since: None, felt: None, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_bounded_all_the_same() {
        let mut events = Events::new(3);
        let mut made = 0;
        let mut make = |events: &mut Events, times: usize| {
            (0..times).for_each(|_| events.record(Time::default(), "feed", ("", ""), ""));
            made += times;
            (made - events.ring.len(), events.ring.len())
        };
        assert_eq!(make(&mut events, 10), (7, 3), "nobody takes any, so the latest are kept");
        events.taken(10);
        assert_eq!(make(&mut events, UNTAKEN), (10, UNTAKEN));
        assert_eq!(make(&mut events, 10), (17, UNTAKEN + 3), "the oldest go, and their numbers show it");
        events.taken(events.newest());
        assert_eq!(events.after(0).count(), 3);
    }
}
