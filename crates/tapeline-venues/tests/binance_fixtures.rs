//! What Binance says, and what it must come out as: the expectations of `fixtures/venues/binance`, on our
//! own frames and, where the recordings are at hand, on every recorded sample and error.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod recordings;

use serde_json::{Value, json};
use tapeline_core::data::event::Level;
use tapeline_core::data::topic::Topic;
use tapeline_core::policy::fault::Fault;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Change, Decoded, Fetch, HttpReply, Item, LineId, Names, Refusal, TopicId, Venue};
use tapeline_venues::by_id;

fn fixture(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/venues/binance/");
    serde_json::from_str(&recordings::read(format!("{path}{name}").into())).unwrap()
}

fn venue(case: &Value) -> std::sync::Arc<dyn Venue> {
    by_id(case["venue"].as_str().unwrap()).unwrap()
}

/// The stream of a frame in combined form.
fn stream_of(frame: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    Some(frame["stream"].as_str()?.to_owned())
}

/// The names of one line: the case's topic, or whatever the frame's stream is called where no topic of
/// ours leads to it.
fn names(case: &Value, frame: &str) -> Names {
    let mut names = Names::default();
    let unrouted = case["expect"] == json!(["unrouted"]);
    match case["topic"].as_str() {
        Some(topic) => {
            let venue = venue(case);
            let asked = Topic::parse(topic).unwrap();
            let topic = venue.canonical(asked.clone()).unwrap();
            assert_eq!(topic, asked, "the fixture's topic is not canonical");
            names.insert(&venue.route(&topic).unwrap().stream, TopicId(0));
        }
        None if unrouted => {}
        None => drop(stream_of(frame).map(|stream| names.insert(&stream, TopicId(0)))),
    }
    names
}

fn shown_fault(fault: Fault) -> Value {
    let mut shown = json!({ "class": fault.name() });
    if let Fault::RateLimited { retry_after, banned } = fault {
        shown["retry_after_ms"] = json!(retry_after.map(|wait| wait.as_millis() as u64));
        shown["banned"] = json!(banned);
    }
    shown
}

fn with_time(mut shown: Value, time: Option<Unix>) -> Value {
    if let Some(time) = time {
        shown["time"] = json!(time);
    }
    shown
}

fn sides(levels: &[Level], range: &std::ops::Range<u32>, bids: u32) -> (Value, Value) {
    let levels = &levels[range.start as usize..range.end as usize];
    let (bids, asks) = levels.split_at(bids as usize);
    (json!(bids), json!(asks))
}

fn shown(item: &Item, levels: &[Level]) -> Value {
    match item {
        Item::Market { id, time, data, .. } => {
            json!({ "market": with_time(json!({ "id": id.to_string(), "data": data }), *time) })
        }
        Item::Spent { id, .. } => json!({ "spent": { "id": id.to_string() } }),
        Item::Depth { time, span, levels: range, bids, .. } => {
            let (bids, asks) = sides(levels, range, *bids);
            let mut shown = json!({
                "first": span.first.to_string(), "last": span.last.to_string(), "bids": bids, "asks": asks,
            });
            if let Some(previous) = span.previous {
                shown["previous"] = json!(previous.to_string());
            }
            json!({ "depth": with_time(shown, *time) })
        }
        Item::Levels { time, last, levels: range, bids, .. } => {
            let (bids, asks) = sides(levels, range, *bids);
            let shown = json!({ "last": last.to_string(), "bids": bids, "asks": asks });
            json!({ "levels": with_time(shown, *time) })
        }
        Item::Accepted { request, handle: None } => json!({ "accepted": { "request": request.to_string() } }),
        Item::Rejected { request, fault, reason } => {
            let mut shown = shown_fault(*fault);
            shown["reason"] = json!(reason);
            if let Some(request) = request {
                shown["request"] = json!(request.to_string());
            }
            json!({ "rejected": shown })
        }
        Item::Alive => json!("alive"),
        Item::Goodbye => json!("goodbye"),
        Item::Unrouted => json!("unrouted"),
        Item::Weight { used } => json!({ "weight": used }),
        other => panic!("Binance never says {other:?}"),
    }
}

fn all_shown(out: &Decoded) -> Value {
    out.items.iter().map(|item| shown(item, &out.levels)).collect()
}

