//! Mistakes that can be planted on purpose, to see whether the judges of the simulated world notice them.
//!
//! Only with the feature `defects`, which no released program has: without it [`planted`] is a constant
//! `false`, and what it guards is not there.

#[cfg(feature = "defects")]
use crate::time::Unix;
use crate::time::{Mono, Time};

/// A mistake that a feed could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// A connection that opens forgives all failures.
    ResetBackoffOnConnect,
    /// One stream is not subscribed again after a reconnect.
    ForgetResubscribe,
    /// A copy of the newest event is delivered.
    DeliverDuplicate,
    /// A hole of one id is passed over.
    SkipOneId,
    /// A book applies a delta that is older than the book.
    ReapplyOldDelta,
    /// A book that is not synchronised publishes its deltas.
    PublishWhileSyncing,
    /// What a 429 or a 418 asks for is not done.
    IgnoreRetryAfter,
    /// A topic that is mute while its siblings flow is not looked for.
    MissMutedTopic,
    /// Pongs are not counted as messages.
    MiscountPongs,
    /// The permit of a probe that was given up is not given back.
    LeakPermit,
    /// What is left of a broken message is put before the next one.
    JoinFrames,
    /// A snapshot that is older than the first delta kept is taken.
    AcceptOldSnapshot,
    /// A new stretch of continuity has the name of the old one.
    ReuseEpoch,
    /// Nobody watches a line that has been connected again.
    StopTimerOnReconnect,
    /// A subscriber that has gone stays in the tables.
    KeepDroppedSubscriber,
    /// A ping is answered when the next one comes.
    AnswerPingLate,
    /// What is held from before is served as if it were live.
    ServeCacheAsLive,
    /// A line is dialled twice.
    DialTwice,
    /// What was wanted is not remembered over a restart.
    DropWantedOnRestart,
    /// A line waits by the wall clock.
    UseWallTime,
    /// Lines that are due at once are served in an order that differs from run to run.
    ReorderByHash,
    /// The first frame of a connection forgives all failures.
    ForgiveAtFirstFrame,
    /// What was read of a corrupt frame before it broke is published.
    PublishGoodHalf,
    /// The frame that came last before the end of a connection is lost.
    LoseLastFrame,
    /// A line counts as proven once a request was acknowledged.
    ProvenByAcknowledgement,
    /// A line that brings nothing counts for as much as one that does.
    TrustTheUnproven,
    /// What is held back behind a hole goes out before what fills it.
    ReleaseBeforeFill,
    /// A line is replaced while another one is.
    RotateBothLines,
    /// REST is polled on though a line serves again.
    PollOn,
    /// The copy that the slower of two lines brings is delivered as well.
    DeliverSecondCopy,
    /// A line that ends breaks its topics although another line carries them.
    BreakWhatIsCovered,
    /// A delta that begins behind its book is applied as if nothing lay between.
    ApplyOverHole,
    /// A line is left to its follower as soon as that one is connected.
    TakeHeirEarly,
    /// A line is left to its follower without running beside it for a while.
    CloseWithoutOverlap,
    /// What fills a hole is delivered as it comes, the newest first.
    RepairOutOfOrder,
    /// Missed events are asked for although the venue wants a pause.
    RepairWithinHold,
    /// What was polled replaces what was streamed, however old it is.
    PolledBeforeStreamed,
    /// The second line is dialled where the first one stands.
    BothOnOneEndpoint,
    /// The rung changes as often as the facts do.
    RestlessLadder,
    /// What comes after it was declared missing is not marked as late.
    LateUnmarked,
    /// What is given up is not entered in the ledger.
    LostUnentered,
    /// What was fetched is entered in the ledger as if a line had brought it.
    FetchedAsReceived,
    /// An outage begins when it is noticed. Only drills see that: worlds do not measure outages.
    OutageFromNotice,
    /// An outage is over when a line serves again, whatever it cost. Only drills see that as well.
    OutageToReconnect,
    /// A topic that was set aside is never tried again. Only drills see that: in worlds no adapter panics.
    EndlessQuarantine,
    /// Keys are used until the venue ends them. Only drills see that: in worlds no key ends.
    NeverRenewKeys,
    /// A line is closed as soon as there are other keys, and then opened with those. Only drills see that as well.
    CutToRenewKeys,
}

impl Defect {
    /// All that worlds can see, in the order of their declaration.
    pub const ALL: [Self; 41] = [
        Self::ResetBackoffOnConnect,
        Self::ForgetResubscribe,
        Self::DeliverDuplicate,
        Self::SkipOneId,
        Self::ReapplyOldDelta,
        Self::PublishWhileSyncing,
        Self::IgnoreRetryAfter,
        Self::MissMutedTopic,
        Self::MiscountPongs,
        Self::LeakPermit,
        Self::JoinFrames,
        Self::AcceptOldSnapshot,
        Self::ReuseEpoch,
        Self::StopTimerOnReconnect,
        Self::KeepDroppedSubscriber,
        Self::AnswerPingLate,
        Self::ServeCacheAsLive,
        Self::DialTwice,
        Self::DropWantedOnRestart,
        Self::UseWallTime,
        Self::ReorderByHash,
        Self::ForgiveAtFirstFrame,
        Self::PublishGoodHalf,
        Self::LoseLastFrame,
        Self::ProvenByAcknowledgement,
        Self::ReleaseBeforeFill,
        Self::RotateBothLines,
        Self::PollOn,
        Self::DeliverSecondCopy,
        Self::BreakWhatIsCovered,
        Self::ApplyOverHole,
        Self::TakeHeirEarly,
        Self::CloseWithoutOverlap,
        Self::RepairOutOfOrder,
        Self::RepairWithinHold,
        Self::PolledBeforeStreamed,
        Self::BothOnOneEndpoint,
        Self::RestlessLadder,
        Self::LateUnmarked,
        Self::LostUnentered,
        Self::FetchedAsReceived,
    ];

