//! What a client asks for, and how it is read: `tapeline.v1.json`, as docs/protocol.md tells it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::update::Position;

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
    Subscribe { topics: Vec<String>, how: How, resume: BTreeMap<String, Place> },
    Unsubscribe { topics: Vec<String> },
    List,
    Ping,
    Auth,
}

/// Where a client was in a topic. One that cannot be read is a place where nothing ever was: the reason is what the
/// client is told of it, and no other topic is concerned.
pub(super) type Place = Result<Position, &'static str>;

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

/// Reads one message.
pub(super) fn read(text: &str) -> Result<Request, Misheard> {
    let unread = |why: String| Misheard { id: None, why: format!("not a request: {why}") };
    let mut fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(unread("it is an object, for example {\"op\":\"ping\"}".to_owned())),
        Err(error) => return Err(unread(error.to_string())),
    };
    let id = fields.remove("id");
    match op(fields) {
        Ok(op) => Ok(Request { id, op }),
        Err(why) => Err(Misheard { id, why }),
    }
}

fn op(mut fields: Map<String, Value>) -> Result<Op, String> {
    let Some(name) = fields.get("op") else { return Err("not a request: missing field `op`".to_owned()) };
    match name.as_str() {
        Some("subscribe") => {
            let (topics, how) = (topics("subscribe", fields.remove("topics"))?, how(&fields)?);
            Ok(Op::Subscribe { topics, how, resume: places(fields.remove("resume"))? })
        }
        Some("unsubscribe") => {
            Ok(Op::Unsubscribe { topics: topics("unsubscribe", fields.remove("topics"))? })
        }
        Some("list") => Ok(Op::List),
        Some("ping") => Ok(Op::Ping),
        Some("auth") => Ok(Op::Auth),
        other => {
            let known = "subscribe, unsubscribe, list, ping, auth";
            let other = other.map_or_else(|| name.to_string(), str::to_owned);
            Err(format!("op `{other}` is none of {known}"))
        }
    }
}

fn topics(op: &str, given: Option<Value>) -> Result<Vec<String>, String> {
    let texts = |items: Vec<Value>| {
        let text = |item| if let Value::String(text) = item { Some(text) } else { None };
        items.into_iter().map(text).collect::<Option<Vec<_>>>()
    };
    let list = match given {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => texts(items),
        Some(_) => None,
    };
    match list {
        Some(list) if !list.is_empty() => Ok(list),
        Some(_) => Err(format!("`{op}` needs `topics`, for example [\"binance:trade:BTCUSDT\"]")),
        None => Err("not a request: `topics` is a list of texts".to_owned()),
    }
}

fn how(fields: &Map<String, Value>) -> Result<How, String> {
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let delivery = match given("delivery") {
        None => None,
        Some(word) => match word.as_str() {
            Some("every") => Some(Delivery::Every),
            Some("conflate") => Some(Delivery::Conflate),
            _ => return Err(format!("delivery {word} is neither `every` nor `conflate`")),
        },
    };
    let interval = match given("interval_ms") {
        None => None,
        Some(number) => match number.as_u64() {
            Some(interval) if interval <= INTERVAL_MAX => Some(interval),
            _ => return Err(format!("interval_ms {number} is no whole number from 0 to {INTERVAL_MAX}")),
        },
    };
    Ok(How { delivery, interval })
}

fn places(given: Option<Value>) -> Result<BTreeMap<String, Place>, String> {
    match given {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(places)) => {
            Ok(places.into_iter().map(|(topic, given)| (topic, place(&given))).collect())
        }
        Some(_) => Err("not a request: `resume` is an object with topics as its keys".to_owned()),
    }
}

