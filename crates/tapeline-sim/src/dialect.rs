//! The control messages of Binance's streams: what a client may ask on a socket and how the venue answers.
//!
//! Source: the venue's `web-socket-streams.md` (2026-07); code 4 and the nested shape of errors are recorded
//! from the live venue and stand in no document.

use serde_json::{Map, Value, json};

/// The two shapes in which errors are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorShape {
    /// `{"error":{"code":2,"msg":"…"},"id":7}`: what the live venue sends.
    #[default]
    Nested,
    /// `{"code":2,"msg":"…","id":7}`: what the document says.
    Flat,
}

/// What one socket has asked for.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The streams in the order of their subscription, as the client spells them.
    pub(crate) streams: Vec<String>,
    /// Frames are wrapped in `{"stream":…,"data":…}`.
    pub(crate) combined: bool,
    /// The most streams; more are refused with code 4.
    pub(crate) limit: usize,
    pub(crate) shape: ErrorShape,
}

/// What a request did, apart from its answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// Streams that are new on this socket, and those that were asked for although it has them.
    Added {
        fresh: Vec<String>,
        again: Vec<String>,
    },
    Removed(Vec<String>),
    Combined(bool),
    /// The request was answered with an error.
    Refused,
}

/// A venue error: its code and its text.
struct Fault(u8, String);

impl Session {
    /// Takes one text message and returns the answer with what it changed.
    pub(crate) fn request(&mut self, text: &str) -> (String, Change) {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return self.refuse(Fault(3, format!("Invalid JSON: {error}")), None),
        };
        let id = value.get("id").filter(|id| is_id(id)).cloned();
        let done = match &value {
            Value::Object(request) => self.perform(request),
            _ => Err(invalid("expected a JSON object")),
        };
        match done {
            Ok((result, change)) => (json!({ "result": result, "id": id }).to_string(), change),
            Err(fault) => self.refuse(fault, id),
        }
    }

    /// Adds streams as the URL does, without an answer; `Err` if they are too many.
    pub(crate) fn add(&mut self, names: &[String]) -> Result<Vec<String>, ()> {
        let mut fresh: Vec<String> = Vec::new();
        for name in names {
            if !self.streams.contains(name) && !fresh.contains(name) {
                fresh.push(name.clone());
            }
        }
        if self.streams.len() + fresh.len() > self.limit {
            return Err(());
        }
        self.streams.extend(fresh.iter().cloned());
        Ok(fresh)
    }

    fn perform(&mut self, request: &Map<String, Value>) -> Result<(Value, Change), Fault> {
        let method = match request.get("method") {
            None => return Err(invalid("missing field `method`")),
            Some(Value::String(method)) => method.as_str(),
            Some(_) => return Err(invalid("invalid type: expected a method name")),
        };
        if !METHODS.contains(&method) {
            let known: Vec<String> = METHODS.iter().map(|name| format!("`{name}`")).collect();
            return Err(invalid(&format!("unknown variant {method}, expected one of {}", known.join(", "))));
        }
        if !request.get("id").is_some_and(is_id) {
            // The venue's text still says unsigned although signed numbers and short strings are taken.
            return Err(invalid("request ID must be an unsigned integer"));
        }
        let params = match request.get("params") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(params)) => params.as_slice(),
            Some(_) => return Err(invalid("invalid type: expected a sequence of params")),
        };
        match method {
            "SUBSCRIBE" => self.subscribe(params),
            "UNSUBSCRIBE" => Ok(self.unsubscribe(&names(params)?)),
            "LIST_SUBSCRIPTIONS" => match params {
                [] => Ok((json!(self.streams), Change::Nothing)),
                _ => Err(invalid("too many parameters")),
            },
            "SET_PROPERTY" => self.set_property(params),
            _ => self.get_property(params),
        }
    }

    fn subscribe(&mut self, params: &[Value]) -> Result<(Value, Change), Fault> {
        let names = names(params)?;
        let again = names.iter().filter(|name| self.streams.contains(name)).cloned().collect();
        match self.add(&names) {
            Ok(fresh) => Ok((Value::Null, Change::Added { fresh, again })),
            Err(()) => Err(Fault(4, "Too many subscriptions".to_owned())),
        }
    }

    fn unsubscribe(&mut self, names: &[String]) -> (Value, Change) {
        let (gone, kept) = self.streams.drain(..).partition(|name| names.contains(name));
        self.streams = kept;
        (Value::Null, Change::Removed(gone))
    }

    fn set_property(&mut self, params: &[Value]) -> Result<(Value, Change), Fault> {
        let [name, value] = params else { return Err(count_of(params, 2)) };
        property(name)?;
        let Some(combined) = value.as_bool() else {
            return Err(Fault(1, "Invalid value type: expected Boolean".to_owned()));
        };
        self.combined = combined;
        Ok((Value::Null, Change::Combined(combined)))
    }

    fn get_property(&self, params: &[Value]) -> Result<(Value, Change), Fault> {
        let [name] = params else { return Err(count_of(params, 1)) };
        property(name)?;
        Ok((json!(self.combined), Change::Nothing))
    }

    fn refuse(&self, Fault(code, msg): Fault, id: Option<Value>) -> (String, Change) {
        // Code 4 is known in the nested shape only.
        let nested = self.shape == ErrorShape::Nested || code == 4;
        let mut reply = if nested {
            json!({ "error": { "code": code, "msg": msg } })
        } else {
            json!({ "code": code, "msg": msg })
        };
        if let (Some(id), Some(reply)) = (id, reply.as_object_mut()) {
            reply.insert("id".to_owned(), id);
        }
        (reply.to_string(), Change::Refused)
    }
}