#[track_caller]
fn check_frame(name: &str, case: &Value, frame: &str) {
    let mut out = Decoded::default();
    let line = LineId { slot: 0, dial: 0 };
    match venue(case).decode(line, frame.as_bytes(), &names(case, frame), &mut out) {
        Ok(()) => assert_eq!(all_shown(&out), case["expect"], "{name}"),
        Err(error) => {
            assert_eq!(Some(error.kind()), case["error"].as_str(), "{name}: {error}");
            assert!(out.items.is_empty() && out.levels.is_empty(), "{name}: something is left");
        }
    }
}

/// A topic that must be written as the adapter writes it.
fn canonical(asked: &str) -> Topic {
    let topic = Topic::parse(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
    assert_eq!(by_id(topic.venue()).unwrap().canonical(topic.clone()).unwrap(), topic, "{asked}");
    topic
}

/// What a fixture says is asked for: `snapshot`, `{"poll": last id}` or `{"backfill": [first, last]}`.
fn wish(fetch: &Value) -> Fetch {
    let id = |value: &Value| value.as_str().map(|id| id.parse().unwrap());
    match (fetch.get("poll"), fetch.get("backfill")) {
        (Some(after), _) => Fetch::Poll { after: id(after) },
        (_, Some(ids)) => Fetch::Backfill { from: id(&ids[0]).unwrap(), to: id(&ids[1]).unwrap() },
        _ => Fetch::Snapshot,
    }
}

#[track_caller]
fn check_reply(name: &str, case: &Value, headers: &[(String, String)], body: &[u8]) {
    let now = Unix::from_millis(case["now_ms"].as_i64().unwrap_or(1_790_000_000_000));
    let status = case["reply"].as_u64().unwrap() as u16;
    // Without a word about it a book's snapshot was asked for.
    let topic = match case["topic"].as_str() {
        Some(topic) => canonical(topic),
        None => canonical(&format!("{}:book:ETHUSDT", case["venue"].as_str().unwrap())),
    };
    let venue = by_id(topic.venue()).unwrap();
    let mut out = Decoded::default();
    let reply = HttpReply { status, headers, body, now };
    let result = venue.decode_fetch(wish(&case["fetch"]), &topic, &reply, &mut out);
    let said = result.as_ref().err().map(|Refusal { fault, detail, used, .. }| {
        assert!(!detail.is_empty() && detail.len() <= 200, "{name}: {detail}");
        let mut shown = shown_fault(*fault);
        if let Some(used) = used {
            shown["weight"] = json!(used);
        }
        shown
    });
    assert_eq!(said.unwrap_or_default(), case["refused"], "{name}: {result:?}");
    let expected = if case["expect"].is_null() { json!([]) } else { case["expect"].clone() };
    assert_eq!(all_shown(&out), expected, "{name}");
}

fn headers(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn our_frames_come_out_as_expected() {
    let cases = fixture("frames.json");
    for case in cases.as_array().unwrap() {
        check_frame(case["name"].as_str().unwrap(), case, case["frame"].as_str().unwrap());
    }
}

#[test]
fn every_channel_of_either_market_has_a_frame() {
    let cases = fixture("frames.json");
    let topics = cases.as_array().unwrap().iter().filter(|case| case["error"].is_null());
    let topics: Vec<&str> = topics.filter_map(|case| case["topic"].as_str()).collect();
    for id in tapeline_venues::ids() {
        for promise in by_id(id).unwrap().profile().channels {
            let start = format!("{id}:{}:", promise.channel);
            assert!(topics.iter().any(|topic| topic.starts_with(&start)), "no frame of {start}");
        }
    }
}

#[test]
fn our_replies_come_out_as_expected() {
    let cases = fixture("replies.json");
    for case in cases.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        check_reply(name, case, &headers(&case["headers"]), case["body"].as_str().unwrap().as_bytes());
    }
}

#[test]
fn what_is_asked_for_is_asked_at_its_endpoint_for_its_weight() {
    let cases = fixture("requests.json");
    for case in cases.as_array().unwrap() {
        let topic = canonical(case["topic"].as_str().unwrap());
        let origin = case["origin"].as_str().unwrap_or("https://a.example");
        let request = by_id(topic.venue()).unwrap().fetch(wish(&case["fetch"]), origin, &topic);
        let asked = request.as_ref().map(|request| (request.url.as_str(), u64::from(request.weight)));
        assert_eq!(asked, case["url"].as_str().zip(case["weight"].as_u64()), "{case}");
        assert_eq!(case["offered"] == false, request.is_none(), "{case}");
    }
}

#[test]
fn every_channel_of_either_market_says_whether_it_can_be_polled() {
    let cases = fixture("requests.json");
    let polled = cases.as_array().unwrap().iter().filter(|case| case["fetch"].get("poll").is_some());
    let polled: Vec<&str> = polled.map(|case| case["topic"].as_str().unwrap()).collect();
    for id in tapeline_venues::ids() {
        for promise in by_id(id).unwrap().profile().channels {
            let start = format!("{id}:{}:", promise.channel);
            assert!(polled.iter().any(|topic| topic.starts_with(&start)), "no poll of {start}");
        }
    }
}

#[test]
fn every_recorded_sample_and_error_comes_out_as_expected() {
    let Some(captures) = recordings::captures() else { return };
    for (file, cases) in fixture("samples.json").as_object().unwrap() {
        let text = recordings::read(captures.join(file));
        assert_eq!(
            text.lines().count(),
            cases.as_object().unwrap().len(),
            "{file}: a line without expectation"
        );
        for (number, line) in (1..).zip(text.lines()) {
            let (case, name) = (&cases[number.to_string()], format!("{file}:{number}"));
            let recorded: Value = serde_json::from_str(line).unwrap();
            check_sample(&name, case, line, &recorded);
        }
    }
}

fn check_sample(name: &str, case: &Value, line: &str, recorded: &Value) {
    assert!(case.is_object(), "{name}: no expectation");
    let quoted = recorded["frame"].as_str().or(recorded["body"].as_str());
    if case["unused"].is_string() {
        // Said by clients; this adapter has no use for it.
        assert_eq!(recorded["dir"], "client", "{name}");
    } else if case["request"].is_object() {
        check_request(name, case, quoted.unwrap());
    } else if case["reply"].is_u64() {
        let body = if recorded["transport"].is_null() { line } else { quoted.unwrap_or("") };
        check_reply(name, case, &headers(&recorded["headers"]), body.as_bytes());
    } else if let Some(stream) = case["stream"].as_str() {
        // The documentation shows payloads bare; this adapter only meets them wrapped.
        check_frame(name, case, &format!(r#"{{"stream":"{stream}","data":{}}}"#, quoted.unwrap()));
    } else {
        check_frame(name, case, quoted.unwrap_or(line));
    }
}

/// What a client is shown to send is what this adapter sends.
fn check_request(name: &str, case: &Value, frame: &str) {
    let streams = |key: &str| -> Vec<String> {
        let list = case["request"][key].as_array().into_iter().flatten();
        list.map(|stream| stream.as_str().unwrap().to_owned()).collect()
    };
    let (added, removed) = (streams("added"), streams("removed"));
    let [added, removed]: [Vec<&str>; 2] =
        [&added, &removed].map(|list| list.iter().map(String::as_str).collect());
    let first_id = case["request"]["first_id"].as_u64().unwrap();
    let mut out = Vec::new();
    let change = Change { group: 0, added: &added, removed: &removed, wanted: &added, first_id };
    venue(case).requests(&change, &mut out);
    assert_eq!(out.iter().map(|request| request.text.as_str()).collect::<Vec<_>>(), [frame], "{name}");
}

#[test]
fn topics_are_known_by_one_spelling() {
    let cases = fixture("topics.json");
    for case in cases.as_array().unwrap() {
        let asked = case["ask"].as_str().unwrap();
        let topic = Topic::parse(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let venue = by_id(topic.venue()).unwrap();
        let answer = venue.canonical(topic);
        if let Some(words) = case["refused"].as_array() {
            let error = answer.expect_err(asked).to_string();
            for word in words {
                assert!(error.contains(word.as_str().unwrap()), "{asked}: {error} does not say {word}");
            }
            continue;
        }
        let topic = answer.unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert_eq!(topic.as_str(), case["topic"].as_str().unwrap(), "{asked}");
        assert_eq!(venue.canonical(topic.clone()).unwrap(), topic, "{asked}: not stable");
        let route = venue.route(&topic).unwrap();
        let group = venue.profile().groups[usize::from(route.group)].name;
        assert_eq!(
            (group, &*route.stream),
            (case["group"].as_str().unwrap(), case["stream"].as_str().unwrap()),
            "{asked}"
        );
        assert!(venue.profile().promise(topic.channel()).is_some(), "{asked}: no promise");
    }
}
