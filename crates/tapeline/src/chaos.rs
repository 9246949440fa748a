//! Faults on purpose, at the edge between a feed and its sockets, while everything else is as it always is. There is
//! nothing of it unless a hub is given a [`Chaos`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::data::topic::Topic;
use tapeline_core::rng::Rng;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::operate::{Found, OrderError, Target};

/// Faults at a time.
const MOST: usize = 64;
/// The longest that a fault lasts.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long a feed may take to notice that a line is to be cut.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mischief {
    /// Lines that are open end without a goodbye, once.
    Cut,
    /// Lines are not read.
    Stall,
    /// Dials fail.
    RefuseDials,
    /// Messages are lost.
    Drop,
    /// Messages come twice.
    Duplicate,
    /// Messages are cut in half.
    Corrupt,
    /// REST requests fail.
    BlockRest,
}

impl Mischief {
    /// All there is, with its word.
    pub const ALL: [(&'static str, Self); 7] = [
        ("cut", Self::Cut),
        ("stall", Self::Stall),
        ("refuse_dials", Self::RefuseDials),
        ("drop", Self::Drop),
        ("duplicate", Self::Duplicate),
        ("corrupt", Self::Corrupt),
        ("block_rest", Self::BlockRest),
    ];

    /// The one of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, mischief)| *mischief)
    }
}

/// A fault that is at work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// Its number, rising.
    pub id: u64,
    /// What goes wrong.
    pub kind: Mischief,
    /// To what: `everything`, a venue or a line.
    pub target: String,
    /// Of so many messages it strikes one, on average; every one if 1.
    pub probability: f64,
    /// How much longer, in milliseconds.
    pub left_ms: u64,
}

/// Why there is no such fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFault {
    /// The hub was given no [`Chaos`].
    #[error("fault injection is not enabled")]
    Disabled,
    /// Too many at a time.
    #[error("{MOST} faults are at work, and more are not allowed; clear them first")]
    TooMany,
    /// It would last too long.
    #[error("a fault lasts at most an hour")]
    TooLong,
    /// There is no such probability.
    #[error("a probability is above 0 and at most 1")]
    Odds,
    /// A line or topic was named for what is done to whole venues only.
    #[error("REST is asked for a whole venue; leave the line or topic out")]
    WholeVenue,
    /// The venue has refused the topic, so there is no line to break.
    #[error("no line carries {0}")]
    NotCarried(Topic),
    /// There is nothing that it could strike.
    #[error(transparent)]
    Target(#[from] OrderError),
}

#[derive(Debug, Clone)]
struct Active {
    id: u64,
    kind: Mischief,
    target: Target,
    probability: f64,
    until: Instant,
}

impl Active {
    fn hits(&self, venue: &str, slot: Option<u32>) -> bool {
        match &self.target {
            Target::All => true,
            Target::Venue(named) => named == venue,
            Target::Line(named, line) => named == venue && slot == Some(*line),
            // What strikes a topic strikes the lines that carry it, and is kept as that.
            Target::Topic(_) => false,
        }
    }
}

/// The faults of a hub that allows them.
#[derive(Debug, Default)]
pub struct Chaos {
    active: Mutex<Vec<Active>>,
    /// Whether there is any: looked at for each batch.
    any: AtomicBool,
    last: AtomicU64,
}

impl Chaos {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The faults at work.
    pub fn list(&self) -> Vec<Fault> {
        let now = Instant::now();
        let shown = |fault: &Active| Fault {
            id: fault.id,
            kind: fault.kind,
            target: fault.target.to_string(),
            probability: fault.probability,
            left_ms: u64::try_from(fault.until.saturating_duration_since(now).as_millis())
                .unwrap_or(u64::MAX),
        };
        self.lock().iter().filter(|fault| fault.until > now).map(shown).collect()
    }

    /// All of them or, if that is too many, none; their numbers.
    fn add(
        &self,
        kind: Mischief,
        targets: Vec<Target>,
        lasting: Duration,
        probability: f64,
    ) -> Result<Vec<u64>, NoFault> {
        if !(probability > 0.0 && probability <= 1.0) {
            return Err(NoFault::Odds);
        }
        if lasting > LONGEST {
            return Err(NoFault::TooLong);
        }
        let now = Instant::now();
        let mut active = self.lock();
        active.retain(|fault| fault.until > now);
        if active.len() + targets.len() > MOST {
            return Err(NoFault::TooMany);
        }
        let until = now + if kind == Mischief::Cut { NOTICED_WITHIN } else { lasting };
        let mut ids = Vec::with_capacity(targets.len());
        for target in targets {
            let id = self.last.fetch_add(1, Ordering::AcqRel) + 1;
            active.push(Active { id, kind, target, probability, until });
            ids.push(id);
        }
        self.any.store(true, Ordering::Release);
        Ok(ids)
    }

