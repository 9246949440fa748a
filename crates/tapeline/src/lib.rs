//! Verified market data from many venues, shared between any number of consumers.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = tapeline::Hub::new(tapeline::HubConfig::default());
//! let mut trades = hub.trades("binance", "BTCUSDT").await?;
//! while let Some(update) = trades.next().await {
//!     println!("{}", update.json());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Hub`]: the handle over all feeds; one upstream subscription however many subscribers
//! - [`Subscription`]: a stream of updates; dropping it unsubscribes
//! - [`Handler`]: a callback that cannot harm anyone but itself
//! - [`net`]: how a venue is reached (proxy, certificates)
//! - [`settings`]: the configuration file, the environment, flags
//!
//! Inside, one task per venue owns its feed and its sockets (`run`), and is started again if it
//! crashes (`supervise`).

mod account;
mod bookkeeping;
mod chaos;
mod clock;
mod config;
mod consumer;
mod descriptors;
mod handler;
mod hub;
mod journal;
mod keys;
mod memory;
pub mod net;
mod operate;
mod order;
mod parts;
mod reliability;
mod run;
pub mod settings;
mod shortcut;
mod signals;
mod sockets;
mod spread;
mod state;
mod subscribe;
mod supervise;
mod sync;
mod watch;

pub use tapeline_core as core;
pub use tapeline_core::config::{FeedConfig, Limits, Timing};
pub use tapeline_core::data::channel::{Channel, Delivery};
pub use tapeline_core::data::topic::{Pattern, Topic, TopicError};
pub use tapeline_core::data::update::{Data, Epoch, Kind, Level, Position, Source, Update};
pub use tapeline_core::feed::{
    Command, FeedLedger, FeedStatus, Peek, Start, Subscribed, SubscriberStatus, TopicLedger, TopicStatus,
};
pub use tapeline_core::outbox::{Bounds, CutOff, OutboxStats, Overflow, SubscriberId};
pub use tapeline_core::policy::alert::{Alert, Notification};
pub use tapeline_core::policy::breaker::Override;
pub use tapeline_core::policy::ladder::Rung;
pub use tapeline_core::policy::pressure::Step;
pub use tapeline_core::policy::recovery::Recovery;
pub use tapeline_core::venue::Venue;

pub use account::Ledger;
pub use bookkeeping::LedgerChange;
pub use chaos::{Chaos, Fault as ChaosFault, Mischief, NoFault};
pub use config::{HubConfig, VenueConfig};
pub use consumer::{Control, Subscription};
pub use descriptors::Descriptors;
pub use handler::{Handler, HandlerStatus, On};
pub use hub::{Hub, Status, VenueStatus};
pub use journal::Event;
pub use keys::{KeyFile, KeySource};
pub use memory::{Account, MemoryStatus};
pub use operate::{Breakers, Done, NoTarget, OrderError, Target, breakers, recovery, rung};
pub use order::Wish;
pub use parts::Parts;
pub use reliability::{Reliability, TopicReliability, VenueReliability};
pub use spread::{Spread, SpreadReading};
pub use state::{StateDir, StateError};
pub use subscribe::{Subscribe, SubscribeError, Wishes};
pub use watch::{
    AlertList, Direction, History, HistoryMinute, Notifications, Pattern as HealthPattern, ProcessStatus,
    Trend,
};
