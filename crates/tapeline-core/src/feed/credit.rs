//! What a session says about its endpoint while it lasts: how long it has served and been silent, and what it missed.

use crate::time::{Mono, Time};

use super::Feed;
use super::line::Phase;
use super::missed_ids::Ids;

/// Up to when a session has been told to the account of its endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    served: Mono,
    silent: Mono,
}

impl Feed {
    /// Takes in what came on a line since this was last done, for its level and for the account of its endpoint.
    pub(super) fn take_stock(&mut self, now: Time, slot: usize) {
        self.credit(now, slot);
        let line = &mut self.lines[slot];
        line.health.read(now.mono, line.stats.frames, line.stats.undecodable);
    }

    /// Enters what a line has done since this was last asked into the account of its endpoint.
    pub(super) fn credit(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        let Some(proven) = live.proven else { return };
        let (rules, quality) = (&self.gate.scores, &mut self.gate.streams[line.endpoint].quality);
        let since = std::mem::replace(&mut live.told.served, now.mono).max(proven);
        quality.served(now.mono, now.mono.since(since), rules);
        let Ids { brought, missed } = std::mem::take(&mut line.ids);
        line.stats.missed += missed;
        if brought + missed > 0 {
            quality.compared(now.mono, brought, missed, rules);
        }
    }

    /// A line that was silent for too long is so no longer, or is left.
    pub(super) fn credit_silence(&mut self, now: Time, slot: usize) {
        if !self.lines[slot].is_doubted() || self.is_blocked(self.lines[slot].id) {
            // What we do not read is not the endpoint's silence.
            return;
        }
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        // A pong ends a doubt and no silence: what was told of it is told once.
        let since = std::mem::replace(&mut live.told.silent, now.mono).max(line.last_data);
        let quality = &mut self.gate.streams[line.endpoint].quality;
        quality.silent(now.mono, now.mono.since(since), &self.gate.scores);
    }
}
