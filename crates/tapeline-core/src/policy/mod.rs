//! Decisions as pure functions: values in, values out, each with its table of expectations.
//!
//! - [`fault`]: every failure gets a class where it enters
//! - [`retry_after`]: how long a venue asks us to wait
//! - [`recovery`]: what follows from a class
//! - [`backoff`]: how long to wait between dials, and what is forgiven
//! - [`restart`]: when a part that crashed is started again
//! - [`breaker`]: when an endpoint is left alone altogether
//! - [`budget`]: how much we allow ourselves, below what the venue allows
//! - [`silence`]: how long nothing may come
//! - [`health`]: how well something is served, and since when
//! - [`ladder`]: where data comes from while lines do not serve
//! - [`pressure`]: what is given up, and in which order, when memory runs short
//! - [`uptime`]: outages, and the figures that follow from them
//! - [`score`]: how good an endpoint is, and which one to take
//! - [`alert`]: what is told to somebody, once, and what to do

pub mod alert;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod fault;
pub mod health;
pub mod ladder;
pub mod pressure;
pub mod recovery;
pub mod restart;
pub mod retry_after;
pub mod rotation;
pub mod score;
pub mod silence;
pub mod uptime;
