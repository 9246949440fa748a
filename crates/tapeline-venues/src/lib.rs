//! What each venue's words mean: adapters that translate and cannot do I/O.
//!
//! - [`binance`]: spot and USD-M futures
//!
//! A new venue is a module with a type that implements [`Venue`], and a row in [`by_id`].

pub mod binance;

use std::sync::Arc;

use tapeline_core::venue::Venue;

use binance::{Binance, Market};

/// The adapter of a venue id, as it stands in topics (`binance`, `binance-usdm`).
pub fn by_id(id: &str) -> Option<Arc<dyn Venue>> {
    let market = Market::ALL.into_iter().find(|market| market.id() == id)?;
    Some(Arc::new(Binance::new(market)))
}

/// Every venue id that [`by_id`] knows.
pub fn ids() -> impl Iterator<Item = &'static str> {
    Market::ALL.into_iter().map(Market::id)
}
