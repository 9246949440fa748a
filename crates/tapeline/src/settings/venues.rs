//! The venues that can be configured.

/// Their ids.
pub(crate) fn ids() -> impl Iterator<Item = &'static str> + Clone {
    ["binance", "binance-usdm"].into_iter()
}

/// The venue's own origins for streams and for REST.
pub(crate) fn origins(_id: &str) -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}
