//! A translation that panics, for drills: Binance's, to which fields that nobody knows are too much. And what the world
//! knows of such panics: which messages they were over, and which streams have to be set aside for them.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::time::Duration;

use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::venue::{
    Change, DecodeError, Decoded, DialRequest, Fetch, HttpReply, HttpRequest, Item, Keys, LineId, Names,
    Profile, Refusal, Request, Route, Venue,
};
use tapeline_venues::binance::Binance;

use super::World;
use super::clock::SEC;
use super::oracle::{contains, stream_of};
use super::trace::Moment;

/// What the trouble `unknown-fields` puts into a message.
const MARK: &[u8] = r#""ß":"☃""#.as_bytes();
/// So many panics within [`WITHIN`] set a stream aside the first time, and one each time after that …
const PANICS: usize = 3;
const WITHIN: u64 = 60 * SEC;
/// … for so long, each time twice as long as before. No drill is so long that it would be forgiven, or reach the longest.
const FIRST: u64 = 60 * SEC;

/// Whether a brittle translation panics over a message of a topic.
pub(super) fn is_poison(bytes: &[u8]) -> bool {
    contains(bytes, MARK)
}

/// Binance's adapter, with a translation that panics over [`is_poison`].
#[derive(Debug)]
pub(super) struct Brittle(pub(super) Binance);

impl Venue for Brittle {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        self.0.canonical(topic)
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        self.0.route(topic)
    }

    fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest {
        self.0.dial(group, origin, wanted, keys)
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        self.0.requests(change, out);
    }

    fn period(&self, topic: &Topic) -> Option<Duration> {
        self.0.period(topic)
    }

    fn decode(
        &self,
        line: LineId,
        frame: &[u8],
        names: &Names,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        self.0.decode(line, frame, names, out)?;
        // What is of no topic is not looked at so closely.
        if out.items.iter().any(|item| *item != Item::Unrouted) && is_poison(frame) {
            // A panic like any other, but for the report of it that nobody wants to see.
            resume_unwind(Box::new("fields that nobody knows"));
        }
        Ok(())
    }

    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        self.0.fetch(why, origin, topic)
    }

    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        self.0.decode_fetch(why, topic, reply, out)
    }
}

/// What the world knows of the panics in a process, from the messages that reached it.
#[derive(Debug, Default)]
pub(crate) struct Poisoned {
    /// Messages over which there was one.
    pub(super) panics: u64,
    streams: BTreeMap<Box<[u8]>, Case>,
}

/// One stream.
#[derive(Debug, Default)]
struct Case {
    /// When the latest panics were that have not set it aside.
    panics: Vec<u64>,
    /// From when to when it is, or was, set aside, each time.
    terms: Vec<(u64, u64)>,
}

impl Poisoned {
    /// There is a panic over a message of a stream, unless it is set aside; until when it is to be, if that does it.
    fn hear(&mut self, now: u64, stream: &[u8]) -> Option<u64> {
        if self.is_aside(now, stream) {
            return None;
        }
        self.panics += 1;
        let case = self.streams.entry(stream.into()).or_default();
        case.panics.retain(|at| now < at + WITHIN);
        case.panics.push(now);
        if case.terms.is_empty() && case.panics.len() < PANICS {
            return None;
        }
        case.panics.clear();
        let until = now + (FIRST << case.terms.len());
        case.terms.push((now, until));
        Some(until)
    }

    /// Whether a stream was to be set aside at a moment.
    pub(super) fn is_aside(&self, at: u64, stream: &[u8]) -> bool {
        self.terms(stream).iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// Until when a stream was to be set aside last; 0 if it never was.
    pub(super) fn back_at(&self, stream: &[u8]) -> u64 {
        self.terms(stream).last().map_or(0, |(_, until)| *until)
    }

    fn terms(&self, stream: &[u8]) -> &[(u64, u64)] {
        self.streams.get(stream).map_or(&[], |case| &case.terms)
    }
}

impl World {
    /// A message reaches a process: whether its translation panics over it, which is taken down.
    pub(super) fn is_poisoned(&mut self, host: usize, bytes: &[u8]) -> bool {
        let now = self.now;
        let Some(poisoned) = self.hosts[host].brittle.as_mut().filter(|_| is_poison(bytes)) else {
            return false;
        };
        let stream = stream_of(bytes).unwrap_or_default();
        if let Some(until) = poisoned.hear(now, stream) {
            let (stream, until) = (String::from_utf8_lossy(stream), Moment(until));
            self.trace.tell(now, format!("host {host} must set aside {stream} until {until}"));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_panic_within_a_minute_sets_a_stream_aside_and_then_each_one() {
        let mut poisoned = Poisoned::default();
        let mut hear = |second: u64| poisoned.hear(second * SEC, b"a@trade").map(|until| until / SEC);
        assert_eq!([hear(0), hear(1), hear(60), hear(61)], [None; 4], "old ones do not count");
        assert_eq!(hear(62), Some(122));
        assert_eq!([hear(63), hear(122), hear(123)], [None, Some(242), None]);
        assert_eq!(poisoned.hear(123 * SEC, b"b@trade"), None, "each has its own");
        assert_eq!(poisoned.panics, 7, "what comes of one that is set aside is not translated");
        let aside = [61, 62, 121, 241, 242].map(|second| poisoned.is_aside(second * SEC, b"a@trade"));
        assert_eq!(aside, [false, true, true, true, false]);
    }

    #[test]
    fn a_message_with_fields_that_nobody_knows_is_poison() {
        let trouble = "unknown-fields".parse().unwrap();
        let plain = br#"{"e":"trade","t":5}"#;
        let spoilt = crate::house::spoilt(&trouble, plain).unwrap();
        assert_eq!([is_poison(plain), is_poison(&spoilt)], [false, true]);
    }
}
