//! I6, never too fast: messages and dials in any sliding window, nothing inside a hold, no dial on an open breaker,
//! growing delays; no more requests than the venue bears; and pings of the venue are answered.

use std::collections::{BTreeMap, VecDeque};

use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{Fetch, LineId};

use super::super::clock::{MS, SEC};
use super::plea::Plea;
use super::weight::Recent;

/// Messages that a line may send in any second.
const MESSAGES: usize = 4;
/// Dials of one address in five minutes: half of what the venue allows.
const DIALS: usize = 150;
const FIVE_MINUTES: u64 = 300 * SEC;
/// Failures in a row that open a breaker, and the time they may take.
const STREAK: usize = 5;
const STREAK_WITHIN: u64 = 120 * SEC;
/// How long a breaker stays open at least.
const OPEN: u64 = 30 * SEC;
/// So much data proves an endpoint.
const PROOF: u64 = 5 * SEC;
/// So much service makes everything good.
const STABLE: u64 = 59 * SEC;
/// Requests on their way at a time: snapshots, repairs, polls.
const IN_FLIGHT: [usize; 3] = [3, 2, 3];
const MINUTE: u64 = 60 * SEC;
/// A ping waits no longer for its answer, whatever else is said.
const ANSWER: u64 = 3 * SEC;

/// The pace of one process.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    said: BTreeMap<LineId, VecDeque<u64>>,
    dials: VecDeque<u64>,
    no_dial_before: u64,
    no_fetch_before: u64,
    /// The same of bans alone, which nobody can lift.
    banned: (u64, u64),
    in_flight: [usize; 3],
    /// A minute, and what was asked for in it.
    weight: (u64, u32),
    recent: Recent,
    /// When more than half of what the venue bears in a minute was last asked for within one, whenever it began.
    heavy: Option<u64>,
    endpoints: BTreeMap<usize, Endpoint>,
    lines: BTreeMap<u32, Line>,
    /// Where each connection was dialled, and when, as long as it is not open: a dial that hangs is part of the
    /// pause after it.
    dialled: BTreeMap<LineId, (usize, Option<u64>)>,
    pings: BTreeMap<LineId, (Vec<u8>, u64)>,
}

/// What is known of one endpoint.
#[derive(Debug, Default)]
struct Endpoint {
    streak: VecDeque<u64>,
    /// Lines that the feed gave up before they proved anything: it may take them for failures.
    cuts: VecDeque<u64>,
    open_until: u64,
    /// It was open and has not been proved since.
    suspect: bool,
}

/// What is known of one line's attempts.
#[derive(Debug, Default)]
struct Line {
    /// Failures in a row, at least.
    failures: u32,
    /// When data began to come.
    proven: Option<u64>,
    /// Where it was dialled.
    endpoint: usize,
    /// The proof has been counted for the endpoint.
    settled: bool,
    not_before: u64,
}

impl Pace {
    /// Something was said on a line.
    pub(crate) fn said(&mut self, now: u64, line: LineId) -> Result<(), String> {
        let said = self.said.entry(line).or_default();
        while said.front().is_some_and(|at| now - at >= SEC) {
            said.pop_front();
        }
        said.push_back(now);
        if said.len() > MESSAGES {
            return Err(format!("line {line} says {} messages within a second", said.len()));
        }
        Ok(())
    }

    /// A dial begins; `beside` says that the line is still open.
    pub(crate) fn dialled(
        &mut self,
        now: u64,
        line: LineId,
        endpoint: usize,
        beside: bool,
    ) -> Result<(), String> {
        while self.dials.front().is_some_and(|at| now - at >= FIVE_MINUTES) {
            self.dials.pop_front();
        }
        self.dials.push_back(now);
        self.settle(now);
        let known = self.lines.entry(line.slot).or_default();
        let not_before = if beside { 0 } else { known.not_before };
        if !beside {
            known.endpoint = endpoint;
        }
        self.dialled.insert(line, (endpoint, Some(now)));
        let open_until = self.endpoints.entry(endpoint).or_default().open_until;
        if self.dials.len() > DIALS {
            Err(format!("{} dials within five minutes", self.dials.len()))
        } else if now < self.no_dial_before {
            Err(format!(
                "line {line} is dialled {} ms before the hold ends",
                (self.no_dial_before - now) / MS
            ))
        } else if now < open_until {
            Err(format!(
                "line {line} is dialled while the breaker is open, {} ms early",
                (open_until - now) / MS
            ))
        } else if now < not_before {
            let (early, failures) = ((not_before - now) / MS, known.failures);
            Err(format!("line {line} is dialled {early} ms early after {failures} failures"))
        } else {
            Ok(())
        }
    }

