//! Drills over real sockets: the same descriptions, ten times as fast, for a hub and the venue's server. Whoever has
//! both plays them; what is to be done comes from here, and so does the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::table::{DRILLS, Entry};
use super::{Report, Unknown, find, kind_of, report};
use crate::house::{Kind, Trouble, When};
use crate::world::scene::{Act, Figures, Own, Seen, Service, Setup, Side, Timing, Where};

/// So many seconds of a drill are one over real sockets.
pub const PACE: u32 = 10;
/// How long lines are left alone before the first step: they are stable then.
const WARM: Duration = Duration::from_secs(8);
/// A ping is given half a second at least, and threads are not scheduled to the millisecond: what was late by this is
/// not held against anybody.
const SLACK: f64 = 1.0;
/// A socket that is silent for less may only not have been read.
const SILENT_MIN: Duration = Duration::from_millis(400);
/// The first endpoint of a drill, as its descriptions name it.
const FIRST: &str = "stream.binance.com:9443";

/// Drills that need what no setting scales.
const VIRTUAL: &[(&str, &str)] = &[
    ("reset-unrepaired", "lines are back so soon that perhaps nothing is lost"),
    ("no-pong", "a pause of 300 ms is not long enough to be noticed"),
    ("shutdown", "how long a follower is tried before it takes over is no setting"),
    ("rest-429", BACK),
    ("ban", BACK),
    ("upgrade-forbidden", HELD),
    ("ten-minutes-forbidden", HELD),
    ("ten-minutes-unavailable", "it would take too long"),
    ("snapshots", BACK),
    ("malformed", "unreadable messages are counted over a minute, which is no setting"),
    ("everything-down", "how long REST may fail before memory serves is no setting"),
];
const HELD: &str = "how long a door that says 403 is left alone is no setting";
const BACK: &str = "lines are back before a book has missed anything, so that no snapshot is needed";

/// A drill that can be played over real sockets.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// Its name.
    pub name: &'static str,
    /// Whether the market is that of futures.
    pub futures: bool,
    /// Lines that carry each topic.
    pub lines: u8,
    /// Endpoints to dial.
    pub endpoints: usize,
    /// Whether missed events are asked for.
    pub repair: bool,
    /// The venue cuts connections of this age.
    pub cut_after: Option<Duration>,
    /// The timings of the feed.
    pub timing: Timing,
    /// How long nothing is done.
    pub warm: Duration,
    /// What is done, so long after that, in the order of these.
    pub steps: Vec<(Duration, Step)>,
    /// When it ends, so long after that.
    pub lasts: Duration,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The venue misbehaves.
    Trouble(Trouble),
    /// The same towards the first (0) or the second (1) of two lines only.
    Towards(u8, Trouble),
    /// An operator has every line followed by another one.
    Rotate,
    /// An operator forgives everything.
    Forgive,
}

/// What was observed of a drill over real sockets, from the end of the warm-up on.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Served by a line.
    pub full: Option<Figures>,
    /// Served by a line or by polling.
    pub any: Option<Figures>,
    /// Ids that the venue gave and that nobody was told of.
    pub lost: u64,
    /// Ids that came twice.
    pub duplicated: u64,
    /// Ids that were declared missing and did not come.
    pub declared: u64,
    /// Ids that no line brought and that were fetched.
    pub repaired: u64,
    /// How often each trouble did something.
    pub struck: BTreeMap<String, u64>,
    /// The rungs that were entered.
    pub rungs: BTreeSet<&'static str>,
    /// The phases that lines entered.
    pub phases: BTreeSet<&'static str>,
    /// Dials.
    pub dials: u64,
    /// Lines left to followers.
    pub rotations: u64,
    /// Books synchronised anew.
    pub resyncs: u64,
    /// Messages that could not be read.
    pub undecodable: u64,
    /// Topics that were not fully served in the end.
    pub unserved: Vec<String>,
    /// Whatever else was found wrong, such as a book that is not the venue's.
    pub wrong: Vec<String>,
}

/// A drill as it is played over real sockets; `first` is the address of the first endpoint, such as `127.0.0.1:8490`.
///
/// # Errors
/// [`Unknown`] if there is none of this name; inside, why it is played in virtual time only.
pub fn stage(name: &str, first: &str) -> Result<Result<Staged, &'static str>, Unknown> {
    find(name).map(|entry| entry.staged(first))
}

