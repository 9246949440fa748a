//! What an operator may order, and who is an operator.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tapeline_gateway::about::{Declined, Hook};
use tapeline_gateway::{About, GatewayConfig};

use crate::bench::{Bench, TOKEN, about, ask, data, soon, usual};

#[tokio::test]
async fn nothing_is_ordered_without_the_token() {
    let bench = Bench::new().await;
    let almost = format!("Bearer {}x", &TOKEN[..TOKEN.len() - 1]);
    let longer = format!("Bearer {TOKEN}x");
    for shown in ["", "Bearer", "Bearer ", "Basic eA==", &almost, &longer, TOKEN] {
        let answer =
            ask(bench.address(), "POST /api/v1/actions/sweep", &[("authorization", shown)], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"), "{shown}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let answer = bench.ask("POST /api/v1/actions/no-such", &[]).await;
    assert_eq!(answer.status, 401, "who is nobody learns nothing");
}

#[tokio::test]
async fn a_gateway_without_a_token_takes_no_orders() {
    for admin_token in [None, Some(String::new())] {
        let bench = Bench::with(GatewayConfig { admin_token, ..usual() }, about()).await;
        for bearer in ["Bearer ", "Bearer x"] {
            let answer = bench.ask("POST /api/v1/actions/sweep", &[("authorization", bearer)]).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "not_configured"));
        }
    }
}