fn place(given: &Value) -> Place {
    let epoch = given["epoch"].as_str().and_then(|epoch| epoch.parse().ok()).ok_or("epoch")?;
    let offset = given["offset"].as_u64().ok_or("ahead")?;
    Ok(Position { epoch, offset })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use serde_json::json;
    use tapeline_core::data::update::Epoch;

    use super::*;

    #[track_caller]
    fn wrong(text: &str, id: Option<Value>, part: &str) {
        let misheard = read(text).unwrap_err();
        assert!(misheard.why.contains(part), "{}", misheard.why);
        assert_eq!(misheard.id, id, "{text}");
        for ours in ["struct", "tuple", "u64", "map", "sequence"] {
            assert!(!misheard.why.contains(ours), "{}", misheard.why);
        }
    }

    #[test]
    fn what_cannot_be_obeyed_is_told_with_its_number() {
        let id = |number: u64| Some(Value::from(number));
        wrong("", None, "not a request");
        wrong(r#"["ping",1]"#, None, "it is an object");
        wrong(r#"{"id":3}"#, id(3), "missing field `op`");
        wrong(r#"{"id":null,"op":7}"#, Some(Value::Null), "op `7` is none of");
        wrong(r#"{"op":"subscribe","id":4}"#, id(4), "needs `topics`");
        wrong(r#"{"op":"subscribe","id":4,"topics":[]}"#, id(4), "needs `topics`");
        wrong(r#"{"op":"subscribe","id":4,"topics":"a"}"#, id(4), "not a request");
        wrong(r#"{"op":"subscribe","id":4,"topics":["a",1]}"#, id(4), "a list of texts");
        wrong(r#"{"op":"fly","id":5}"#, id(5), "none of subscribe");
        wrong(r#"{"op":"subscribe","id":6,"topics":["a"],"delivery":"some"}"#, id(6), "neither");
        wrong(r#"{"op":"subscribe","id":6,"topics":["a"],"delivery":["every"]}"#, id(6), "neither");
        wrong(r#"{"op":"subscribe","id":7,"topics":["a"],"interval_ms":1001}"#, id(7), "0 to 1000");
        wrong(r#"{"op":"subscribe","id":7,"topics":["a"],"interval_ms":-1}"#, id(7), "0 to 1000");
        wrong(r#"{"op":"subscribe","id":8,"topics":["a"],"resume":[]}"#, id(8), "`resume` is an object");
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
        assert_eq!(resume["x:y:z"], Ok(Position { epoch: Epoch::new(255), offset: 7 }));
        assert_eq!(request.id, Some(Value::from("a")));
        let text =
            r#"{"op":"subscribe","id":null,"topics":["a"],"delivery":null,"interval_ms":null,"resume":null}"#;
        let request = read(text).unwrap();
        assert_eq!(request.id, Some(Value::Null));
        assert_eq!(read(r#"{"op":"ping"}"#).unwrap().id, None);
    }

    #[test]
    fn a_place_that_cannot_be_read_says_what_is_wrong_with_it() {
        let read = |position: Value| {
            let request = json!({"op": "subscribe", "topics": ["a"], "resume": {"a": position}});
            let Op::Subscribe { resume, .. } = super::read(&request.to_string()).unwrap().op else {
                panic!()
            };
            resume["a"]
        };
        let long = "0".repeat(32) + "1x";
        for epoch in
            [json!("wrong"), json!(""), json!("6fe5bd46-3b1c-4c0a"), json!(long), json!(5), json!(null)]
        {
            assert_eq!(read(json!({"epoch": epoch, "offset": 1})), Err("epoch"), "{epoch}");
        }
        let huge: Value = serde_json::from_str("18446744073709551616").unwrap();
        let beyond: Value = serde_json::from_str("1e999").unwrap();
        for offset in [json!(-1), huge, beyond, json!(1.5), json!("7"), json!(null), json!([])] {
            assert_eq!(read(json!({"epoch": "ff", "offset": offset})), Err("ahead"), "{offset}");
        }
        for position in [json!(null), json!(7), json!([1, 2]), json!({})] {
            assert_eq!(read(position.clone()), Err("epoch"), "{position}");
        }
    }
}
