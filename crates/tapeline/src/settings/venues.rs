//! The venues that can be configured: those that have an adapter.

/// Their ids.
pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    tapeline_venues::ids()
}

/// The venue's own origins for streams and for REST.
pub(crate) fn origins(id: &str) -> (Vec<String>, Vec<String>) {
    let owned = |origins: &[&str]| origins.iter().map(|&origin| origin.to_owned()).collect();
    tapeline_venues::by_id(id)
        .map(|venue| (owned(venue.profile().streams), owned(venue.profile().rest)))
        .unwrap_or_default()
}
