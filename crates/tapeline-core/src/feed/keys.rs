//! Keys over their life. Those that a venue refused are read anew from where they come before the line is dialled
//! again, and others than those set a line free that was halted for them. Those that will end are read anew before, and
//! others are shown to the venue while the line stands.

use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::policy::fault::Fault;
use crate::time::{Mono, Time};
use crate::venue::{Keys, Login};

use super::Feed;
use super::io::Action;
use super::line::Phase;
use super::login::Again;
use super::rotate::Role;

/// Keys are renewed when so much of their life is over, in percent.
const RENEWED_AT: u32 = 80;
/// If there are no others yet, they are looked for again after so much of it more …
const AGAIN_AFTER: u32 = 5;
/// … and not sooner than this.
const LEAST: Duration = Duration::from_secs(1);

/// How long our keys last, and when they are renewed.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Rises with every other keys.
    pub(super) edition: u32,
    /// How long they were said to last, and until when that is.
    life: Option<(Duration, Mono)>,
    /// When they are read anew.
    read_at: Option<Mono>,
}

impl Renewal {
    pub(super) const fn deadline(&self) -> Option<Mono> {
        self.read_at
    }
}

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
        let are_others = keys
            .as_ref()
            .is_some_and(|keys| !self.config.keys.as_ref().is_some_and(|before| before.are(keys)));
        if let Some(keys) = keys {
            // The same may have been made to last longer; what is left of them is no new life.
            let last = self.renewal.life.zip(keys.life);
            if are_others || last.is_none_or(|((_, until), life)| now.mono + life > until + LEAST) {
                self.keys_last(now, keys.life);
            }
            self.config.keys = Some(keys);
        }
        self.renewal.edition += u32::from(are_others);
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
        self.put_keys_in_motion(now);
    }

    /// Our keys last for so much longer, or nobody knows how long.
    pub(super) fn keys_last(&mut self, now: Time, life: Option<Duration>) {
        self.renewal.life = life.map(|life| (life, now.mono + life));
        self.renewal.read_at = life.map(|life| now.mono + (life * RENEWED_AT / 100).max(LEAST));
    }

    /// Reads keys anew that will end soon. Once they have ended it is for the venue to refuse them.
    pub(super) fn renew_keys(&mut self, now: Time) {
        // A line that followed another one may have been dialled before there were others.
        self.put_keys_in_motion(now);
        let (Some(at), Some((life, until))) = (self.renewal.read_at, self.renewal.life) else { return };
        if at > now.mono {
            return;
        }
        let next = now.mono + (life * AGAIN_AFTER / 100).max(LEAST);
        self.renewal.read_at = Some(next).filter(|next| *next < until);
        if !self.stopping && !planted(Defect::NeverRenewKeys) {
            self.actions.push_back(Action::ReadKeys);
        }
    }

    /// Lines that were opened with other keys than there are now: where the venue allows it those are shown on the open
    /// line, or it is followed by another one. Where it allows neither, the line serves until the venue ends it.
    fn put_keys_in_motion(&mut self, now: Time) {
        for slot in 0..self.lines.len() {
            let line = &mut self.lines[slot];
            let Phase::Live(live) = &mut line.phase else { continue };
            if line.edition == self.renewal.edition {
                continue;
            }
            let group = &self.venue.profile().groups[usize::from(line.group)];
            let again = matches!(group.login, Login::ByMessage { again: true, .. });
            if planted(Defect::CutToRenewKeys) {
                self.cut(now, slot, Fault::Planned, "there are other keys");
            } else if again {
                (live.again, line.edition) = (Again::Due, self.renewal.edition);
                self.speak(now, slot);
            } else if line.role == Role::Own {
                line.edition = self.renewal.edition;
                self.want_rotation(now, slot, "there are other keys");
            }
        }
    }
}
