//! The configuration: any file and any flags are read or refused with their place, never a panic.

use tapeline::settings::{Settings, Sources};
use tapeline_core::data::topic::Topic;

/// Reads everything before the first zero byte as a file, each further part as a flag.
///
/// # Panics
/// If accepted settings break what every reader of them relies on, or a refusal says nothing.
pub fn settings(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default().to_vec();
    let flags = parts.take(8).map(|flag| String::from_utf8_lossy(flag).into_owned()).collect();
    let sources = Sources { file: Some(("tapeline.toml".into(), file)), environment: Vec::new(), flags };
    let settings = match Settings::read(&sources) {
        Ok(settings) => settings,
        Err(problems) => return assert!(!problems.to_string().is_empty()),
    };
    assert!(!format!("{settings:?}").is_empty());
    for (id, venue) in &settings.venues {
        let feed = settings.feed(id).expect("every venue has a feed");
        assert!(!feed.streams.is_empty() && !feed.rest.is_empty(), "{id} has origins");
        for origin in &feed.streams {
            let scheme = origin.split("://").next().unwrap_or_default().to_ascii_lowercase();
            assert!(scheme == "wss" || scheme == "ws", "{origin}");
        }
        for topic in &venue.warm {
            assert_eq!(topic.venue(), *id, "{topic} is kept warm by its own venue");
            assert_eq!(Topic::parse(topic.as_str()).as_ref(), Ok(topic));
        }
    }
}
