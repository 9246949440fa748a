//! What lies behind the lock of an outbox: plain messages, conflated entries, and the overflow rule.

use std::collections::VecDeque;
use std::task::Waker;

use super::conflate::{Conflator, Item, weigh};
use super::merge::Merge;
use super::{Bounds, CutOff, OutboxStats, Overflow};
use crate::data::channel::{Delivery, Shape};
use crate::data::update::{Kind, Shared};

/// Conflated state may hold this many times the bytes of the bound: what a reader misses of a book
/// grows with the prices touched, and a reader that far behind is cut off by any rule but `Block`.
const STATE_FACTOR: usize = 16;

/// Which conflated entries may leave.
#[derive(Debug, Clone, Copy)]
enum Round {
    /// All, at any time.
    Unlimited,
    /// All; the first one taken ends the round for later ones.
    Open,
    /// Those with a lower number.
    Until(u64),
}

/// The waiting updates of one consumer.
#[derive(Debug)]
pub(super) struct Queue {
    rule: Overflow,
    bounds: Bounds,
    /// What was asked for, of which `bounds` is a part while memory is short.
    granted: Bounds,
    /// What was pressed out of `plain` by the `Gap` rule: merged state and declared losses.
    pressed: Conflator,
    /// Updates to be delivered one by one.
    plain: VecDeque<Shared>,
    /// Entries of conflated topics.
    pending: Conflator,
    round: Round,
    /// Plain messages that have left, to order the two queues by first waiting.
    passed: u64,
    bytes: usize,
    snapshot_bytes: usize,
    /// A blocking outbox reached its bound and has not yet half emptied.
    blocked: bool,
    high_water: usize,
    delivered: u64,
    dropped: u64,
    /// Why nothing more will come; `None` inside = the producer went.
    pub(super) ended: Option<Option<CutOff>>,
    pub(super) consumer: Option<Waker>,
    pub(super) room: Vec<Waker>,
}

impl Queue {
    pub(super) fn new(rule: Overflow, bounds: Bounds) -> Self {
        Self {
            rule,
            bounds,
            granted: bounds,
            pressed: Conflator::default(),
            plain: VecDeque::new(),
            pending: Conflator::default(),
            round: Round::Unlimited,
            passed: 0,
            bytes: 0,
            snapshot_bytes: 0,
            blocked: false,
            high_water: 0,
            delivered: 0,
            dropped: 0,
            ended: None,
            consumer: None,
            room: Vec::new(),
        }
    }

    pub(super) fn rule(&self) -> Overflow {
        self.rule
    }

    /// While memory is short a queue that may drop and merge holds a quarter of what it was granted. Others would be
    /// cut off for it, or hold up a feed.
    pub(super) fn squeeze(&mut self, short: bool) {
        if self.rule != Overflow::Gap || self.ended.is_some() {
            return;
        }
        let Bounds { messages, bytes } = self.granted;
        let part = Bounds { messages: messages.div_ceil(4), bytes: bytes.div_ceil(4) };
        self.bounds = if short { part } else { self.granted };
        // What waits already is merged or dropped now; whoever may hold more than that is left to those who cut.
        if self.exceeds(self.bounds) {
            self.press();
        }
    }

    pub(super) fn push(&mut self, delivery: Delivery, update: Shared) {
        if self.ended.is_some() {
            return;
        }
        if delivery == Delivery::Every && self.pending.is_empty() && self.pressed.is_empty() {
            return self.push_plain(update);
        }
        let after = self.passed + self.plain.len() as u64;
        let event = update.topic.channel().shape() == Shape::Event;
        match delivery {
            Delivery::Conflate if !event => {
                let how = Merge::of(&update);
                self.pending.push(update, how, after);
            }
            // The reader changed from conflation to every update: those must not overtake.
            Delivery::Every if !event && self.pending.holds(&update.topic) => {
                self.pending.push(update, Merge::Never, after);
            }
            Delivery::Every | Delivery::Conflate => {
                self.count(&update);
                self.plain.push_back(update);
            }
        }
        self.high_water = self.high_water.max(self.len());
        self.mind_bounds();
    }

    /// As most are: nothing is conflated, so only the plain messages can be too many.
    #[inline]
    fn push_plain(&mut self, update: Shared) {
        self.count(&update);
        self.plain.push_back(update);
        self.high_water = self.high_water.max(self.plain.len());
        if self.exceeds(self.bounds) {
            self.mind_bounds();
        }
    }

    fn mind_bounds(&mut self) {
        let state_bytes = self.pending.counted_bytes() + self.pressed.counted_bytes();
        let hopeless = state_bytes > self.bounds.bytes.saturating_mul(STATE_FACTOR)
            || self.pending.surplus() + self.pressed.surplus() > self.bounds.messages;
        let over = self.exceeds(self.bounds);
        match self.rule {
            _ if !over && !hopeless => {}
            Overflow::Block => self.blocked = true,
            Overflow::Gap if !hopeless => self.press(),
            Overflow::Gap | Overflow::Disconnect => self.ended = Some(Some(CutOff::Slow)),
        }
    }

