//! What must hold in a drill, and what is said where it does not.

use std::collections::BTreeMap;

use super::table::Entry;
use crate::world::scene::Seen;

/// Who was set aside is fully back so many seconds after their time.
const BACK: f64 = 5.0;

/// One thing that must hold. That no judge objects, that nothing is lost without a word or delivered twice, that the
/// feed beside it notices nothing, that the fault did something and that all is well in the end must always hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Must {
    /// No topic is interrupted.
    BeUnfelt,
    /// Some topic is interrupted: if not, the drill shows nothing.
    BeFelt,
    /// Every outage is noticed within so many seconds.
    Notice(f64),
    /// Every outage is over within so many seconds.
    Recover(f64),
    /// No outage is left without polling for longer than so many seconds.
    Poll(f64),
    /// At most so many ids are missing in the end, and declared.
    Declare(u64),
    /// At least one id is missing in the end: the control that shows what the others are spared.
    Miss,
    /// So many ids at least are fetched.
    Repair(u64),
    /// At most so many dials.
    Dial(u64),
    /// The ladder reaches this rung.
    Reach(&'static str),
    /// A line enters this phase.
    Enter(&'static str),
    /// Lines are left to followers, so many at least.
    Rotate(u64),
    /// So many keys at least are read anew before they end.
    Renew(u64),
    /// Books are synchronised anew, between so many and so many times.
    Resync(u64, u64),
    /// So many messages at least cannot be read, and are dropped.
    Drop(u64),
    /// In the end one line is behind the other by so many seconds, and one is not, as the feed has measured it.
    Lag(f64),
    /// The venue is asked for this stream again on a connection that has it, and for no other.
    Anew(&'static str),
    /// The venue is asked for every stream again on a connection that has it, once before each dial at most.
    AllAnew,
    /// This topic, and no other, is interrupted: by one outage after the other, each of about so many seconds.
    SetAside(&'static str, &'static [u64]),
}

impl Must {
    /// What is wrong, if it does not hold.
    fn judge(self, seen: &Seen) -> Result<(), String> {
        let longest = |of: [Option<f64>; 3]| of[2].unwrap_or(0.0);
        let most = |what: &str, found: f64, most: f64| {
            if found <= most { Ok(()) } else { Err(format!("{what}: {found:.3} s, at most {most} s")) }
        };
        let count = |what: &str, found: u64, (least, most): (u64, u64)| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            let most = if most == u64::MAX { "more".to_owned() } else { most.to_string() };
            Err(format!("{what}: {found}, not {least} to {most}"))
        };
        let from = |least: u64| (least, u64::MAX);
        match self {
            Self::BeUnfelt => count("outages", seen.full.outages, (0, 0)),
            Self::BeFelt => count("outages", seen.full.outages, from(1)),
            Self::Notice(seconds) => most("time to detection", longest(seen.full.ttd_s), seconds),
            Self::Recover(seconds) => most("time to repair", longest(seen.full.ttr_s), seconds),
            Self::Poll(seconds) => most("without line and polling", longest(seen.any.ttr_s), seconds),
            Self::Declare(most) => count("declared missing", seen.declared, (0, most)),
            Self::Miss => count("declared missing", seen.declared, from(1)),
            Self::Repair(least) => count("fetched", seen.repaired, from(least)),
            Self::Dial(most) => count("dials", seen.dials, (0, most)),
            Self::Reach(rung) if seen.rungs.contains(rung) => Ok(()),
            Self::Reach(rung) => Err(format!("the rung {rung} is not reached, only {:?}", seen.rungs)),
            Self::Enter(phase) if seen.phases.contains(phase) => Ok(()),
            Self::Enter(phase) => Err(format!("no line is {phase}, only {:?}", seen.phases)),
            Self::Rotate(least) => count("lines left to followers", seen.rotations, from(least)),
            Self::Renew(least) => {
                count("keys renewed", seen.struck.get("renew").copied().unwrap_or(0), from(least))
            }
            Self::Resync(least, most) => count("books synchronised anew", seen.resyncs, (least, most)),
            Self::Drop(least) => count("messages that cannot be read", seen.undecodable, from(least)),
            Self::Lag(seconds) => behind(&seen.lags, seconds),
            Self::Anew(stream) => asked_anew(seen, |name, times| (name == stream) == (times > 0)),
            Self::AllAnew => asked_anew(seen, |_, times| (1..=seen.dials).contains(&times)),
            Self::SetAside(topic, terms) => set_aside(&seen.interrupted, topic, terms),
        }
    }
}

/// What is wrong, if not exactly one line is behind, by about so many seconds.
fn behind(lags: &[Option<f64>], seconds: f64) -> Result<(), String> {
    let about = |lag: &f64| (seconds * 0.8..=seconds * 1.2).contains(lag);
    let late: Vec<f64> = lags.iter().flatten().copied().filter(|lag| *lag > seconds / 10.0).collect();
    // Over real sockets nobody asks for it.
    if lags.is_empty() {
        return Ok(());
    }
    if late.len() == 1 && late.iter().all(about) {
        return Ok(());
    }
    Err(format!("lines are behind by {lags:?} s, not one of them by about {seconds} s"))
}

/// What is wrong, if a stream was not asked for again as often as it has to be.
fn asked_anew(seen: &Seen, right: impl Fn(&str, u64) -> bool) -> Result<(), String> {
    let Some(again) = &seen.again else { return Ok(()) };
    let wrong = again.iter().filter(|(stream, times)| !right(stream, **times));
    let wrong: Vec<String> = wrong.map(|(stream, times)| format!("{stream} {times} times")).collect();
    if !again.is_empty() && wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "asked for again on connections that had them, in {} dials: {}",
        seen.dials,
        wrong.join(", ")
    ))
}

