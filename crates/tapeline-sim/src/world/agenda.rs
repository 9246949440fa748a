//! What is to happen, in the order of its time; what falls on one moment happens in the order of its planning.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events by time. No order of a hash table and no address ever decides what comes first.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Entry<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    seq: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }

    /// Plans `event` for the moment `at`.
    pub(crate) fn plan(&mut self, at: u64, event: E) {
        self.planned += 1;
        self.heap.push(Entry { at, seq: self.planned, event });
    }

    /// When the next event is due; [`u64::MAX`] for never.
    pub(crate) fn due(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |entry| entry.at)
    }

    /// The next event that is due at `now`.
    pub(crate) fn take(&mut self, now: u64) -> Option<E> {
        if self.due() > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.event)
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_planning() {
        let mut agenda = Agenda::new();
        for (at, name) in [(5, "c"), (1, "a"), (5, "d"), (3, "b")] {
            agenda.plan(at, name);
        }
        assert_eq!(agenda.due(), 1);
        let order: Vec<_> = std::iter::from_fn(|| agenda.take(5)).collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
        assert_eq!(agenda.due(), u64::MAX);
    }

    #[test]
    fn nothing_comes_before_its_time() {
        let mut agenda = Agenda::new();
        agenda.plan(10, ());
        assert_eq!(agenda.take(9), None);
        assert_eq!(agenda.take(10), Some(()));
    }
}