    /// Those that only drills can see, in the order of their declaration.
    pub const IN_DRILLS: [Self; 6] = [
        Self::TrustTheUnproven,
        Self::OutageFromNotice,
        Self::OutageToReconnect,
        Self::EndlessQuarantine,
        Self::NeverRenewKeys,
        Self::CutToRenewKeys,
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::IN_DRILLS)
    }

    /// Its name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResetBackoffOnConnect => "reset-backoff-on-connect",
            Self::ForgetResubscribe => "forget-resubscribe",
            Self::DeliverDuplicate => "deliver-duplicate",
            Self::SkipOneId => "skip-one-id",
            Self::ReapplyOldDelta => "reapply-old-delta",
            Self::PublishWhileSyncing => "publish-while-syncing",
            Self::IgnoreRetryAfter => "ignore-retry-after",
            Self::MissMutedTopic => "miss-muted-topic",
            Self::MiscountPongs => "miscount-pongs",
            Self::LeakPermit => "leak-permit",
            Self::JoinFrames => "join-frames",
            Self::AcceptOldSnapshot => "accept-old-snapshot",
            Self::ReuseEpoch => "reuse-epoch",
            Self::StopTimerOnReconnect => "stop-timer-on-reconnect",
            Self::KeepDroppedSubscriber => "keep-dropped-subscriber",
            Self::AnswerPingLate => "answer-ping-late",
            Self::ServeCacheAsLive => "serve-cache-as-live",
            Self::DialTwice => "dial-twice",
            Self::DropWantedOnRestart => "drop-wanted-on-restart",
            Self::UseWallTime => "use-wall-time",
            Self::ReorderByHash => "reorder-by-hash",
            Self::ForgiveAtFirstFrame => "forgive-at-first-frame",
            Self::PublishGoodHalf => "publish-good-half",
            Self::LoseLastFrame => "lose-last-frame",
            Self::ProvenByAcknowledgement => "proven-by-acknowledgement",
            Self::TrustTheUnproven => "trust-the-unproven",
            Self::ReleaseBeforeFill => "release-before-fill",
            Self::RotateBothLines => "rotate-both-lines",
            Self::PollOn => "poll-on",
            Self::DeliverSecondCopy => "deliver-second-copy",
            Self::BreakWhatIsCovered => "break-what-is-covered",
            Self::ApplyOverHole => "apply-over-hole",
            Self::TakeHeirEarly => "take-heir-early",
            Self::CloseWithoutOverlap => "close-without-overlap",
            Self::RepairOutOfOrder => "repair-out-of-order",
            Self::RepairWithinHold => "repair-within-hold",
            Self::PolledBeforeStreamed => "polled-before-streamed",
            Self::BothOnOneEndpoint => "both-on-one-endpoint",
            Self::RestlessLadder => "restless-ladder",
            Self::LateUnmarked => "late-unmarked",
            Self::LostUnentered => "lost-unentered",
            Self::FetchedAsReceived => "fetched-as-received",
            Self::OutageFromNotice => "outage-from-notice",
            Self::OutageToReconnect => "outage-to-reconnect",
            Self::EndlessQuarantine => "endless-quarantine",
            Self::NeverRenewKeys => "never-renew-keys",
            Self::CutToRenewKeys => "cut-to-renew-keys",
        }
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|defect| defect.name() == name)
    }
}

#[cfg(feature = "defects")]
std::thread_local! {
    /// A thread drives its own feeds, so that tests that run side by side do not infect each other.
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
    /// The two clocks when [`Defect::UseWallTime`] first looked at them.
    static WALL: std::cell::Cell<Option<(Mono, Unix)>> = const { std::cell::Cell::new(None) };
}

/// Plants a defect in all feeds of this thread, or takes it out again.
#[cfg(feature = "defects")]
pub fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
    WALL.set(None);
}

/// When a line that waits until `until` is dialled.
#[cfg(feature = "defects")]
pub(crate) fn timer(now: Time, until: Mono) -> Mono {
    if !planted(Defect::UseWallTime) {
        return until;
    }
    let (mono, unix) = WALL.get().unwrap_or((now.mono, now.unix));
    WALL.set(Some((mono, unix)));
    let wall = now.unix.0.saturating_sub(unix.0).saturating_sub_unsigned(now.mono.0.saturating_sub(mono.0));
    Mono(until.0.saturating_add_signed(wall))
}

/// When a line that waits until `until` is dialled: then.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub(crate) const fn timer(_now: Time, until: Mono) -> Mono {
    until
}

/// The order in which lines are served.
#[cfg(feature = "defects")]
pub(crate) fn order(count: usize) -> Vec<usize> {
    use std::hash::BuildHasher as _;
    let mut order: Vec<usize> = (0..count).collect();
    if planted(Defect::ReorderByHash) {
        #[expect(clippy::disallowed_types, reason = "that it differs from run to run is the defect")]
        let dice = std::hash::RandomState::new();
        order.sort_by_cached_key(|slot| dice.hash_one(slot));
    }
    order
}

/// The order in which lines are served: that of their slots.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub(crate) const fn order(count: usize) -> std::ops::Range<usize> {
    0..count
}

/// Whether a defect is planted here.
#[cfg(feature = "defects")]
pub fn planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// Whether a defect is planted here: never.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub const fn planted(_defect: Defect) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_has_a_name_of_its_own() {
        for defect in Defect::all() {
            assert_eq!(Defect::by_name(defect.name()), Some(defect));
        }
        assert_eq!(Defect::by_name("none of them"), None);
    }
}
