//! What keeps venues from being reached, in words: which endpoint, why, and when it is tried again.

use std::collections::{HashMap, HashSet};

use tapeline::{Status, Topic};

use crate::view::number::age;

/// Tells each trouble once, and again when another attempt has failed.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Failures told so far, by venue and line.
    told: HashMap<(String, u32), u32>,
    /// Refused topics told.
    refused: HashSet<Topic>,
}

impl Trouble {
    /// What has to be said now.
    pub(crate) fn look(&mut self, hub: Status) -> Vec<String> {
        let mut said = Vec::new();
        for venue in hub.venues {
            if venue.halted {
                self.once(&venue.venue, u32::MAX, 1, &mut said, || {
                    format!(
                        "{}: its feed has crashed too often and is halted; restart the program",
                        venue.venue
                    )
                });
            }
            let Some(feed) = venue.feed else { continue };
            for topic in feed.topics.iter().filter(|topic| topic.phase == "rejected") {
                if self.refused.insert(topic.topic.clone()) {
                    said.push(format!(
                        "{}: refused by the venue: {}; is the symbol right?",
                        topic.topic, topic.reason
                    ));
                }
            }
            for line in feed.lines {
                let key = (venue.venue.clone(), line.id);
                if line.proven {
                    if self.told.remove(&key).is_some_and(|failures| failures > 0) {
                        said.push(format!("{}: {} is back", venue.venue, line.endpoint));
                    }
                    continue;
                }
                let Some((reason, wait)) = line.reason.as_ref().zip(line.dial_in_ms) else { continue };
                self.once(&venue.venue, line.id, line.failures.max(1), &mut said, || {
                    format!(
                        "{}: {} cannot be used: {reason}; attempt {} {}",
                        venue.venue,
                        line.endpoint,
                        line.failures + 1,
                        soon(wait),
                    )
                });
            }
        }
        said
    }

    fn once(
        &mut self,
        venue: &str,
        line: u32,
        failures: u32,
        said: &mut Vec<String>,
        text: impl FnOnce() -> String,
    ) {
        let before = self.told.insert((venue.to_owned(), line), failures);
        if before != Some(failures) {
            said.push(text());
        }
    }
}

/// In how long: `now`, `in 2.5s`.
fn soon(wait: u64) -> String {
    let wait = age(wait);
    if wait == "now" { wait } else { format!("in {wait}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_next_attempt_is_now_or_in_some_time() {
        assert_eq!(super::soon(20), "now");
        assert_eq!(super::soon(2_500), "in 2.5s");
    }
}