    fn exceeds(&self, bounds: Bounds) -> bool {
        self.plain.len() > bounds.messages || self.bytes - self.snapshot_bytes > bounds.bytes
    }

    fn half(&self) -> Bounds {
        Bounds { messages: self.bounds.messages / 2, bytes: self.bounds.bytes / 2 }
    }

    /// Makes room by the `Gap` rule: takes the oldest messages out until half is free, so that the
    /// next messages find room without pressing again.
    fn press(&mut self) {
        while self.exceeds(self.half()) {
            let Some(update) = self.plain.pop_front() else { return };
            self.uncount(&update);
            let event = update.topic.channel().shape() == Shape::Event;
            match update.kind {
                Kind::Tick if event => {}
                Kind::Event | Kind::Delta | Kind::Gap if event => {
                    self.dropped += 1;
                    self.pressed.lose(&update, 0);
                }
                _ => {
                    let how = Merge::of(&update);
                    self.pressed.push(update, how, 0);
                }
            }
        }
    }

    fn count(&mut self, update: &Shared) {
        let (bytes, snapshots) = weigh([update].into_iter());
        self.bytes += bytes;
        self.snapshot_bytes += snapshots;
    }

    fn uncount(&mut self, update: &Shared) {
        let (bytes, snapshots) = weigh([update].into_iter());
        self.bytes -= bytes;
        self.snapshot_bytes -= snapshots;
        self.passed += 1;
    }

    /// Whether a conflated entry may leave now, before the next plain message.
    fn pending_is_next(&self) -> bool {
        let Some((number, after)) = self.pending.front() else { return false };
        let in_round = match self.round {
            // At the end nothing newer will come to be merged with it.
            _ if self.ended.is_some() => true,
            Round::Unlimited | Round::Open => true,
            Round::Until(end) => number < end,
        };
        in_round && after <= self.passed
    }

    /// Whether there is something to take.
    pub(super) fn is_ready(&self) -> bool {
        !self.pressed.is_empty() || !self.plain.is_empty() || self.pending_is_next()
    }

    /// Takes plain messages up to `chunk`, and conflated entries in between: one if the chunk is
    /// small (what is taken can no longer be merged), all if it is not bounded.
    pub(super) fn take(&mut self, chunk: usize, out: &mut VecDeque<Item>) {
        let before = out.len();
        while out.len() - before < chunk {
            if let Some(item) = self.pressed.pop() {
                out.push_back(item);
            } else if self.pending_is_next() {
                if let Round::Open = self.round {
                    self.round = Round::Until(self.pending.next_number());
                }
                out.extend(self.pending.pop());
                if chunk != usize::MAX {
                    break;
                }
            } else if let Some(update) = self.plain.pop_front() {
                self.uncount(&update);
                out.push_back(Item::One(update));
            } else {
                break;
            }
        }
        self.delivered += (out.len() - before) as u64;
        self.mind_room();
    }

    /// Takes everything if it is all plain; else nothing and `false`.
    pub(super) fn take_plain(&mut self, out: &mut Vec<Shared>) -> bool {
        if !self.pressed.is_empty() || !self.pending.is_empty() {
            return false;
        }
        self.delivered += self.plain.len() as u64;
        self.passed += self.plain.len() as u64;
        out.extend(self.plain.drain(..));
        (self.bytes, self.snapshot_bytes) = (0, 0);
        self.mind_room();
        true
    }

    fn mind_room(&mut self) {
        let state_bytes = self.pending.counted_bytes() + self.pressed.counted_bytes();
        let roomy = state_bytes <= self.bounds.bytes.saturating_mul(STATE_FACTOR / 2)
            && self.pending.surplus() <= self.bounds.messages / 2;
        if self.blocked && roomy && !self.exceeds(self.half()) {
            self.blocked = false;
        }
    }

    /// Whether the producer must pause.
    pub(super) fn is_full(&self) -> bool {
        self.blocked && self.ended.is_none()
    }

    pub(super) fn in_rounds(&mut self) {
        self.round = Round::Open;
    }

    pub(super) fn round_is_over(&self) -> bool {
        matches!(self.round, Round::Until(end) if self.pending.front().is_none_or(|(number, _)| number >= end))
    }

    pub(super) fn next_round(&mut self) {
        if let Round::Until(_) = self.round {
            self.round = Round::Open;
        }
    }

    /// Empties everything for a consumer that left; the memory is handed out to be freed.
    pub(super) fn clear(&mut self) -> (Conflator, VecDeque<Shared>, Conflator) {
        self.ended = self.ended.or(Some(None));
        (self.bytes, self.snapshot_bytes) = (0, 0);
        let pressed = std::mem::take(&mut self.pressed);
        (pressed, std::mem::take(&mut self.plain), std::mem::take(&mut self.pending))
    }

    fn len(&self) -> usize {
        self.pressed.len() + self.plain.len() + self.pending.len()
    }

    pub(super) fn stats(&self) -> OutboxStats {
        OutboxStats {
            queued: self.len(),
            bytes: self.bytes + self.pressed.bytes() + self.pending.bytes(),
            high_water: self.high_water,
            delivered: self.delivered,
            dropped: self.dropped,
            merged: self.pending.merged + self.pressed.merged,
        }
    }
}
