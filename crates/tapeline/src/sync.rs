//! What threads share and wait by. In one place, so that `tapeline-models` can put scheduled ones in theirs.

pub(crate) use std::sync::{Arc, Mutex, PoisonError, atomic};

pub(crate) use futures_util::task::AtomicWaker;
