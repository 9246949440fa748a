//! Breakers in an operator's hand: nothing passes, or everything does, until they are reset.

use crate::policy::breaker::{Override, State};
use crate::time::{Mono, Time};

use super::Feed;
use super::gate::Gate;
use super::line::Phase;

impl Gate {
    /// What an operator makes of every breaker, of streams and of REST; how many did something else before.
    fn override_breakers(&mut self, now: Mono, how: Override) -> usize {
        let mut count = 0;
        for endpoint in self.streams.iter_mut().chain(&mut self.rest) {
            let breaker = &mut endpoint.breaker;
            let before = breaker.state(now);
            match how {
                Override::Open if before != State::ForcedOpen => breaker.force_open(now),
                Override::Disabled if before != State::Disabled => breaker.disable(),
                Override::Open | Override::Disabled => continue,
            }
            count += 1;
        }
        count
    }
}

impl Feed {
    /// An operator takes the breakers over. What is open, or is being dialled, goes on; what waits for the gate asks it
    /// again, since the time it was told is not true any more.
    pub(super) fn override_breakers(&mut self, now: Time, how: Override) -> usize {
        let touched = self.gate.override_breakers(now.mono, how);
        self.ask_the_gate_again();
        self.fallback.not_before = Mono::default();
        for slot in 0..self.lines.len() {
            if self.lines[slot].barred().is_some() {
                self.enter(now, slot, Phase::Waiting { until: now.mono }, "an operator changed the breakers");
            }
        }
        touched
    }
}
