//! The commands, one file each.

pub(crate) mod act;
pub(crate) mod alerts;
pub(crate) mod backoff;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod reliability;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod watch;