#[tokio::test]
async fn a_line_is_reconnected_on_order() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    for (body, dials) in [(r#"{"target":"binance/0"}"#, 2), (r#"{"target":"binance"}"#, 3), ("", 4)] {
        let answer = bench.act("reconnect", body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"ok": true, "reconnected": 1})), "{body}");
        soon(async {
            loop {
                let line = bench.get("/api/v1/lines").await.json()["items"][0].clone();
                if line["dials"].as_u64() == Some(dials) && line["phase"] == "live" {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn data_comes_from_where_an_operator_says_until_it_is_let_go() {
    let bench = Bench::new().await;
    let mut book = bench.hub.subscribe(["binance:book:BTCUSDT"]).await.unwrap();
    data(&mut book).await;
    let rung = async || {
        let status = bench.get("/api/v1/status").await.json();
        status["items"][0]["fallback"].clone()
    };
    assert_eq!((&rung().await["rung"], &rung().await["pinned"]), (&json!("primary"), &json!(false)));
    let answer = bench.act("pin", r#"{"mode":"poll","target":"binance"}"#).await;
    assert_eq!(answer.json(), json!({"ok": true, "rung": "poll", "venues": ["binance"]}), "{answer:?}");
    soon(async { while rung().await["rung"] != "poll" {} }).await;
    assert_eq!(rung().await["pinned"], true);
    assert!(rung().await["reason"].as_str().is_some_and(|why| !why.is_empty()));
    let metrics = bench.get("/metrics").await.body;
    for line in
        ["fallback_rung{venue=\"binance\",rung=\"poll\"} 1.0", "fallback_pinned{venue=\"binance\"} 1.0"]
    {
        assert!(metrics.lines().any(|found| found == format!("tapeline_{line}")), "{line}: {metrics}");
    }
    soon(async { while bench.get("/api/v1/topics").await.json()["items"][0]["source"] != "poll" {} }).await;
    let answer = bench.act("unpin", "").await;
    assert_eq!(answer.json(), json!({"ok": true, "unpinned": 1}), "{answer:?}");
    let events = bench.get("/api/v1/events").await.json();
    let orders: Vec<_> =
        events["items"].as_array().unwrap().iter().filter(|event| event["entity"] == "operator").collect();
    assert!(orders.len() >= 2, "orders are recorded: {events}");
}

#[tokio::test]
async fn lines_are_named_by_number_or_by_what_they_carry() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    for target in ["binance/0", "binance/line 0", "binance:trade:BTCUSDT"] {
        let answer = bench.act("reconnect", &json!({"target": target}).to_string()).await;
        assert_eq!(answer.json(), json!({"ok": true, "reconnected": 1}), "{target}: {answer:?}");
        // A line that is being dialled is not dialled sooner.
        soon(async { while bench.get("/api/v1/lines").await.json()["items"][0]["phase"] != "live" {} }).await;
    }
    let answer = bench.act("recover", r#"{"target":"binance/9"}"#).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{answer:?}");
    for mode in ["immediate", "delayed", "progressive", "manual"] {
        let answer = bench.act("recover", &json!({"target": "binance", "mode": mode}).to_string()).await;
        assert_eq!((answer.status, answer.json()["ok"].as_bool()), (200, Some(true)), "{mode}: {answer:?}");
    }
    data(&mut trades).await;
    soon(async { while bench.get("/api/v1/lines").await.json()["items"][0]["phase"] != "live" {} }).await;
    let answer = bench.act("rotate", r#"{"target":"binance:trade:BTCUSDT"}"#).await;
    assert_eq!(answer.json(), json!({"ok": true, "rotated": 1}), "{answer:?}");
    soon(async { while bench.get("/api/v1/status").await.json()["items"][0]["rotations"] != 1 {} }).await;
}

#[tokio::test]
async fn topics_without_readers_are_swept_on_order() {
    let bench = Bench::new().await;
    let trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    assert_eq!(bench.act("sweep", "").await.json(), json!({"ok": true, "swept": 0}));
    drop(trades);
    soon(async { while bench.act("sweep", r#"{"target":"binance"}"#).await.json()["swept"] != 1 {} }).await;
    assert_eq!(bench.get("/api/v1/topics").await.json()["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(bench.act("reset", r#"{"target":"binance"}"#).await.json()["ok"], true);
}

#[tokio::test]
async fn the_process_is_asked_for_what_only_it_can_do() {
    let drained = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drained);
    let about = About {
        reload: Some(Arc::new(|| Err(Declined::Wrong("line 3: no such key".to_owned())))),
        drain: Some(Arc::new(move || Ok(json!({"calls": count.fetch_add(1, Ordering::SeqCst) + 1})))),
        ..about()
    };
    let bench = Bench::with(usual(), about).await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    for part in ["binance", "binance/0", "binance:trade:BTCUSDT"] {
        for action in ["drain", "reload"] {
            let answer = bench.act(action, &json!({"target": part}).to_string()).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{action} {part}");
        }
    }
    assert_eq!(drained.load(Ordering::SeqCst), 0, "a part was named, and the whole was drained");
    assert_eq!(bench.act("drain", "").await.json(), json!({"ok": true, "result": {"calls": 1}}));
    assert_eq!(drained.load(Ordering::SeqCst), 1);
    let answer = bench.act("reload", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "configuration"), "the operator's fault");
    assert!(answer.body.contains("line 3: no such key"));
    let reload: Hook = Arc::new(|| Err(Declined::Failed("no luck".to_owned())));
    let bench = Bench::with(usual(), About { reload: Some(reload), ..crate::bench::about() }).await;
    let answer = bench.act("reload", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "failed"), "ours");
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let bench = Bench::new().await;
    let check = async |action: &str, body: &str, status: u16, code: &str| {
        let answer = bench.act(action, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{action} {body}");
    };
    for later in ["reload", "drain"] {
        check(later, "", 501, "not_implemented").await;
    }
    for ladder in ["fallback", "pin"] {
        check(ladder, "", 400, "bad_request").await;
        check(ladder, r#"{"mode":"telepathy"}"#, 400, "bad_request").await;
        check(ladder, r#"{"mode":"poll","target":"binance/0"}"#, 400, "bad_request").await;
    }
    check("recover", r#"{"mode":"soon"}"#, 400, "bad_request").await;
    check("recover", r#"{"target":"binance:trade:BTCUSDT"}"#, 404, "not_found").await;
    check("recover", r#"{"target":"binance:tade:BTCUSDT"}"#, 400, "bad_topic").await;
    check("rotate", r#"{"target":"binance/line x"}"#, 400, "bad_request").await;
    check("unpin", r#"{"mode":"poll"}"#, 400, "bad_request").await;
    check("dance", "", 404, "not_found").await;
    check("reconnect", r#"{"target":"nowhere"}"#, 404, "not_found").await;
    check("reconnect", r#"{"target":"binance/x"}"#, 400, "bad_request").await;
    check("reconnect", r#"{"target":"binance"}"#, 404, "not_found").await;
    check("reset", r#"{"target":"binance/0"}"#, 400, "bad_request").await;
    check("sweep", r#"{"mode":"hard"}"#, 400, "bad_request").await;
    check("sweep", r#"{"tarmac":"x"}"#, 400, "bad_request").await;
    check("sweep", "not json", 400, "bad_request").await;
    check("sweep", &" ".repeat(17 << 10), 413, "too_large").await;
}

#[tokio::test]
async fn a_venue_of_which_nobody_has_asked_for_anything_is_said_not_to_run() {
    let bench = Bench::new().await;
    let check = async |action: &str, body: serde_json::Value| {
        let answer = bench.act(action, &body.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{action}: {answer:?}");
        let why = "binance does not run: nobody has asked for anything of it";
        assert!(answer.body.contains(why), "{action}: {answer:?}");
    };
    for action in ["recover", "reconnect", "rotate", "unpin", "reset", "sweep"] {
        check(action, json!({"target": "binance"})).await;
    }
    for action in ["recover", "reconnect", "rotate"] {
        check(action, json!({"target": "binance/0"})).await;
    }
    for action in ["fallback", "pin"] {
        check(action, json!({"target": "binance", "mode": "poll"})).await;
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        // Writing into a text cannot fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("tapeline_gateway")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn an_order_is_logged_as_done_only_if_it_was_and_a_refused_one_with_the_reason() {
    let bench = Bench::new().await;
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let told = async |action: &str, body: &str| {
        bench.act(action, body).await;
        let lines = std::mem::take(&mut *logged.0.lock().unwrap());
        let of_orders: Vec<String> = lines.into_iter().filter(|line| line.contains("order")).collect();
        assert_eq!(of_orders.len(), 1, "{action} {body}: {of_orders:?}");
        of_orders.concat()
    };
    let line = told("sweep", "").await;
    assert!(line.starts_with("INFO ") && line.contains("swept") && line.contains("everything"), "{line}");
    let line = told("reconnect", r#"{"target":"nowhere"}"#).await;
    assert!(line.starts_with("WARN ") && line.contains("not_found") && line.contains("`nowhere`"), "{line}");
    let line = told("dance", "").await;
    assert!(line.starts_with("WARN ") && line.contains("there is no action"), "{line}");
    assert!(!line.contains("done\""), "{line}");
}