/// The verdict on a drill that was played over real sockets.
///
/// # Errors
/// [`Unknown`] if there is none of this name.
pub fn judge(name: &str, seed: u64, observed: Observed) -> Result<Report, Unknown> {
    let entry = find(name)?;
    let wrong = observed.wrong.clone();
    let measured = (observed.full.clone(), observed.any.clone());
    let mut report = report(entry, seed, &entry.seen(observed));
    report.failures.extend(wrong);
    report.passed = report.failures.is_empty();
    // It was judged at the pace of its description, and is told as it was measured.
    if let (Some(full), any) = measured {
        (report.ttd_s, report.mttr_s) = (full.ttd.max_s, full.mttr_s);
        (report.ttr_max_s, report.mtbf_s) = (full.ttr.max_s, full.mtbf_s);
        (report.availability, report.availability_any) =
            (full.availability, any.and_then(|any| any.availability));
    }
    Ok(report)
}

/// Every drill that can be played over real sockets.
pub fn stageable() -> Vec<&'static str> {
    DRILLS.iter().filter(|entry| entry.staged(FIRST).is_ok()).map(|entry| entry.name).collect()
}

impl Entry {
    /// Why it is played in virtual time only, if it is.
    pub(super) fn virtual_only(&self) -> Option<&'static str> {
        self.staged(FIRST).err()
    }

    fn staged(&self, first: &str) -> Result<Staged, &'static str> {
        let Setup {
            place,
            lines,
            endpoints,
            repair,
            login,
            key_life,
            brittle,
            cut_after,
            told_before,
            replaced_after,
        } = self.setup;
        if let Some((_, why)) = VIRTUAL.iter().find(|(name, _)| *name == self.name) {
            return Err(why);
        }
        if key_life.is_some() {
            return Err("nobody gives out keys that end over real sockets");
        }
        if brittle {
            return Err("no real translation panics; tests with an adapter that does show it");
        }
        if login.is_some() {
            return Err("the pauses between keys that are refused are no setting");
        }
        if told_before.is_some() {
            return Err("a warning ahead of the venue's own cut is not staged");
        }
        let secs = |seconds: u64| Duration::from_secs(seconds) / PACE;
        let mut steps = Vec::new();
        for (at, act) in self.acts {
            steps.extend(steps_of(*act, first)?.into_iter().map(|step| (secs(*at), step)));
        }
        let mut timing = faster(&Timing::default());
        if let Some(age) = replaced_after {
            timing.line_lifetime = secs(age);
        }
        Ok(Staged {
            name: self.name,
            futures: place == Where::Futures,
            lines,
            endpoints,
            repair,
            cut_after: cut_after.map(secs),
            timing,
            warm: WARM,
            steps,
            lasts: secs(self.seconds),
        })
    }

    /// What was observed, at the pace of the description.
    fn seen(&self, observed: Observed) -> Seen {
        let mut struck = BTreeMap::new();
        for (_, act) in self.acts {
            let Some(name) = kind_of(*act) else { continue };
            let count = match steps_of(*act, FIRST).unwrap_or_default().first() {
                Some(Step::Trouble(trouble) | Step::Towards(_, trouble)) => {
                    observed.struck.get(trouble.kind.name()).copied().unwrap_or(0)
                }
                // What an operator says is done.
                _ => 1,
            };
            struck.insert(name, count);
        }
        Seen {
            struck,
            full: observed.full.map(|figures| slower(&figures)).unwrap_or_default(),
            any: observed.any.map(|figures| slower(&figures)).unwrap_or_default(),
            lost: observed.lost,
            duplicated: observed.duplicated,
            declared: observed.declared,
            repaired: observed.repaired,
            unserved: observed.unserved,
            rungs: observed.rungs,
            phases: observed.phases,
            dials: observed.dials,
            rotations: observed.rotations,
            resyncs: observed.resyncs,
            undecodable: observed.undecodable,
            ..Seen::default()
        }
    }
}

