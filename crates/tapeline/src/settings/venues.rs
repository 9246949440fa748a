//! The venues that can be configured: those that have an adapter.

use tapeline_core::data::topic::{Topic, TopicError};

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

/// The venue's own spelling of a topic, if it offers it.
pub(crate) fn canonical(id: &str, topic: &Topic) -> Result<Topic, TopicError> {
    let Some(venue) = tapeline_venues::by_id(id) else { return Ok(topic.clone()) };
    let topic = venue.canonical(topic.clone())?;
    venue.route(&topic).map(|_| topic)
}
