//! Figures for Prometheus: the families, what stands in them now, and the two text formats.

mod family;
mod fill;
mod text;

pub(crate) use fill::{Sources, families};
pub(crate) use text::{CLASSIC, OPENMETRICS, classic, openmetrics};