/// What is done for an act, or why nothing can be.
fn steps_of(act: Act, first: &str) -> Result<Vec<Step>, &'static str> {
    let order = |line: &str| line.parse::<Trouble>().map_err(|_| "its order cannot be read");
    let socket = |line: &str| Ok(vec![Step::Towards(0, order(line)?)]);
    let lasting = |line: &str, seconds: u64| {
        let trouble = Trouble { lasts: Some(Duration::from_secs(seconds) / PACE), ..order(line)? };
        Ok(vec![Step::Trouble(trouble), Step::Trouble(Trouble::new(Kind::Reset))])
    };
    match act {
        Act::Venue(line) => Ok(vec![Step::Trouble(quick(order(line)?, first)?)]),
        Act::Towards(side, line) => {
            Ok(vec![Step::Towards(u8::from(side == Side::B), quick(order(line)?, first)?)])
        }
        Act::Rotate => Ok(vec![Step::Rotate]),
        Act::Way(Own::OperatorReset, _) => Ok(vec![Step::Forgive]),
        Act::Way(Own::AllReset, _) => Ok(vec![Step::Trouble(Trouble::new(Kind::Reset))]),
        Act::Way(Own::LineReset, _) => socket("reset"),
        Act::Way(Own::LineEnds, _) => socket("fin"),
        Act::Way(Own::HalfOpen, _) => socket("freeze"),
        Act::Way(Own::Refused, seconds) => lasting("refuse code=0", seconds),
        Act::Way(Own::OneRefused, seconds) => lasting(&format!("refuse code=0 host={first}"), seconds),
        Act::Way(Own::UpgradeGarbled, _) => {
            Err("the server speaks HTTP; a test with one that does not shows it")
        }
        Act::Way(own, _) => Err(why_not(own)),
        Act::Revoke | Act::Issue => Err("the pauses between keys that are refused are no setting"),
    }
}

/// Why a fault of the way or of the process is not staged.
const fn why_not(own: Own) -> &'static str {
    match own {
        Own::NoName | Own::NoResolver | Own::NoNetwork | Own::BlackHole | Own::Moves => {
            "it needs a network of its own; tests of the way out show it"
        }
        Own::TlsStall | Own::TlsWrong => "sockets on this machine are plain; tests with TLS show it",
        Own::UpgradeStall => "the server answers; a test with one that does not shows it",
        Own::Pause | Own::WallForward | Own::WallBack => "it would stop, or set, the machine that plays it",
        Own::Crash => "nobody can make a real feed crash; tests with an adapter that does show it",
        Own::Churn | Own::SlowReader | Own::BlockedReader | Own::ReaderLeaves => {
            "it concerns readers only; tests of the library show it"
        }
        _ => "nothing stands between the two that could hold messages back",
    }
}

/// A trouble at the pace of real sockets.
fn quick(trouble: Trouble, first: &str) -> Result<Trouble, &'static str> {
    let mut trouble = trouble;
    match (trouble.kind, trouble.code) {
        (Kind::Flap, _) => return Err("the venue draws its moments itself, at the usual pace"),
        (Kind::Stall, _) if trouble.scope.host.is_some() => {
            return Err("how often two lines are held against each other is no setting");
        }
        (Kind::Refuse, Some(429)) | (Kind::Close, Some(1012 | 1013)) => {
            return Err("a pause that the venue asks for is no setting");
        }
        (Kind::Refuse | Kind::Busy, _) if trouble.by_ms.is_some() => {
            return Err("a pause that the venue asks for is no setting");
        }
        _ => {}
    }
    trouble.lasts = trouble.lasts.map(|lasts| lasts / PACE);
    // The market is not faster: what strikes one of many frames must strike more of them.
    trouble.when = match trouble.when {
        When::Every(n) => When::Every(fewer(n)),
        When::OneIn { n, seed } => When::OneIn { n: fewer(n), seed },
        other => other,
    };
    // What is told is not told sooner or later for it.
    if !matches!(trouble.kind, Kind::Skew | Kind::Stale) {
        trouble.by_ms = trouble.by_ms.map(|by| by / i64::from(PACE));
    }
    if trouble.scope.host.as_deref() == Some(FIRST) {
        trouble.scope.host = Some(first.to_owned());
    }
    Ok(trouble)
}

