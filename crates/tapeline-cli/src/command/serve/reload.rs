//! Reading the configuration again while it is in use: what can change does, the rest is named.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use tapeline::settings::{Settings, Sources};
use tapeline::{Bounds, Hub, Topic};
use tapeline_gateway::{Controls, Declined, GatewayConfig};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;

use crate::args::{Format, Global};
use crate::log;
use crate::remote::token;

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

/// What changes at once. Whatever else changed needs a restart.
const AT_ONCE: [&str; 20] = [
    "gateway.admin_token_file",
    "gateway.insecure_plaintext",
    "gateway.insecure_no_tokens",
    "gateway.insecure_secrets",
    "gateway.allowed_origins",
    "gateway.allowed_hosts",
    "gateway.connections",
    "gateway.connections_per_ip",
    "gateway.header_bytes",
    "gateway.message_bytes",
    "gateway.messages_per_second",
    "gateway.unsent_bytes",
    "gateway.header_within",
    "gateway.idle",
    "gateway.ping_every",
    "gateway.pong_within",
    "gateway.write_within",
    "gateway.drain_within",
    "limits.topics_per_client",
    "timing.throttle",
];
/// The key that a new token in the same file is told under.
const TOKEN: &str = "gateway.admin_token_file";

/// The configuration in use, and how to read it again.
pub(crate) struct Reloader {
    global: Global,
    hub: Hub,
    runtime: Handle,
    /// The gateway, once it runs.
    gateway: OnceLock<Controls>,
    now: Mutex<Now>,
}

/// What is in use.
struct Now {
    /// What the process was started with: what needs a restart is measured by that.
    started: Settings,
    current: Settings,
    token: Option<String>,
    /// Keeps the topics warm that were added since the start.
    warm: Option<JoinHandle<()>>,
}

impl Reloader {
    pub(crate) fn new(global: Global, settings: Settings, token: Option<String>, hub: Hub) -> Self {
        let now = Now { started: settings.clone(), current: settings, token, warm: None };
        let (runtime, gateway) = (Handle::current(), OnceLock::new());
        Self { global, hub, runtime, gateway, now: Mutex::new(now) }
    }

    /// The gateway runs: it is told what changes.
    pub(crate) fn serves(&self, gateway: Controls) {
        // It starts once.
        let _ = self.gateway.set(gateway);
    }

    /// Reads again and applies; what was done, or everything that is wrong. Nothing changes if anything is wrong.
    pub(crate) fn reload(&self) -> Result<Value, Declined> {
        let Some(gateway) = self.gateway.get() else {
            return Err(Declined::Failed("the gateway is still starting; try again".to_owned()));
        };
        let done = self.read().and_then(|settings| self.apply(gateway, settings));
        match &done {
            Ok(answer) => gateway.reloaded(&answer.to_string()),
            Err(problems) => {
                // Who reads of it in the log finds it among the events.
                gateway.refused(problems);
                tracing::error!(%problems, "the configuration cannot be used, the one before stays in use");
            }
        }
        done.map_err(Declined::Wrong)
    }

    fn read(&self) -> Result<Settings, String> {
        let sources = Sources::of_process(self.global.config.as_deref(), self.global.set.clone());
        let settings = sources.and_then(|sources| Settings::read(&sources));
        settings.map_err(|problems| problems.to_string())
    }

    fn apply(&self, gateway: &Controls, settings: Settings) -> Result<Value, String> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let token = now.token_of(&settings)?;
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
        let at_once = |path: &str| {
            let warm = path.ends_with(".warm") && no_fewer(&now.started, &settings, path);
            warm || path.starts_with("log.") || AT_ONCE.contains(&path)
        };
        let mut applied: Vec<&str> =
            changed.iter().map(String::as_str).filter(|path| at_once(path)).collect();
        if token != now.token && !applied.contains(&TOKEN) {
            applied.push(TOKEN);
        }
        let restart: Vec<&str> = lacking.iter().map(String::as_str).filter(|path| !at_once(path)).collect();
        gateway.apply(now.gateway_config(&settings, token.clone()), now.shown(&settings, &restart));
        tracing::info!(?applied, needs_restart = ?restart, "the configuration was read again");
        let answer = json!({"applied": applied, "needs_restart": restart});
        (now.current, now.token) = (settings, token);
        Ok(answer)
    }

    /// As [`Self::reload`], for a signal: the log has told all there is to tell.
    pub(crate) fn told(&self) {
        let _ = self.reload();
    }
}

impl Now {
    /// The token that is to be shown from now on. One that was named and cannot be read is a mistake.
    fn token_of(&self, settings: &Settings) -> Result<Option<String>, String> {
        // The folder in use stays that of the start.
        let mut settings = settings.clone();
        settings.state.dir.clone_from(&self.started.state.dir);
        let place = token::place(&settings).map(|file| file.display().to_string()).unwrap_or_default();
        match token::own(&settings) {
            Err(_) if settings.gateway.admin_token_file.is_none() && self.token.is_none() => Ok(None),
            token => token.map_err(|error| format!("{TOKEN}: the token in {place} cannot be read: {error}")),
        }
    }

    /// What the gateway is told: the bounds of histories are those of the start, as they are for the feeds.
    fn gateway_config(&self, settings: &Settings, token: Option<String>) -> GatewayConfig {
        let started = super::gateway_config(&self.started, None);
        let mut config = super::gateway_config(settings, token);
        config.limits.log_bytes = started.limits.log_bytes;
        config.limits.logs_bytes = started.limits.logs_bytes;
        config.timing.history = started.timing.history;
        config
    }

    /// The settings in force, for everybody to see: what needs a restart is as it was at the start.
    fn shown(&self, settings: &Settings, restart: &[&str]) -> Value {
        let (mut shown, started) = (settings.to_json(), self.started.to_json());
        for path in restart {
            let Some((table, key)) = path.rsplit_once('.') else { continue };
            let pointer = format!("/{}", table.replace('.', "/"));
            let before = started.pointer(&pointer).and_then(|table| table.get(key));
            let Some(table) = shown.pointer_mut(&pointer).and_then(Value::as_object_mut) else { continue };
            match before {
                Some(before) => table.insert(key.to_owned(), before.clone()),
                None => table.remove(key),
            };
        }
        shown
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_gateway_changes_at_once_but_two() {
        let page = include_str!("../../../../../docs/configuration.md");
        let keys = |section: &str| -> Vec<String> {
            let (_, rest) = page.split_once(&format!("## `[{section}]`")).unwrap();
            let table = rest.split("\n## ").next().unwrap_or_default();
            let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
            rows.map(|key| format!("{section}.{key}")).collect()
        };
        let gateway = keys("gateway").into_iter().filter(|key| !AT_ONCE.contains(&key.as_str()));
        assert_eq!(gateway.collect::<Vec<_>>(), ["gateway.listen", "gateway.shards"]);
        let there = ["gateway", "limits", "timing"].map(keys).concat();
        assert!(AT_ONCE.iter().all(|path| there.iter().any(|key| key == path)), "{there:?}");
    }
}