    /// A request of so much weight goes out, to a venue that bears `most` a minute.
    pub(crate) fn fetched(&mut self, now: u64, why: Fetch, weight: u32, most: u32) -> Result<(), String> {
        let kind = kind_of(why);
        self.in_flight[kind] += 1;
        if self.weight.0 != now / MINUTE {
            self.weight = (now / MINUTE, 0);
        }
        self.weight.1 += weight;
        if self.recent.add(now, weight) > most / 2 {
            self.heavy = Some(now);
        }
        if self.in_flight[kind] > IN_FLIGHT[kind] {
            return Err(format!("{} requests like {why:?} are on their way", self.in_flight[kind]));
        }
        if self.weight.1 > most {
            return Err(format!("requests of weight {} within a minute", self.weight.1));
        }
        if now < self.no_fetch_before {
            return Err(format!(
                "a request goes out {} ms before the hold ends",
                (self.no_fetch_before - now) / MS
            ));
        }
        Ok(())
    }

    /// A request has come back, or nobody waits for it any more.
    pub(crate) fn came_back(&mut self, why: Fetch) {
        let count = &mut self.in_flight[kind_of(why)];
        *count = count.saturating_sub(1);
    }

    /// Data came on a line.
    pub(crate) fn data(&mut self, now: u64, id: LineId) {
        let line = self.lines.entry(id.slot).or_default();
        line.proven.get_or_insert(now);
    }

    /// A line that brought data and still stood after a while has proved its endpoint.
    fn settle(&mut self, now: u64) {
        for line in self.lines.values_mut() {
            if !line.settled && line.proven.is_some_and(|proven| now - proven >= PROOF) {
                line.settled = true;
                self.endpoints.insert(line.endpoint, Endpoint::default());
            }
        }
    }

    /// A line opened; perhaps in the place of one that is still open.
    pub(crate) fn opened(&mut self, now: u64, line: LineId) {
        self.replaced(now, line.slot);
        let endpoint = self.dialled.get(&line).map_or(0, |(endpoint, _)| *endpoint);
        let known = self.lines.entry(line.slot).or_default();
        (known.settled, known.endpoint) = (false, endpoint);
        if let Some((_, begun)) = self.dialled.get_mut(&line) {
            *begun = None;
        }
    }

    /// A dial failed or a line ended; `beside` says that another of the line is open.
    pub(crate) fn ended(&mut self, now: u64, id: LineId, fault: Fault, beside: bool) {
        self.settle(now);
        let line = self.lines.entry(id.slot).or_default();
        let proven = if beside { None } else { line.proven.take() };
        let lived = proven.map_or(0, |since| now - since);
        let (endpoint, begun) = self.dialled.get(&id).copied().unwrap_or_default();
        let since = begun.unwrap_or(now);
        if fault.counts_for_breaker() && lived < PROOF {
            self.endpoints.entry(endpoint).or_default().failed(since);
        }
        if beside {
            return;
        }
        let stable = lived >= STABLE;
        line.failures = made_good(line.failures, lived) + u32::from(!stable);
        let spared = stable || matches!(fault, Fault::Planned) && line.failures <= 1;
        let nominal = 1u64 << line.failures.saturating_sub(1).min(5);
        let progressive = matches!(fault, Fault::Transient | Fault::Server | Fault::Planned);
        line.not_before = if spared || !progressive { 0 } else { since + nominal.min(27) * SEC * 85 / 100 };
    }

    /// The feed itself gave a line up: nothing is known of its reasons, so the next dial is free.
    pub(crate) fn let_go(&mut self, now: u64, slot: u32) {
        let failed = self.replaced(now, slot).filter(|(_, lived)| *lived < PROOF);
        let Some((endpoint, _)) = failed else { return };
        let cuts = &mut self.endpoints.entry(endpoint).or_default().cuts;
        if cuts.len() == STREAK {
            cuts.pop_front();
        }
        cuts.push_back(now);
    }

    /// A line is one no more, or another one; where it was, and how long it had lived.
    fn replaced(&mut self, now: u64, slot: u32) -> Option<(usize, u64)> {
        self.settle(now);
        let line = self.lines.get_mut(&slot)?;
        let lived = line.proven.take().map_or(0, |since| now - since);
        (line.not_before, line.failures) = (0, made_good(line.failures, lived));
        Some((line.endpoint, lived))
    }