fn fewer(n: u64) -> u64 {
    (n / u64::from(PACE)).max(n.min(3))
}

/// Everything that a feed waits for, sooner. How often the venue is asked for anything is not scaled.
fn faster(usual: &Timing) -> Timing {
    Timing {
        stable_after: usual.stable_after / PACE,
        forgive_every: usual.forgive_every / PACE,
        silent_min: SILENT_MIN,
        silent_max: usual.silent_max / PACE,
        mute_after: usual.mute_after / PACE,
        ping_every: usual.ping_every / PACE,
        pong_within: usual.pong_within / PACE,
        dial_within: usual.dial_within / PACE,
        login_within: usual.login_within / PACE,
        confirm_within: usual.confirm_within / PACE,
        backoff_first: usual.backoff_first / PACE,
        backoff_max: usual.backoff_max / PACE,
        backoff_min: usual.backoff_min / PACE,
        fast_retry: usual.fast_retry / PACE,
        breaker_open: usual.breaker_open / PACE,
        reorder_within: usual.reorder_within / PACE,
        repair_after: usual.repair_after / PACE,
        repair_within: usual.repair_within / PACE,
        first_delta_within: usual.first_delta_within / PACE,
        fetch_within: usual.fetch_within / PACE,
        fallback_after: usual.fallback_after / PACE,
        return_hold: usual.return_hold / PACE,
        ..usual.clone()
    }
}

/// Figures at the pace of the description, less what threads may be late.
fn slower(figures: &Figures) -> Service {
    let pace = f64::from(PACE);
    let less = |seconds: Option<f64>| seconds.map(|seconds| (seconds - SLACK).max(0.0) * pace);
    Service {
        observed_s: figures.observed_s * pace,
        down_s: figures.down_s * pace,
        availability: figures.availability,
        outages: figures.failures,
        repaired: figures.repaired,
        mttr_s: less(figures.mttr_s),
        mtbf_s: figures.mtbf_s.map(|seconds| seconds * pace),
        ttd_s: [figures.ttd.p50_s, figures.ttd.p95_s, figures.ttd.max_s].map(less),
        ttr_s: [figures.ttr.p50_s, figures.ttr.p95_s, figures.ttr.max_s].map(less),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_is_staged_at_its_pace_with_the_addresses_that_there_are() {
        let staged = stage("endpoint-down-ab", "127.0.0.1:9").unwrap().unwrap();
        let [(at, Step::Trouble(refuse)), (_, Step::Towards(0, reset))] = &staged.steps[..] else {
            panic!("{:?}", staged.steps)
        };
        assert_eq!((*at, refuse.lasts), (Duration::ZERO, Some(Duration::from_secs(9))));
        assert_eq!((refuse.scope.host.as_deref(), reset.kind), (Some("127.0.0.1:9"), Kind::Reset));
        assert_eq!((staged.lines, staged.endpoints, staged.lasts), (2, 2, Duration::from_secs(30)));
        assert_eq!(staged.timing.stable_after, Duration::from_secs(6));
        assert!(staged.warm > staged.timing.stable_after);
    }

    #[test]
    fn what_is_not_staged_says_why() {
        let names = "pause dns-unknown flapping ban dial-429 keys-late tls-stall slow-reader poison";
        for name in names.split(' ') {
            let why = stage(name, FIRST).unwrap().unwrap_err();
            assert!(why.len() > 20, "{name}: {why}");
        }
        assert!(stage("nonsense", FIRST).is_err());
        let count = stageable().len();
        assert!(count >= 30, "{count}");
    }

    #[test]
    fn what_was_observed_is_judged_by_the_same_rules() {
        let struck = BTreeMap::from([("reset".to_owned(), 1)]);
        let fine = Observed { struck, ..Observed::default() };
        let told = |observed: &Observed| judge("reset", 1, observed.clone()).unwrap().failures.join("; ");
        assert_eq!(told(&fine), "outages: 0, not 1 to more");
        let bad = Observed { lost: 2, wrong: vec!["a book".to_owned()], ..Observed::default() };
        let said = told(&bad);
        for words in ["2 events lost", "net-reset did nothing", "a book"] {
            assert!(said.contains(words), "{said}");
        }
    }
}