    fn clear(&self) -> usize {
        let mut active = self.lock();
        self.any.store(false, Ordering::Release);
        active.drain(..).count()
    }

    /// What strikes a part of a venue now.
    fn now(&self, venue: &str, slot: Option<u32>) -> Vec<Active> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let now = Instant::now();
        let mut active = self.lock();
        active.retain(|fault| fault.until > now);
        self.any.store(!active.is_empty(), Ordering::Release);
        active.iter().filter(|fault| fault.hits(venue, slot)).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Active>> {
        // Every change is complete before the next one begins.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of one venue, as its loop feels them.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    chaos: Arc<Chaos>,
    venue: &'static str,
}

/// What strikes a line.
#[derive(Debug, Default)]
pub(crate) struct Strike {
    /// It ends.
    pub(crate) cut: bool,
    /// It is not read until then.
    pub(crate) stalled: Option<Instant>,
    /// What happens to its messages.
    pub(crate) odds: Option<Odds>,
}

/// What happens to messages, with which probability.
#[derive(Debug, Clone, Default)]
pub(crate) struct Odds([(f64, Mangled); 3]);

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mangled {
    /// Nothing.
    #[default]
    Not,
    Lost,
    Twice,
    Halved,
}

impl Odds {
    /// Rolls for a message.
    pub(crate) fn roll(&self, dice: &mut Rng) -> Mangled {
        let hit = self.0.iter().find(|(probability, _)| *probability > 0.0 && dice.roll() < *probability);
        hit.map_or(Mangled::Not, |(_, mangled)| *mangled)
    }
}

impl Tap {
    pub(crate) fn new(chaos: &Arc<Chaos>, venue: &'static str) -> Self {
        Self { chaos: Arc::clone(chaos), venue }
    }

    /// The newest fault: lines that are opened from now on are not cut by it.
    pub(crate) fn newest(&self) -> u64 {
        self.chaos.last.load(Ordering::Acquire)
    }

    /// What strikes a line that was opened when `born` was the newest fault.
    pub(crate) fn strike(&self, slot: u32, born: u64) -> Strike {
        let mut strike = Strike::default();
        for fault in self.chaos.now(self.venue, Some(slot)) {
            let mut odds = |at: usize, mangled| {
                let held = strike.odds.get_or_insert_default();
                held.0[at] = (held.0[at].0.max(fault.probability), mangled);
            };
            match fault.kind {
                Mischief::Cut => strike.cut |= fault.id > born,
                Mischief::Stall => strike.stalled = strike.stalled.max(Some(fault.until)),
                Mischief::Drop => odds(0, Mangled::Lost),
                Mischief::Corrupt => odds(1, Mangled::Halved),
                Mischief::Duplicate => odds(2, Mangled::Twice),
                Mischief::RefuseDials | Mischief::BlockRest => {}
            }
        }
        strike
    }

    /// Whether a line may not be dialled.
    pub(crate) fn refuses(&self, slot: u32) -> bool {
        self.chaos.now(self.venue, Some(slot)).iter().any(|fault| fault.kind == Mischief::RefuseDials)
    }

    /// Whether nothing may be asked over REST.
    pub(crate) fn blocks(&self) -> bool {
        self.chaos.now(self.venue, None).iter().any(|fault| fault.kind == Mischief::BlockRest)
    }
}

impl Hub {
    /// The faults that it allows, if it allows any.
    pub fn chaos(&self) -> Option<&Arc<Chaos>> {
        self.config().chaos.as_ref()
    }

