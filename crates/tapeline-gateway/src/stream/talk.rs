//! What a client is answered: `tapeline.v1.json`, as docs/protocol.md tells it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tapeline::SubscribeError;
use tapeline_core::data::topic::MAX_TOPIC;
use tapeline_core::data::update::{Epoch, Position};
use tapeline_ws::frames;

use crate::codes::Code;

pub(super) use super::request::How;

/// Close codes of ours: 4000-4499 = come back, 4500-4999 = stay away.
pub mod code {
    use tapeline_ws::close_code::{INVALID_DATA, PROTOCOL, TOO_BIG};

    /// The gateway stops; the reason says when to come back.
    pub const SHUTDOWN: u16 = 4001;
    /// The client does not read what it asked for.
    pub const SLOW: u16 = 4008;
    /// Too many messages.
    pub const RATE: u16 = 4029;
    /// A message of its own did not come to its end.
    pub const UNFINISHED: u16 = 4408;
    /// What it says cannot be understood.
    pub const BAD_REQUEST: u16 = 4509;

    /// Every code that the gateway closes a client with of its own accord: these, and those of WebSocket itself.
    pub const ALL: [u16; 8] =
        [PROTOCOL, INVALID_DATA, TOO_BIG, SHUTDOWN, SLOW, RATE, UNFINISHED, BAD_REQUEST];
}

/// What a request came to for one topic.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) topic: String,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Problem>,
}

/// An error, for people and programs.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Outcome {
    /// It is done, and there is nothing more to say.
    pub(super) fn done(topic: String) -> Self {
        Self {
            topic,
            ok: true,
            epoch: None,
            offset: None,
            recovered: None,
            reason: None,
            delivery: None,
            interval_ms: None,
            error: None,
        }
    }

    /// It is done, and this is where the topic stands.
    pub(super) fn at(topic: String, position: Position) -> Self {
        Self { epoch: Some(position.epoch), offset: Some(position.offset), ..Self::done(topic) }
    }

    /// It cannot be done. Of a text that is no topic since it is too long only the beginning is said again.
    pub(super) fn failed(mut topic: String, code: Code, message: String) -> Self {
        if topic.len() > MAX_TOPIC {
            topic.truncate(topic.floor_char_boundary(MAX_TOPIC));
            topic.push('…');
        }
        Self { ok: false, error: Some(Problem { code, message }), ..Self::done(topic) }
    }

    /// The hub refuses it.
    pub(super) fn refused(topic: String, error: &SubscribeError) -> Self {
        Self::failed(topic, error.into(), error.to_string())
    }
}

/// What is answered: the fields of its kind, in this order.
#[derive(Default, Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a [Outcome]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl Answer<'_> {
    fn frame(&self) -> Bytes {
        // Writing to memory what holds only texts and numbers cannot fail.
        frames::text(|out| serde_json::to_writer(out, self).unwrap_or_default())
    }
}

/// The answer to a request.
pub(super) fn result(id: Option<&Value>, op: &'static str, results: &[Outcome]) -> Bytes {
    Answer { kind: "result", id, op: Some(op), results: Some(results), ..Answer::default() }.frame()
}

/// The answer to a ping.
pub(super) fn pong(id: Option<&Value>) -> Bytes {
    Answer { kind: "pong", id, ..Answer::default() }.frame()
}

/// Something that went wrong.
pub(super) fn error(id: Option<&Value>, code: Code, message: &str) -> Bytes {
    Answer { kind: "error", id, code: Some(code), message: Some(message), ..Answer::default() }.frame()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use tapeline_core::data::topic::TopicError;

    use super::*;

    /// The frame holds the message that the file holds, byte for byte.
    #[track_caller]
    fn golden(name: &str, frame: &Bytes) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/wire/");
        let expected = std::fs::read_to_string(format!("{path}{name}.json")).unwrap();
        let mut reader =
            tapeline_ws::Reader::new(tapeline_ws::Role::Client, tapeline_ws::Limits::client(), None);
        reader.feed(frame);
        assert_eq!(reader.next().unwrap(), Some(tapeline_ws::Message::Text(expected.trim_end())), "{name}");
    }

    #[test]
    fn answers_are_those_of_the_fixtures() {
        let at = |topic: &str, epoch, offset| {
            Outcome::at(topic.to_owned(), Position { epoch: Epoch::new(epoch), offset })
        };
        let resumed = at("binance:book:BTCUSDT", 0x0123_4567_89ab_cdef_0011_2233_4455_6677, 812);
        let anew = at("binance:trade:BTCUSDT", 255, 95);
        let unknown = TopicError::Channel {
            topic: "binance:tade:BTCUSDT".to_owned(),
            channel: "tade".to_owned(),
            hint: ", did you mean `trade`?".to_owned(),
        };
        let results = [
            Outcome { recovered: Some(true), ..resumed },
            Outcome { recovered: Some(false), reason: Some("too_old"), ..anew },
            Outcome::done("binance:quote:*".to_owned()),
            Outcome::refused("binance:tade:BTCUSDT".to_owned(), &unknown.into()),
            // The pattern would bring it, but it does not run any more.
            Outcome {
                recovered: Some(false),
                reason: Some("epoch"),
                ..Outcome::done("binance:quote:ETHUSDT".to_owned())
            },
        ];
        golden("result-subscribe", &result(Some(&1.into()), "subscribe", &results));
        let listed = at("binance:quote:BTCUSDT", 255, 7);
        let listed = Outcome { delivery: Some("conflate"), interval_ms: Some(100), ..listed };
        golden("result-list", &result(Some(&"two".into()), "list", &[listed]));
        golden("pong", &pong(Some(&3.into())));
        let misheard = super::super::request::read(r#"{"op":"fly","id":4}"#).unwrap_err();
        golden("error", &error(misheard.id.as_ref(), Code::BadRequest, &misheard.why));
    }
}
