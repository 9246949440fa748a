//! What a client says and what is answered: `tapeline.v1.json`, as docs/protocol.md tells it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tapeline::SubscribeError;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::update::{Epoch, Position};
use tapeline_ws::frames;

use crate::codes::Code;

/// Close codes of ours: 4000-4499 = come back, 4500-4999 = stay away.
pub mod code {
    use tapeline_ws::close_code::{INVALID_DATA, PROTOCOL, TOO_BIG};

    /// The gateway stops; the reason says when to come back.
    pub const SHUTDOWN: u16 = 4001;
    /// The client does not read what it asked for.
    pub const SLOW: u16 = 4008;
    /// Too many messages.
    pub const RATE: u16 = 4029;
    /// What it says cannot be understood.
    pub const BAD_REQUEST: u16 = 4509;

    /// Every code that the gateway closes a client with of its own accord: these, and those of WebSocket itself.
    pub const ALL: [u16; 7] = [PROTOCOL, INVALID_DATA, TOO_BIG, SHUTDOWN, SLOW, RATE, BAD_REQUEST];
}

/// The longest interval of conflated updates, in milliseconds.
const INTERVAL_MAX: u64 = 1_000;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Request {
    /// Given back with the answer, whatever it is.
    pub(super) id: Option<Value>,
    pub(super) op: Op,
}

#[derive(Debug)]
pub(super) enum Op {
    Subscribe { topics: Vec<String>, how: How, resume: BTreeMap<String, Position> },
    Unsubscribe { topics: Vec<String> },
    List,
    Ping,
    Auth,
}

/// How a client wants its topics.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// `None` = as is usual for each channel.
    pub(super) delivery: Option<Delivery>,
    /// Least time between conflated updates, in milliseconds; `None` = the gateway's.
    pub(super) interval: Option<u64>,
}

/// Why a message cannot be obeyed.
#[derive(Debug)]
pub(super) struct Misheard {
    pub(super) id: Option<Value>,
    pub(super) why: String,
}

#[derive(Debug, Deserialize)]
struct Raw {
    op: String,
    id: Option<Value>,
    #[serde(default)]
    topics: Vec<String>,
    delivery: Option<String>,
    interval_ms: Option<u64>,
    #[serde(default)]
    resume: BTreeMap<String, RawPosition>,
}

#[derive(Debug, Deserialize)]
struct RawPosition {
    epoch: String,
    offset: u64,
}

/// Reads one message.
pub(super) fn read(text: &str) -> Result<Request, Misheard> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| {
        let id = serde_json::from_str::<Value>(text).ok().and_then(|value| value.get("id").cloned());
        Misheard { id, why: format!("not a request: {error}") }
    })?;
    let Raw { op, id, topics, delivery, interval_ms, resume } = raw;
    let misheard = |why: String| Misheard { id: id.clone(), why };
    let some = |topics: Vec<String>| {
        let none = || misheard(format!("`{op}` needs `topics`, for example [\"binance:trade:BTCUSDT\"]"));
        if topics.is_empty() { Err(none()) } else { Ok(topics) }
    };
    let op = match op.as_str() {
        "subscribe" => {
            let topics = some(topics)?;
            let delivery = match delivery.as_deref() {
                None => None,
                Some("every") => Some(Delivery::Every),
                Some("conflate") => Some(Delivery::Conflate),
                Some(other) => {
                    return Err(misheard(format!("delivery `{other}` is neither `every` nor `conflate`")));
                }
            };
            if let Some(interval) = interval_ms.filter(|interval| *interval > INTERVAL_MAX) {
                return Err(misheard(format!("interval_ms {interval} is more than {INTERVAL_MAX}")));
            }
            let resume = positions(resume).map_err(misheard)?;
            Op::Subscribe { topics, how: How { delivery, interval: interval_ms }, resume }
        }
        "unsubscribe" => Op::Unsubscribe { topics: some(topics)? },
        "list" => Op::List,
        "ping" => Op::Ping,
        "auth" => Op::Auth,
        other => {
            let known = "subscribe, unsubscribe, list, ping, auth";
            return Err(misheard(format!("op `{other}` is none of {known}")));
        }
    };
    Ok(Request { id, op })
}

fn positions(raw: BTreeMap<String, RawPosition>) -> Result<BTreeMap<String, Position>, String> {
    let read = |(topic, RawPosition { epoch, offset }): (String, RawPosition)| {
        let epoch: Epoch = epoch.parse().map_err(|_| format!("epoch `{epoch}` is no hexadecimal number"))?;
        Ok((topic, Position { epoch, offset }))
    };
    raw.into_iter().map(read).collect()
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

    /// It cannot be done.
    pub(super) fn failed(topic: String, code: Code, message: String) -> Self {
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

    #[track_caller]
    fn wrong(text: &str, id: Option<i32>, part: &str) {
        let misheard = read(text).unwrap_err();
        assert!(misheard.why.contains(part), "{}", misheard.why);
        assert_eq!(misheard.id, id.map(Value::from), "{text}");
    }

    #[test]
    fn what_cannot_be_obeyed_is_told_with_its_number() {
        wrong("", None, "not a request");
        wrong("[1]", None, "not a request");
        wrong(r#"{"id":3}"#, Some(3), "missing field `op`");
        wrong(r#"{"op":"subscribe","id":4}"#, Some(4), "needs `topics`");
        wrong(r#"{"op":"subscribe","id":4,"topics":"a"}"#, Some(4), "not a request");
        wrong(r#"{"op":"fly","id":5}"#, Some(5), "none of subscribe");
        wrong(r#"{"op":"subscribe","id":6,"topics":["a"],"delivery":"some"}"#, Some(6), "neither");
        wrong(r#"{"op":"subscribe","id":7,"topics":["a"],"interval_ms":1001}"#, Some(7), "more than 1000");
        let resume = r#"{"op":"subscribe","id":8,"topics":["a"],"resume":{"a":{"epoch":"xyz","offset":1}}}"#;
        wrong(resume, Some(8), "hexadecimal");
    }

    #[test]
    fn a_request_is_read_whole_and_unknown_fields_are_borne() {
        let text = r#"{"op":"subscribe","id":"a","topics":["x:y:z"],"delivery":"every","interval_ms":0,
            "resume":{"x:y:z":{"epoch":"ff","offset":7}},"later":true}"#;
        let request = read(text).unwrap();
        let Op::Subscribe { topics, how, resume } = request.op else { panic!("{request:?}") };
        assert_eq!(
            (topics, how.delivery, how.interval),
            (vec!["x:y:z".to_owned()], Some(Delivery::Every), Some(0))
        );
        assert_eq!(resume["x:y:z"], Position { epoch: Epoch::new(255), offset: 7 });
        assert_eq!(request.id, Some(Value::from("a")));
    }

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
        ];
        golden("result-subscribe", &result(Some(&1.into()), "subscribe", &results));
        let listed = at("binance:quote:BTCUSDT", 255, 7);
        let listed = Outcome { delivery: Some("conflate"), interval_ms: Some(100), ..listed };
        golden("result-list", &result(Some(&"two".into()), "list", &[listed]));
        golden("pong", &pong(Some(&3.into())));
        let misheard = read(r#"{"op":"fly","id":4}"#).unwrap_err();
        golden("error", &error(misheard.id.as_ref(), Code::BadRequest, &misheard.why));
    }
}
