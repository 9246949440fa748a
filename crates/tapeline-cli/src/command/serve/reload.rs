//! Reading the configuration again while it is in use: what can change does, the rest is named.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tapeline::settings::{Settings, Sources};
use tapeline::{Bounds, Hub, Topic};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;

use crate::args::{Format, Global};
use crate::log;

/// What waits for a subscriber that only keeps topics warm.
const BOUNDS: Bounds = Bounds { messages: 16, bytes: 64 << 10 };

/// Applies what the configuration says about logs; flags win.
pub(crate) fn logs(global: &Global, settings: &Settings) {
    let base = LevelFilter::from_str(settings.log.level).unwrap_or(LevelFilter::INFO);
    let json = match global.log {
        Some(format) => format == Format::Json,
        None => settings.log.format == "json",
    };
    log::change(|manner| {
        manner.level = log::level(base, global.louder());
        manner.json = json;
        manner.repeats = settings.log.repeats;
    });
}

/// The configuration in use, and how to read it again.
pub(crate) struct Reloader {
    global: Global,
    hub: Hub,
    runtime: Handle,
    now: Mutex<Now>,
}

/// What is in use.
struct Now {
    /// What the process was started with: what needs a restart is measured by that.
    started: Settings,
    current: Settings,
    /// Keeps the topics warm that were added since the start.
    warm: Option<JoinHandle<()>>,
}

impl Reloader {
    pub(crate) fn new(global: Global, settings: Settings, hub: Hub) -> Self {
        let now = Now { started: settings.clone(), current: settings, warm: None };
        Self { global, hub, runtime: Handle::current(), now: Mutex::new(now) }
    }

    /// Reads again and applies; what was done, or everything that is wrong. Nothing changes if anything is wrong.
    pub(crate) fn reload(&self) -> Result<Value, String> {
        let sources = Sources::of_process(self.global.config.as_deref(), self.global.set.clone());
        let settings = sources.and_then(|sources| Settings::read(&sources)).map_err(|problems| {
            tracing::error!(%problems, "the configuration cannot be used, the one before stays in use");
            problems.to_string()
        })?;
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = now.current.changes(&settings);
        let lacking: BTreeSet<String> = now.started.changes(&settings).into_iter().collect();
        logs(&self.global, &settings);
        let added = added(&now.started, &settings);
        if let Some(before) = now.warm.take() {
            before.abort();
        }
        if !added.is_empty() {
            now.warm = Some(self.runtime.spawn(keep_warm(self.hub.clone(), added)));
        }
        let at_once = |path: &String| {
            path.starts_with("log.") || (path.ends_with(".warm") && no_fewer(&now.started, &settings, path))
        };
        let applied: Vec<&String> = changed.iter().filter(|path| at_once(path)).collect();
        let restart: Vec<&String> = lacking.iter().filter(|path| !at_once(path)).collect();
        tracing::info!(?applied, needs_restart = ?restart, "the configuration was read again");
        let answer = json!({"applied": applied, "needs_restart": restart});
        now.current = settings;
        Ok(answer)
    }

    /// As [`Self::reload`], for a signal: the log has told all there is to tell.
    pub(crate) fn told(&self) {
        let _ = self.reload();
    }
}

/// Warm topics that were not there at the start.
fn added(started: &Settings, settings: &Settings) -> Vec<Topic> {
    let warm = |settings: &Settings| -> BTreeSet<Topic> {
        settings.venues.values().flat_map(|venue| venue.warm.iter().cloned()).collect()
    };
    warm(settings).difference(&warm(started)).cloned().collect()
}

/// Whether the warm topics of the start are all still there: those cannot be let go while the process runs.
fn no_fewer(started: &Settings, settings: &Settings, path: &str) -> bool {
    let id = path.trim_start_matches("venues.").trim_end_matches(".warm");
    let warm =
        |settings: &Settings| settings.venues.get(id).map(|venue| venue.warm.clone()).unwrap_or_default();
    let now = warm(settings);
    warm(started).iter().all(|topic| now.contains(topic))
}

/// Reads topics for nobody, so that they run.
async fn keep_warm(hub: Hub, topics: Vec<Topic>) {
    let texts: Vec<String> = topics.iter().map(ToString::to_string).collect();
    let subscribed = hub.subscribe(texts).name("warm").bounds(BOUNDS).await;
    match subscribed {
        Ok(mut subscription) => while subscription.next().await.is_some() {},
        Err(error) => tracing::error!(%error, "topics cannot be kept warm"),
    }
}