    /// Every line may be dialled at once: an operator asked for it.
    pub(crate) fn free(&mut self) {
        for line in self.lines.values_mut() {
            (line.failures, line.not_before) = (0, 0);
        }
    }

    /// The feed is a new one: it dials when it likes, and owes nobody an answer.
    pub(crate) fn restart(&mut self, now: u64) {
        // What lines proved of their endpoints before is remembered.
        self.settle(now);
        self.lines.clear();
        self.pings.clear();
        self.said.clear();
        self.in_flight = Default::default();
    }

    /// The venue asks for a pause, of dials or (`rest`) of requests.
    pub(crate) fn hold(&mut self, now: u64, plea: Plea, rest: bool) {
        let until = now + plea.wait;
        if !rest {
            self.no_dial_before = self.no_dial_before.max(until);
        }
        if rest || plea.banned {
            self.no_fetch_before = self.no_fetch_before.max(until);
        }
        if plea.banned {
            let (dials, fetches) = self.banned;
            self.banned = (if rest { dials } else { dials.max(until) }, fetches.max(until));
        }
    }

    /// Whether requests have lately been held, or so many went out that others may have to wait.
    pub(crate) fn is_spent(&self, now: u64) -> bool {
        self.no_fetch_before > 0 && now < self.no_fetch_before + MINUTE
            || self.heavy.is_some_and(|at| now < at + MINUTE)
    }

    /// Until when dials and requests are held.
    pub(crate) fn held(&self) -> (u64, u64) {
        (self.no_dial_before, self.no_fetch_before)
    }

    /// An operator forgives everything but a ban.
    pub(crate) fn forgive(&mut self) {
        let (dials, fetches) = self.banned;
        self.no_dial_before = self.no_dial_before.min(dials);
        self.no_fetch_before = self.no_fetch_before.min(fetches);
        self.endpoints.clear();
        self.free();
    }

    /// The venue pings.
    pub(crate) fn pinged(&mut self, now: u64, line: LineId, payload: &[u8]) {
        let since = self.pings.get(&line).map_or(now, |(_, since)| *since);
        self.pings.insert(line, (payload.to_vec(), since));
    }

    /// We answer.
    pub(crate) fn ponged(&mut self, line: LineId, payload: &[u8]) {
        self.pings.remove(&line).filter(|(asked, _)| asked == payload);
    }

    /// The line is gone, or has not been heard for reasons of our own.
    pub(crate) fn forget(&mut self, line: LineId) {
        self.pings.remove(&line);
        self.said.remove(&line);
        self.dialled.remove(&line);
    }

    /// A ping need not be answered: nothing is read at the moment.
    pub(crate) fn forget_ping(&mut self, line: LineId) {
        self.pings.remove(&line);
    }

    /// The process did not run.
    pub(crate) fn paused(&mut self, until: u64) {
        self.pings.values_mut().for_each(|(_, since)| *since = until.max(*since));
    }

    /// Whether every ping has found its answer.
    pub(crate) fn inspect(&self, now: u64) -> Result<(), String> {
        let late = self.pings.iter().find(|(_, (_, since))| now > since + ANSWER);
        late.map_or(Ok(()), |(line, _)| Err(format!("a ping on line {line} finds no answer")))
    }
}

/// The place of a kind of request in a table.
const fn kind_of(why: Fetch) -> usize {
    match why {
        Fetch::Snapshot => 0,
        Fetch::Backfill { .. } => 1,
        Fetch::Poll { .. } => 2,
    }
}

/// What service leaves of failures, rounded in the line's favour: only the line knows when it thinks data began.
fn made_good(failures: u32, lived: u64) -> u32 {
    if lived >= STABLE { 0 } else { failures.saturating_sub(((lived / SEC) as u32 + 2) / 15) }
}

impl Endpoint {
    fn failed(&mut self, now: u64) {
        if now < self.open_until {
            // It began before the breaker opened.
            return;
        }
        self.streak.push_back(now);
        if self.streak.len() > STREAK {
            self.streak.pop_front();
        }
        let tripped = self.streak.len() == STREAK && now.saturating_sub(self.streak[0]) <= STREAK_WITHIN;
        if tripped || self.suspect {
            // With what the feed gave up by itself it may have tripped before, and this one counted no more.
            let cuts = self.cuts.iter().filter(|at| now.saturating_sub(**at) <= STREAK_WITHIN).count();
            let last = if tripped { self.streak[STREAK - 1 - cuts.min(STREAK - 1)] } else { now };
            (self.open_until, self.suspect) = (last + OPEN, true);
        }
    }
}

#[cfg(test)]
mod tests;
