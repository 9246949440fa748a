//! Our own pauses: a process that did not run must not blame the venue for it, nor call missing what waits in its
//! sockets. Whoever comes too late reads first and judges then.

use std::time::Duration;

use crate::time::{Mono, Time};

use super::Feed;

/// Later than this is not the timer's fault: we did not run.
const LATE: Duration = Duration::from_millis(100);
/// How long judgements then wait for what lies in the sockets.
const GRACE: Duration = Duration::from_millis(250);
/// How long a process that is late again and again may put its judgements off.
const GRACES: Duration = Duration::from_secs(2);

/// What is known of our own pauses.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// When the feed was last called upon, other than by a message.
    called: Mono,
    /// Nothing is judged before.
    until: Mono,
    /// When judgements were first put off, of those times that followed each other.
    since: Option<Mono>,
}

impl Lateness {
    /// How late we are at `now` for what was due; `None` if that is nothing of note.
    fn of(&self, now: Mono, due: Option<Mono>) -> Option<Duration> {
        // What was due before we were last called upon was not pressing, or waited for the end of a pause.
        let late = now.since(due?.max(self.called).max(self.until));
        (late > LATE).then_some(late)
    }

    /// Puts judgements off, unless that has gone on for too long; whether this is the first time in a row.
    fn put_off(&mut self, now: Mono) -> bool {
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        if now.since(since) < GRACES {
            self.until = now + GRACE;
        } else {
            self.since = None;
        }
        first
    }
}

impl Feed {
    /// Compares the time with what was due: if we are late, nothing is judged until what waits has been read.
    pub(super) fn notice(&mut self, now: Time) {
        if self.memory.is_none() {
            match self.lateness.of(now.mono, self.due()) {
                Some(late) if self.lateness.put_off(now.mono) => {
                    self.counters.pauses += 1;
                    let cause = format!(
                        "late by {} ms: what waits is read before anything is judged",
                        late.as_millis()
                    );
                    self.events.record(now, "feed", ("running", "running"), &cause);
                    self.postpone_holes(now, late);
                }
                Some(_) => {}
                None if self.may_judge(now) => self.lateness.since = None,
                None => {}
            }
        }
        self.lateness.called = now.mono;
    }

    /// Whether what waited in the sockets during our own pause has had its time to be read.
    pub(super) fn may_judge(&self, now: Time) -> bool {
        self.lateness.until <= now.mono
    }

    /// When something is due, but not before what waited has been read.
    pub(super) fn not_too_soon(&self, due: Mono) -> Mono {
        due.max(self.lateness.until)
    }
}
