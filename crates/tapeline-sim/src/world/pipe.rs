//! One direction of one connection: what is on its way, in order, as TCP keeps it.

use std::collections::VecDeque;

/// What is on its way in one direction.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    queue: VecDeque<(u64, T)>,
    /// When the newest arrives: nothing overtakes it.
    last: u64,
    /// Nothing arrives before.
    shut: u64,
    /// For when the owner has planned to look next.
    armed: u64,
}

impl<T> Pipe<T> {
    pub(crate) const fn new() -> Self {
        Self { queue: VecDeque::new(), last: 0, shut: 0, armed: u64::MAX }
    }

    /// Sends something that would arrive at `at` if nothing were before it.
    pub(crate) fn send(&mut self, at: u64, item: T) {
        self.last = self.last.max(at);
        self.queue.push_back((self.last, item));
    }

    /// Nothing arrives before `until`; [`u64::MAX`] for never again.
    pub(crate) fn shut(&mut self, until: u64) {
        self.shut = self.shut.max(until);
    }

    /// The next thing that has arrived by `now`.
    pub(crate) fn take(&mut self, now: u64) -> Option<T> {
        if self.shut > now || self.queue.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        self.queue.pop_front().map(|(_, item)| item)
    }

    /// When the owner must look, unless that is planned already.
    pub(crate) fn arm(&mut self, now: u64) -> Option<u64> {
        let due = self.queue.front().map(|(at, _)| (*at).max(self.shut).max(now))?;
        if due == u64::MAX || due >= self.armed && self.armed >= now {
            return None;
        }
        self.armed = due;
        Some(due)
    }

    /// The owner looks at `now`; what was planned for it is over.
    pub(crate) fn looked(&mut self, now: u64) {
        if self.armed <= now {
            self.armed = u64::MAX;
        }
    }

    /// Throws away what is on its way.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes() {
        let mut pipe = Pipe::new();
        pipe.send(10, 'a');
        pipe.send(5, 'b');
        assert_eq!(
            (pipe.take(9), pipe.take(10), pipe.take(10), pipe.take(99)),
            (None, Some('a'), Some('b'), None)
        );
    }

    #[test]
    fn a_shut_pipe_gives_all_when_it_opens_and_a_dead_one_nothing() {
        let mut pipe = Pipe::new();
        pipe.send(1, 'a');
        pipe.shut(50);
        assert_eq!((pipe.take(49), pipe.arm(2)), (None, Some(50)));
        assert_eq!(pipe.take(50), Some('a'));
        pipe.send(51, 'b');
        pipe.shut(u64::MAX);
        assert_eq!((pipe.take(1_000), pipe.arm(60)), (None, None));
    }

    #[test]
    fn a_look_is_planned_once() {
        let mut pipe = Pipe::new();
        pipe.send(10, 'a');
        assert_eq!(pipe.arm(1), Some(10));
        pipe.send(20, 'b');
        assert_eq!(pipe.arm(2), None);
        pipe.looked(10);
        assert_eq!(pipe.take(10), Some('a'));
        assert_eq!(pipe.arm(10), Some(20));
    }
}
