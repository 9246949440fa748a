//! The record of what changed and why: one entry per transition, bounded.

use std::collections::VecDeque;

use serde::Serialize;

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
    /// Whose: `line 0`, a topic.
    pub entity: Box<str>,
    /// The state left.
    pub from: &'static str,
    /// The state entered.
    pub to: &'static str,
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
        if self.ring.len() >= self.bound {
            self.ring.pop_front();
        }
        self.next += 1;
        let (from, to) = change;
        let (entity, cause) = (entity.into(), cause.into());
        self.ring.push_back(Record { seq: self.next, wall: now.unix, at: now.mono, entity, from, to, cause });
    }

    /// The records after `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = &Record> {
        self.ring.iter().skip_while(move |record| record.seq <= seq)
    }
}
