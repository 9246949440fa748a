//! What flows: topics, decimals, events, books, sequences and the updates that carry them.

pub mod book;
pub mod channel;
pub mod decimal;
pub mod event;
pub mod ledger;
pub mod sequence;
pub mod topic;
pub mod update;
