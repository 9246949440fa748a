//! The venues that can be configured: those that have an adapter.

use tapeline_core::data::topic::{Topic, TopicError};
#[cfg(test)]
use tapeline_core::venue::Group;
use tapeline_core::venue::Profile;

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

/// Whether some streams of a venue may be carried by two lines at a time.
pub(crate) fn allows_two_lines(id: &str) -> bool {
    tapeline_venues::by_id(id).is_none_or(|venue| may_overlap(venue.profile()))
}

fn may_overlap(profile: &Profile) -> bool {
    profile.groups.iter().any(|group| group.overlap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_that_allows_one_connection_carries_nothing_twice() {
        let venue = tapeline_venues::by_id("binance").unwrap();
        let profile = venue.profile();
        assert!(may_overlap(profile));
        let single: &'static [_] =
            Vec::leak(profile.groups.iter().map(|group| Group { overlap: false, ..group.clone() }).collect());
        assert!(!may_overlap(&Profile { groups: single, ..profile.clone() }));
    }
}
