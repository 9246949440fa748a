//! Fault classes: every failure is turned into one where it enters, and the class decides what follows.

use std::time::Duration;

use serde::Serialize;

/// What kind of failure it was, and so what to do about it (the table of fault classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "class")]
pub enum Fault {
    /// Resets, ends of stream, timeouts, temporary name errors: try again, progressively.
    Transient,
    /// The venue said goodbye (1001, 1012, a shutdown notice, the daily cut).
    Planned,
    /// Our own side: no network, no descriptors, no resolver, a pause of the process.
    Local,
    /// Too fast: wait as told.
    RateLimited {
        /// What the venue asked for, if it said.
        retry_after: Option<Duration>,
        /// The whole address is banned, not only this request slowed (HTTP 418).
        banned: bool,
    },
    /// The venue does not accept our keys.
    Authentication,
    /// The venue's side is broken (5xx, 1011, undecodable handshake, streams of corrupt frames).
    Server,
    /// We ask for something impossible: trying again cannot help.
    Configuration,
}

impl Fault {
    /// The word for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Planned => "planned",
            Self::Local => "local",
            Self::RateLimited { .. } => "rate_limited",
            Self::Authentication => "authentication",
            Self::Server => "server",
            Self::Configuration => "configuration",
        }
    }
}
