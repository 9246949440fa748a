//! What the stream makes of close reasons, pauses and silence.

use tapeline_ws::handshake::{Refusal, ServerOptions};
use tokio::net::TcpListener;

use super::*;

/// So much sooner than in life, but far from what a busy machine needs for an answer.
const SHORT: Patience =
    Patience { ask_after: Duration::from_millis(50), answer_within: Duration::from_secs(1) };
/// Nothing here takes nearly as long.
const TEST: Duration = Duration::from_secs(60);
const TOPIC: &str = "a:trade:B";

#[test]
fn a_gateway_that_stops_says_when_to_come_back() {
    let check = |reason: &str, millis: Option<u64>| {
        assert_eq!(retry_after(reason), millis.map(Duration::from_millis), "{reason}");
    };
    check(r#"{"retry_after_ms":1200}"#, Some(1_200));
    check("shutdown{retry_after_ms: 7}", Some(7));
    check("retry_after_ms=99999999", Some(60_000));
    check("shutdown", None);
    check("retry_after_ms", None);
}

#[test]
fn attempts_are_spread_and_never_far_apart() {
    for attempts in 0..100 {
        let delay = delay(attempts);
        assert!((FIRST / 2..=LONGEST).contains(&delay), "{delay:?}");
    }
}

/// A gateway of which only the words are real.
struct Stage {
    listener: TcpListener,
}

impl Stage {
    /// Opens one, and a stream from it.
    async fn open() -> (Self, Incoming) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = Remote::at(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (out, heard) = mpsc::channel(QUEUE);
        let topics = vec![TOPIC.to_owned()];
        let reader = Reader {
            remote,
            topics,
            delivery: None,
            positions: BTreeMap::new(),
            met: false,
            patience: SHORT,
        };
        tokio::spawn(reader.run(out));
        (Self { listener }, Incoming { heard })
    }

    /// Takes a client in, hears its subscription and grants it; the position it wanted to go on from.
    async fn grant(&self, offset: u64) -> (Socket, Value) {
        let (tcp, _) = self.listener.accept().await.unwrap();
        let options = ServerOptions { subprotocols: vec![PROTOCOL.to_owned()], ..ServerOptions::default() };
        let (mut socket, ..) = Connection::accept(tcp, &options, Limits::server()).await.unwrap();
        let Some(MessageOf::Text(text)) = socket.receive().await.unwrap() else { panic!("no request") };
        let request: Value = serde_json::from_str(text).unwrap();
        let from = request["resume"][TOPIC]["offset"].clone();
        let result =
            json!({"topic": TOPIC, "ok": true, "epoch": "e", "offset": offset, "recovered": !from.is_null()});
        let answer = json!({"type": "result", "id": 0, "op": "subscribe", "results": [result]}).to_string();
        socket.send(MessageOf::Text(&answer)).await.unwrap();
        (socket, from)
    }
}

/// What is heard next that `wanted` takes.
async fn next<T>(incoming: &mut Incoming, wanted: impl Fn(Heard) -> Option<T>) -> T {
    let search = async {
        loop {
            let heard = incoming.heard.recv().await.expect("the stream goes on");
            if let Some(found) = wanted(heard) {
                return found;
            }
        }
    };
    timeout(TEST, search).await.expect("it is never heard")
}

fn away(heard: Heard) -> Option<String> {
    if let Heard::Away(text) = heard { text } else { None }
}

#[tokio::test]
async fn a_gateway_that_hangs_is_pinged_then_left_and_gone_on_with() {
    let (stage, mut incoming) = Stage::open().await;
    let (mut hanging, from) = stage.grant(7).await;
    assert!(from.is_null());
    // It keeps the connection, reads nothing and says nothing.
    let said = next(&mut incoming, away).await;
    assert!(said.contains("has said nothing for"), "{said}");
    assert!(matches!(hanging.receive().await.unwrap(), Some(MessageOf::Ping(_))));
    let (_again, from) = stage.grant(9).await;
    assert_eq!(from, 7);
    let back = |heard| if let Heard::Back(text, whole) = heard { Some((text, whole)) } else { None };
    let (text, whole) = next(&mut incoming, back).await;
    assert!(text.is_some_and(|text| text.contains("nothing is missing")));
    assert_eq!(whole, [TOPIC]);
}

#[tokio::test]
async fn a_gateway_that_answers_pings_may_be_silent() {
    let (stage, mut incoming) = Stage::open().await;
    let (mut quiet, _) = stage.grant(7).await;
    let pings = async {
        let mut pings = 0;
        while pings < 5 {
            // Reading answers them.
            pings += u32::from(matches!(quiet.receive().await.unwrap(), Some(MessageOf::Ping(_))));
        }
        quiet.flush().await.unwrap();
        quiet.close(4_001, "{\"retry_after_ms\":1}").await.unwrap();
    };
    timeout(TEST, pings).await.expect("it asks again and again");
    let said = next(&mut incoming, away).await;
    assert!(said.contains("4001"), "{said}");
}

#[test]
fn a_gateway_that_refuses_is_told_in_its_own_words() {
    let said = |body: &str| {
        let refusal = Refusal {
            status: http::StatusCode::SERVICE_UNAVAILABLE,
            headers: http::HeaderMap::new(),
            body: body.into(),
        };
        turned_away("http://here", &ConnectError::Refused(Box::new(refusal))).to_string()
    };
    let own = said(r#"{"error":{"code":"unavailable","message":"memory is short: try again later"}}"#);
    assert!(own.contains("memory is short: try again later") && own.contains("503"), "{own}");
    assert!(!own.contains("--gateway"), "it is a gateway: {own}");
    let other = said("<html>");
    assert!(other.contains("serves no streams") && other.contains("--gateway"), "{other}");
}
