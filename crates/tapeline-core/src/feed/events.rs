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
    /// Why.
    pub cause: Box<str>,
}

/// The latest records.
#[derive(Debug)]
pub(super) struct Events {
    ring: VecDeque<Record>,
    bound: usize,
    next: u64,
}

impl Events {
    pub(super) fn new(bound: usize) -> Self {
        Self { ring: VecDeque::new(), bound, next: 0 }
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
        self.push(now, kind, entity, change, None, cause);
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
        self.push(now, KIND, topic, change, Some(since), cause);
    }

    fn push(
        &mut self,
        now: Time,
        kind: &'static str,
        entity: &str,
        (from, to): (&'static str, &'static str),
        since: Option<Mono>,
        cause: &str,
    ) {
        if self.ring.len() >= self.bound {
            self.ring.pop_front();
        }
        self.next += 1;
        let (seq, wall, at) = (self.next, now.unix, now.mono);
        let (entity, cause) = (entity.into(), cause.into());
        self.ring.push_back(Record { seq, wall, at, kind, entity, from, to, since, cause });
    }

    /// Goes on after those of a predecessor.
    pub(super) fn go_on(&mut self, before: Self) {
        let own = std::mem::replace(self, before);
        for record in own.ring {
            self.next += 1;
            self.ring.push_back(Record { seq: self.next, ..record });
        }
        while self.ring.len() > self.bound {
            self.ring.pop_front();
        }
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
