//! Keys that a venue refused: they are read anew from where they come before the line is dialled again, and others
//! than those that were refused set a line free that was halted for them.

use crate::policy::fault::Fault;
use crate::time::Time;
use crate::venue::Keys;

use super::Feed;
use super::io::Action;
use super::line::Phase;

/// How a venue took the keys that a line came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeyState {
    /// It did not object.
    #[default]
    Good,
    /// It refused them: they are read anew before the next dial.
    Refused,
    /// They are being read.
    Asked,
}

impl Feed {
    /// Whether the next dial of a line has to wait until its keys, which the venue refused, have been read anew.
    pub(super) fn waits_for_keys(&mut self, now: Time, slot: usize) -> bool {
        // If nobody has answered in time, those at hand are tried once more.
        if std::mem::take(&mut self.lines[slot].keys) != KeyState::Refused {
            return false;
        }
        // One answer is enough for all lines.
        if !self.lines.iter().any(|line| line.keys == KeyState::Asked) {
            self.actions.push_back(Action::ReadKeys);
        }
        self.lines[slot].keys = KeyState::Asked;
        let until = now.mono + self.config.timing.login_within;
        self.enter(now, slot, Phase::Waiting { until }, "the keys are read anew");
        true
    }

    /// The keys were read anew. Whoever waits for that is dialled; with others, so is whoever was halted for those.
    pub(super) fn take_keys(&mut self, now: Time, keys: Option<Keys>) {
        let are_others = keys.is_some() && keys != self.config.keys;
        if are_others {
            self.config.keys = keys;
        }
        for slot in 0..self.lines.len() {
            let line = &mut self.lines[slot];
            let refused = matches!(line.fault, Some((Fault::Authentication, _)));
            match line.phase {
                Phase::Waiting { .. } if line.keys == KeyState::Asked => {}
                Phase::Halted { .. } if are_others && refused => line.failures.keys_accepted(),
                _ => continue,
            }
            line.keys = KeyState::Good;
            self.enter(now, slot, Phase::Waiting { until: now.mono }, "the keys were read anew");
        }
    }
}