    /// Lets something go wrong for so long: one fault, or one for each line that carries a topic; their numbers. What is
    /// done to everything strikes what begins to run meanwhile, too.
    ///
    /// # Errors
    /// [`NoFault`]: this hub allows none, not this one, or there is no such thing to strike.
    pub async fn break_on_purpose(
        &self,
        kind: Mischief,
        target: &Target,
        lasting: Duration,
        probability: f64,
    ) -> Result<Vec<u64>, NoFault> {
        let chaos = self.chaos().ok_or(NoFault::Disabled)?;
        let struck = match self.find(target).await? {
            Found::Venues(_) => vec![target.clone()],
            Found::Topic(topic, slots) if slots.is_empty() => return Err(NoFault::NotCarried(topic)),
            _ if kind == Mischief::BlockRest => return Err(NoFault::WholeVenue),
            Found::Line(..) => vec![target.clone()],
            Found::Topic(topic, slots) => {
                slots.into_iter().map(|slot| Target::Line(topic.venue().to_owned(), slot)).collect()
            }
        };
        let told =
            |target: &Target| format!("{kind:?} of {target} for {lasting:?}, probability {probability}");
        let told: Vec<String> = struck.iter().map(told).collect();
        let ids = chaos.add(kind, struck, lasting, probability)?;
        for (id, what) in ids.iter().zip(told) {
            tracing::warn!(id, what, "a fault on purpose");
            self.journal().note(self.now(), "chaos", "operator", &what);
        }
        self.wake_feeds();
        Ok(ids)
    }

    /// Ends all faults on purpose; how many there were.
    ///
    /// # Errors
    /// [`NoFault::Disabled`].
    pub fn clear_chaos(&self) -> Result<usize, NoFault> {
        let ended = self.chaos().ok_or(NoFault::Disabled)?.clear();
        self.journal().note(self.now(), "chaos", "operator", &format!("{ended} faults cleared"));
        self.wake_feeds();
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fault_strikes_what_it_is_meant_for_as_long_as_it_lasts() {
        let (chaos, secs) = (Chaos::new(), Duration::from_secs);
        let tap = Tap::new(&chaos, "one");
        let line = |slot| Target::Line("one".into(), slot);
        chaos.add(Mischief::Cut, vec![line(0)], secs(0), 1.0).unwrap();
        assert!(tap.strike(0, 0).cut && !tap.strike(1, 0).cut, "the line that was meant");
        assert!(!tap.strike(0, tap.newest()).cut, "one that was opened after it is not cut");
        chaos.add(Mischief::Stall, vec![Target::Venue("two".into())], secs(9), 1.0).unwrap();
        assert!(tap.strike(0, 9).stalled.is_none() && Tap::new(&chaos, "two").strike(5, 9).stalled.is_some());
        chaos.add(Mischief::RefuseDials, vec![Target::All], secs(9), 1.0).unwrap();
        chaos.add(Mischief::BlockRest, vec![line(0)], secs(9), 1.0).unwrap();
        assert!(tap.refuses(7) && !tap.blocks(), "REST is the venue's, no line's");
        tokio::time::advance(secs(10)).await;
        assert!(!tap.refuses(7) && chaos.list().is_empty());
    }

    #[test]
    fn messages_are_mangled_as_often_as_was_said_and_faults_are_bounded() {
        let chaos = Chaos::new();
        let tap = Tap::new(&chaos, "one");
        let add =
            |kind, probability| chaos.add(kind, vec![Target::All], Duration::from_secs(60), probability);
        add(Mischief::Drop, 0.25).unwrap();
        add(Mischief::Corrupt, 0.5).unwrap();
        let (odds, mut dice) = (tap.strike(0, 0).odds.unwrap(), Rng::new(7));
        let mut seen = [0; 4];
        (0..10_000).for_each(|_| seen[odds.roll(&mut dice) as usize] += 1);
        let [intact, lost, twice, halved] = seen;
        assert!((2_300..2_700).contains(&lost) && (3_500..4_000).contains(&halved), "{seen:?}");
        assert!(intact > 3_000 && twice == 0, "{seen:?}");
        for wrong in [0.0, -1.0, 1.1, f64::NAN] {
            assert_eq!(add(Mischief::Drop, wrong), Err(NoFault::Odds));
        }
        let long = chaos.add(Mischief::Stall, vec![Target::All], LONGEST * 2, 1.0);
        assert_eq!(long, Err(NoFault::TooLong));
        while chaos.list().len() < MOST - 1 {
            add(Mischief::Drop, 1.0).unwrap();
        }
        let two = chaos.add(Mischief::Drop, vec![Target::All; 2], Duration::from_secs(60), 1.0);
        assert_eq!((two, chaos.list().len()), (Err(NoFault::TooMany), MOST - 1), "not one without the other");
        add(Mischief::Drop, 1.0).unwrap();
        assert_eq!(add(Mischief::Drop, 1.0), Err(NoFault::TooMany));
        assert_eq!((chaos.clear(), chaos.list().len()), (MOST, 0));
    }
}
