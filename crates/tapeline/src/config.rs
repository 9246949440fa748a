//! What a hub is told at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::venue::Venue;

use crate::chaos::Chaos;
use crate::keys::{KeyFile, KeySource};
use crate::net::{HttpClient, NetConfig, Proxy};
use crate::settings::{Problems, Settings, Sources};
use crate::state::StateDir;

/// What a hub is told at its start. The default knows every venue with its own defaults.
#[derive(Clone, Default)]
pub struct HubConfig {
    /// Settings by venue id; venues that are not named have the defaults.
    pub venues: BTreeMap<String, VenueConfig>,
    /// Adapters by venue id, beside (and before) those that come with the library.
    pub adapters: BTreeMap<String, Arc<dyn Venue>>,
    /// Replaces the HTTP client, for simulations.
    pub http: Option<Arc<dyn HttpClient>>,
    /// Bounds of subscribers; those of feeds are in `venues`.
    pub limits: Limits,
    /// Least time between conflated updates, where the subscriber does not choose.
    pub throttle: Option<Duration>,
    /// What outlives the process; none = nothing does.
    pub state: Option<Arc<StateDir>>,
    /// Allows faults on purpose; none = there are none.
    pub chaos: Option<Arc<Chaos>>,
    /// Decides all dice; drawn from the system if absent.
    pub seed: Option<u64>,
}

impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig").field("venues", &self.venues.keys()).finish_non_exhaustive()
    }
}

/// What the hub is told of one venue.
#[derive(Debug, Clone, Default)]
pub struct VenueConfig {
    /// What its feed is told.
    pub feed: FeedConfig,
    /// How it is reached.
    pub net: NetConfig,
    /// Where its keys are read anew if it refuses them, or before they end; none = those of `feed` are all there are.
    pub keys: Option<Arc<dyn KeySource>>,
}

impl HubConfig {
    /// What the configuration file in the working folder and the environment say.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong, with its place.
    pub fn of_process() -> Result<Self, Problems> {
        let sources = Sources::of_process(None, Vec::new())?;
        Ok(Self::from(&Settings::read(&sources)?))
    }
}

impl From<&Settings> for HubConfig {
    fn from(settings: &Settings) -> Self {
        let stage_within = NetConfig::default().stage_within.min(settings.timing.dial_within);
        let venues = settings.venues.iter().map(|(id, venue)| {
            // The settings have been checked; a proxy that is none after all is not used in silence.
            let proxy = venue.proxy.as_deref().and_then(|text| {
                let parsed = Proxy::parse(text);
                if parsed.is_err() {
                    tracing::error!(venue = id, "the proxy's URL cannot be used, going without");
                }
                parsed.ok()
            });
            let ca_file = venue.ca_file.clone();
            let net = NetConfig { proxy, ca_file, stage_within, ..NetConfig::default() };
            let mut feed = settings.feed(id).unwrap_or_default();
            let keys = KeyFile::of(venue.key_id.as_deref(), venue.secret.as_ref());
            // The file tells how long its key lasts, which the settings do not.
            feed.keys = keys.as_ref().and_then(|file| file.read().ok()).or(feed.keys);
            let keys = keys.map(|file| Arc::new(file) as Arc<dyn KeySource>);
            ((*id).to_owned(), VenueConfig { feed, net, keys })
        });
        Self {
            venues: venues.collect(),
            limits: settings.limits.clone(),
            throttle: Some(settings.timing.throttle),
            ..Self::default()
        }
    }
}