/// What is wrong, if `topic` was not the only one that was interrupted, or not as often and as long as it had to be.
fn set_aside(
    interrupted: &BTreeMap<String, Vec<Option<f64>>>,
    topic: &str,
    terms: &[u64],
) -> Result<(), String> {
    let others: Vec<&str> = interrupted.keys().map(String::as_str).filter(|name| *name != topic).collect();
    if !others.is_empty() {
        return Err(format!("interrupted, besides {topic}: {}", others.join(", ")));
    }
    let felt = interrupted.get(topic).map_or(&[][..], Vec::as_slice);
    let fits = |(felt, term): (&Option<f64>, &u64)| {
        let least = *term as f64;
        felt.is_some_and(|felt| (least..=least + BACK).contains(&felt))
    };
    if felt.len() == terms.len() && felt.iter().zip(terms).all(fits) {
        return Ok(());
    }
    let felt = felt.iter().map(|felt| felt.map_or("ever".to_owned(), |felt| format!("{felt:.3} s")));
    let felt: Vec<String> = felt.collect();
    Err(format!("{topic} is set aside for {felt:?}, not for {terms:?} s and at most {BACK} s more"))
}

impl Entry {
    /// Everything that does not hold, in words.
    pub(super) fn judge(&self, seen: &Seen) -> Vec<String> {
        let mut wrong: Vec<String> = Vec::new();
        if let Some(violation) = &seen.violation {
            wrong.push(violation.to_string().trim_end().to_owned());
        }
        // A record that ends before its time tells less.
        if seen.violation.is_none() {
            wrong.extend(seen.dishonest.iter().map(|words| format!("not what the world logged: {words}")));
        }
        let none = |count: u64, words: &str| (count > 0).then(|| format!("{count} {words}"));
        wrong.extend(none(seen.lost, "events lost without a word"));
        wrong.extend(none(seen.duplicated, "events delivered twice"));
        wrong.extend(none(seen.elsewhere, "outages of the feed beside it"));
        let idle = self.kinds().filter(|kind| seen.struck.get(kind).is_none_or(|count| *count == 0));
        wrong.extend(idle.map(|kind| format!("{kind} did nothing")));
        if !seen.unserved.is_empty() {
            wrong.push(format!("not served in the end: {}", seen.unserved.join(", ")));
        }
        wrong.extend(self.must.iter().filter_map(|must| must.judge(seen).err()));
        wrong
    }
}