const METHODS: [&str; 5] = ["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"];

/// A signed 64-bit number, an alphanumeric string of at most 36 characters, or null.
fn is_id(id: &Value) -> bool {
    match id {
        Value::Null => true,
        Value::Number(number) => number.as_i64().is_some(),
        Value::String(text) => {
            text.len() <= 36 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }
        _ => false,
    }
}

fn names(params: &[Value]) -> Result<Vec<String>, Fault> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    params
        .iter()
        .map(name)
        .collect::<Option<_>>()
        .ok_or_else(|| invalid("invalid type: expected a stream name"))
}

fn property(name: &Value) -> Result<(), Fault> {
    match name.as_str() {
        None => Err(invalid("property name must be a string")),
        Some("combined") => Ok(()),
        Some(_) => Err(Fault(0, "Unknown property".to_owned())),
    }
}

fn count_of(params: &[Value], expected: usize) -> Fault {
    invalid(if params.len() > expected { "too many parameters" } else { "missing parameters" })
}

fn invalid(why: &str) -> Fault {
    Fault(2, format!("Invalid request: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(shape: ErrorShape) -> Session {
        Session { limit: 3, shape, ..Session::default() }
    }

    /// Sends each request on one socket and compares the answers.
    fn check(shape: ErrorShape, exchanges: &[(&str, &str)]) {
        let mut session = session(shape);
        for (request, expected) in exchanges {
            let answer: Value = serde_json::from_str(&session.request(request).0).unwrap();
            assert_eq!(answer, serde_json::from_str::<Value>(expected).unwrap(), "{request}");
        }
    }

    #[test]
    fn subscriptions_are_acknowledged_and_listed_in_order() {
        check(
            ErrorShape::Nested,
            &[
                (
                    r#"{"method":"SUBSCRIBE","params":["b@trade","a@depth"],"id":1}"#,
                    r#"{"result":null,"id":1}"#,
                ),
                (
                    r#"{"method":"SUBSCRIBE","params":["b@trade"],"id":"x-2"}"#,
                    r#"{"result":null,"id":"x-2"}"#,
                ),
                (r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#, r#"{"result":["b@trade","a@depth"],"id":3}"#),
                (
                    r#"{"method":"UNSUBSCRIBE","params":["b@trade","never"],"id":-4}"#,
                    r#"{"result":null,"id":-4}"#,
                ),
                (r#"{"method":"LIST_SUBSCRIPTIONS","id":null}"#, r#"{"result":["a@depth"],"id":null}"#),
            ],
        );
    }

    #[test]
    fn properties_are_set_and_read() {
        check(
            ErrorShape::Nested,
            &[
                (r#"{"method":"GET_PROPERTY","params":["combined"],"id":1}"#, r#"{"result":false,"id":1}"#),
                (
                    r#"{"method":"SET_PROPERTY","params":["combined",true],"id":2}"#,
                    r#"{"result":null,"id":2}"#,
                ),
                (r#"{"method":"GET_PROPERTY","params":["combined"],"id":3}"#, r#"{"result":true,"id":3}"#),
            ],
        );
    }

    #[test]
    fn errors_have_the_documented_codes_in_the_flat_shape() {
        check(
            ErrorShape::Flat,
            &[
                (
                    r#"{"method":"GET_PROPERTY","params":["colour"],"id":7}"#,
                    r#"{"code":0,"msg":"Unknown property","id":7}"#,
                ),
                (
                    r#"{"method":"SET_PROPERTY","params":["combined","yes"],"id":7}"#,
                    r#"{"code":1,"msg":"Invalid value type: expected Boolean","id":7}"#,
                ),
                (
                    r#"{"method":"SET_PROPERTY","params":[5,true],"id":7}"#,
                    r#"{"code":2,"msg":"Invalid request: property name must be a string","id":7}"#,
                ),
                (
                    r#"{"method":"SUBSCRIBE","params":["a"],"id":1.5}"#,
                    r#"{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}"#,
                ),
                (
                    r#"{"method":"GET_PROPERTY","params":["combined",1],"id":7}"#,
                    r#"{"code":2,"msg":"Invalid request: too many parameters","id":7}"#,
                ),
            ],
        );
    }

    #[test]
    fn errors_are_nested_in_the_live_shape() {
        check(
            ErrorShape::Nested,
            &[
                (
                    r#"{"params":["a"],"id":3}"#,
                    r#"{"error":{"code":2,"msg":"Invalid request: missing field `method`"},"id":3}"#,
                ),
                (
                    r#"{"method":"SUBSCRIBE","params":["a"]}"#,
                    r#"{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}}"#,
                ),
                (
                    "nonsense",
                    r#"{"error":{"code":3,"msg":"Invalid JSON: expected ident at line 1 column 2"}}"#,
                ),
            ],
        );
    }

    #[test]
    fn too_many_streams_change_nothing() {
        for shape in [ErrorShape::Nested, ErrorShape::Flat] {
            check(
                shape,
                &[
                    (r#"{"method":"SUBSCRIBE","params":["a","b"],"id":1}"#, r#"{"result":null,"id":1}"#),
                    (
                        r#"{"method":"SUBSCRIBE","params":["c","d"],"id":2}"#,
                        r#"{"error":{"code":4,"msg":"Too many subscriptions"},"id":2}"#,
                    ),
                    (r#"{"method":"SUBSCRIBE","params":["a","b","c"],"id":3}"#, r#"{"result":null,"id":3}"#),
                    (r#"{"method":"LIST_SUBSCRIPTIONS","id":4}"#, r#"{"result":["a","b","c"],"id":4}"#),
                ],
            );
        }
    }

    #[test]
    fn an_unknown_method_is_named_with_the_known_ones() {
        let (answer, change) = session(ErrorShape::Flat).request(r#"{"method":"SUBSCRIB","id":1}"#);
        assert_eq!(change, Change::Refused);
        assert!(
            answer.contains("unknown variant SUBSCRIB, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`"),
            "{answer}"
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_a_client_says_gets_a_json_answer(text in ".{0,200}") {
            let (answer, _) = session(ErrorShape::Nested).request(&text);
            assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
        }

        #[test]
        fn requests_of_any_shape_are_answered_and_never_exceed_the_limit(
            method in proptest::sample::select(METHODS.to_vec()),
            params in proptest::collection::vec(0..6u8, 0..6),
            id in proptest::option::of(-5..5i64),
        ) {
            let names: Vec<String> = params.iter().map(|n| format!("s{n}@trade")).collect();
            let mut session = session(ErrorShape::Flat);
            for _ in 0..3 {
                let (answer, _) = session.request(&json!({"method": method, "params": names, "id": id}).to_string());
                assert!(serde_json::from_str::<Value>(&answer).is_ok());
                assert!(session.streams.len() <= session.limit);
            }
        }
    }
}
