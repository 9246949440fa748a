//! Topics and patterns: what is accepted has one spelling, which means the same.

use tapeline_core::data::topic::{MAX_TOPIC, Pattern, Topic};

/// Reads a text as a topic and as a pattern.
///
/// # Panics
/// If a canonical text is not its own canonical form, passes the length limit, or loses a part.
pub fn topic(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Topic::parse(text) {
        Ok(topic) => check(&topic),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(pattern) = Pattern::parse(text) {
        assert!(pattern.as_str().len() <= MAX_TOPIC);
        assert_eq!(Pattern::parse(pattern.as_str()).as_ref(), Ok(&pattern), "{text}");
    }
}

fn check(topic: &Topic) {
    let canonical = topic.as_str();
    assert!(canonical.len() <= MAX_TOPIC);
    let again = Topic::parse(canonical);
    assert_eq!(again.as_ref().map(Topic::as_str), Ok(canonical));
    let pattern = Pattern::parse(canonical);
    assert!(pattern.is_ok_and(|pattern| pattern.matches(topic)), "{canonical} selects itself");
    let every = Pattern::parse(&format!("{}:*:*", topic.venue()));
    assert!(every.is_ok_and(|pattern| pattern.matches(topic)), "{canonical} is one of all");
    let same = topic.with(&topic.symbol(), &[]).expect("a symbol can be written again");
    assert_eq!(same.raw_symbol(), topic.raw_symbol());
    assert_eq!(same.symbol(), topic.symbol());
    let keys: Vec<_> = topic.params().map(|(key, _)| key).collect();
    assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]), "{canonical}");
}
