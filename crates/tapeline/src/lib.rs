//! Being built.

pub mod settings;
