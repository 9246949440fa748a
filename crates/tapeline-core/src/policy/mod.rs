//! Decisions as pure functions: values in, values out, each with its table of expectations.

pub mod fault;
