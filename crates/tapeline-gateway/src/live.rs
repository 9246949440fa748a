//! What may change while the gateway runs: the settings in force, and what became of attempts to change them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value;
use tapeline::Level;
use tapeline_core::time::Unix;

use crate::config::GatewayConfig;
use crate::http::Door;
use crate::reading::wall;
use crate::server::Seats;

/// Records that are kept.
const RECORDS: usize = 256;
/// Characters of a cause that are kept.
const CAUSE: usize = 500;

/// The settings in force, as one.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) door: Door,
    /// All settings of the process, rendered without secrets.
    pub(crate) shown: Value,
}

/// Where everybody looks for the settings in force, each time they are needed.
#[derive(Debug)]
pub(crate) struct Live(RwLock<Arc<InForce>>);

impl Live {
    pub(crate) fn new(config: GatewayConfig, shown: Value) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(InForce::new(config, shown)))))
    }

    pub(crate) fn now(&self) -> Arc<InForce> {
        // Only ever replaced as a whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn config(&self) -> Arc<GatewayConfig> {
        Arc::clone(&self.now().config)
    }
}

impl InForce {
    fn new(config: GatewayConfig, shown: Value) -> Self {
        Self { door: Door::new(&config), config: Arc::new(config), shown }
    }
}

/// Something that happened to the gateway itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    /// Rises by one per record.
    pub(crate) seq: u64,
    /// When.
    pub(crate) wall: Unix,
    /// To what.
    pub(crate) entity: &'static str,
    /// The state left, and the one entered.
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    /// Why.
    pub(crate) cause: String,
    /// How bad that is.
    pub(crate) level: Level,
}

/// The latest records, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<(VecDeque<Record>, u64)>);

impl Journal {
    pub(crate) fn records(&self) -> Vec<Record> {
        self.lock().0.iter().cloned().collect()
    }

    /// Notes an order that no feed notes: that of the program itself is the same to it.
    pub(crate) fn ordered(&self, order: &'static str, target: &str) {
        self.note("operator", ("", order), target, Level::Healthy);
    }

    fn add(&self, change: (&'static str, &'static str), cause: &str, level: Level) {
        self.note("configuration", change, cause, level);
    }

    fn note(
        &self,
        entity: &'static str,
        (from, to): (&'static str, &'static str),
        cause: &str,
        level: Level,
    ) {
        let cause: String = cause.chars().take(CAUSE).collect();
        let mut held = self.lock();
        let (records, last) = &mut *held;
        if records.len() >= RECORDS {
            records.pop_front();
        }
        *last += 1;
        let (seq, wall) = (*last, wall());
        records.push_back(Record { seq, wall, entity, from, to, cause, level });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (VecDeque<Record>, u64)> {
        // Every change is complete before the next one begins.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes a gateway that runs; clones change the same one.
#[derive(Debug, Clone)]
pub struct Controls {
    pub(crate) live: Arc<Live>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) seats: Arc<Seats>,
}

impl Controls {
    /// Other settings are in force from now on: for every request, and for connections that are opened from now on
    /// what concerns a connection as such (the bounds of heads and messages). Where it listens and how many threads
    /// serve streams cannot change. `shown` is what is shown of the settings of the whole process.
    pub fn apply(&self, config: GatewayConfig, shown: Value) {
        let before = self.live.config();
        let mut config = GatewayConfig { listen: before.listen, ..config };
        config.limits.shards = before.limits.shards;
        self.seats.allow(config.limits.connections, config.limits.connections_per_ip);
        let in_force = Arc::new(InForce::new(config, shown));
        *self.live.0.write().unwrap_or_else(PoisonError::into_inner) = in_force;
    }

    /// Notes for the list of events that the configuration was read again, and what became of it.
    pub fn reloaded(&self, what: &str) {
        self.journal.add(("in_use", "reloaded"), what, Level::Healthy);
    }

    /// Notes for the list of events that a configuration was refused, and why: the one before stays in use.
    pub fn refused(&self, why: &str) {
        self.journal.add(("in_use", "refused"), why, Level::Warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_keeps_the_latest_and_cuts_what_is_long() {
        let journal = Journal::default();
        for _ in 0..RECORDS + 3 {
            journal.add(("in_use", "refused"), &"ü".repeat(CAUSE * 2), Level::Warning);
        }
        let records = journal.records();
        let (first, last) = (&records[0], &records[RECORDS - 1]);
        assert_eq!((records.len(), first.seq, last.seq), (RECORDS, 4, RECORDS as u64 + 3));
        assert_eq!(last.cause.chars().count(), CAUSE);
    }

    #[test]
    fn where_it_listens_stays_and_the_rest_changes() {
        let live = Live::new(GatewayConfig::default(), Value::Null);
        let seats = Seats::new(1, 1);
        let controls = Controls { live: Arc::clone(&live), journal: Arc::default(), seats };
        let mut config = GatewayConfig { listen: "127.0.0.1:1".parse().unwrap(), ..GatewayConfig::default() };
        config.admin_token = Some("new".to_owned());
        config.limits.shards = 99;
        controls.apply(config, Value::from(1));
        let now = live.now();
        assert_eq!(now.config.listen, GatewayConfig::default().listen);
        assert_eq!(now.config.limits.shards, GatewayConfig::default().limits.shards);
        assert_eq!((now.config.admin_token.as_deref(), &now.shown), (Some("new"), &Value::from(1)));
    }
}
