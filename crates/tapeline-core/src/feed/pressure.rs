//! What a feed gives up when memory runs short: half of its logs with each step.

use crate::policy::pressure::Step;

use super::Feed;
use super::repair::HELD;

/// What was asked of the logs last.
#[derive(Debug)]
pub(super) struct Squeeze {
    step: Step,
    /// What all logs together may hold for that.
    most: usize,
}

impl Default for Squeeze {
    fn default() -> Self {
        Self { step: Step::Calm, most: usize::MAX }
    }
}

impl Feed {
    /// Memory is so short. With each step up the logs give half of what they hold, whatever their bound is, and they do
    /// not grow again before all is calm.
    pub fn press(&mut self, step: Step) {
        let before = std::mem::replace(&mut self.squeeze.step, step);
        if step == Step::Calm {
            self.squeeze.most = usize::MAX;
        } else if step > before {
            let half = self.logs_held() >> (step as u32 - before as u32);
            self.squeeze.most = self.squeeze.most.min(half);
            self.shorten_logs();
        }
    }

    /// What all logs together may hold.
    pub(super) fn logs_bound(&self) -> usize {
        self.config.limits.logs_bytes.min(self.squeeze.most)
    }

    /// What all logs together hold.
    pub(super) fn logs_held(&self) -> usize {
        self.topics.iter().map(|(_, entry)| entry.history.bytes()).sum()
    }

    /// About how many bytes its logs hold, and the events behind holes.
    pub fn held_bytes(&self) -> usize {
        let behind = |id| self.topics.get(id).map_or(0, |entry| entry.sequence.held());
        self.logs_held() + self.holes.iter().map(|id| behind(*id)).sum::<usize>() * HELD
    }
}
