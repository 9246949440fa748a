//! Troubles as they reach a client over real sockets, and the pages that order them.

use crate::client::{Socket, ask, get, market};
use serde_json::{Value, json};
use tapeline_sim::{Options, Server};
use tokio_tungstenite::tungstenite::{self, Message};

async fn venue(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = market(false, u64::MAX);
    change(&mut options);
    Server::start(options).await.unwrap()
}

fn order(server: &Server, line: &str) {
    server.trouble(line.parse().unwrap());
}

#[tokio::test]
async fn a_reset_breaks_the_connection_in_the_middle_of_a_frame() {
    let server = venue(|_| {}).await;
    order(&server, "reset nth=5");
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    socket.texts(4).await;
    let end = socket.next().await;
    assert!(matches!(end, Some(Err(tungstenite::Error::Io(_) | tungstenite::Error::Protocol(_)))), "{end:?}");
}

#[tokio::test]
async fn a_fin_comes_after_everything_said_before_and_a_close_has_its_code() {
    let server = venue(|_| {}).await;
    order(&server, "fin nth=5 socket=1");
    order(&server, "close nth=5 socket=2 code=1012");
    let mut first = Socket::open(&server, "/ws/btcusdt@trade").await;
    first.texts(4).await;
    assert!(first.is_cut().await);
    let mut second = Socket::open(&server, "/ws/btcusdt@trade").await;
    second.texts(4).await;
    assert_eq!(second.closed().await, (1012, String::new()));
}

#[tokio::test]
async fn a_frozen_socket_stays_open_and_says_nothing() {
    let server = venue(|_| {}).await;
    order(&server, "freeze nth=3 socket=1");
    let mut frozen = Socket::open(&server, "/ws/btcusdt@trade").await;
    let mut other = Socket::open(&server, "/ws/btcusdt@trade").await;
    frozen.texts(2).await;
    frozen.send(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await;
    other.texts(500).await;
    assert!(frozen.is_silent().await);
    assert_eq!(server.report().open, 2);
}

#[tokio::test]
async fn fragments_blanks_and_garbled_texts_cross_the_wire() {
    let server = venue(|_| {}).await;
    for line in ["fragment nth=2", "blank nth=3", "huge nth=4", "bad-utf8 nth=6"] {
        order(&server, line);
    }
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    let texts = socket.texts(5).await;
    assert!(serde_json::from_str::<Value>(&texts[1]).unwrap()["t"].is_u64(), "whole again");
    assert!(texts[2].is_empty() && texts[3].len() > 5_000_000);
    let end = socket.next().await;
    assert!(matches!(end, Some(Err(tungstenite::Error::Utf8(_)))), "{end:?}");
}

#[tokio::test]
async fn half_a_body_breaks_off_and_a_closed_port_says_nothing() {
    let server = venue(|_| {}).await;
    order(&server, "half-body times=1");
    let half = get(server.addr(), "/api/v3/depth?symbol=BTCUSDT").await;
    let length: usize = half.headers["content-length"].parse().unwrap();
    assert_eq!((half.status, half.body.len()), (200, length / 2));
    order(&server, "unreachable times=1");
    assert_eq!(ask(server.addr(), "GET", "/api/v3/ping", "").await, "");
    assert_eq!(get(server.addr(), "/api/v3/ping").await.status, 200);
    assert_eq!(server.report().snapshots_failed, 1);
}

#[tokio::test]
async fn connects_are_refused_with_the_status_that_was_ordered() {
    let server = venue(|_| {}).await;
    order(&server, "refuse code=451 times=1");
    let refused = Socket::dial(&server, "/ws").await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(reply)) if reply.status() == 451));
    let mut socket = Socket::open(&server, "/ws").await;
    socket.send(Message::Ping(vec![7].into())).await;
    assert!(matches!(socket.next().await, Some(Ok(Message::Pong(payload))) if *payload == [7]));
}

#[tokio::test]
async fn who_is_connected_is_told_by_the_number_that_troubles_use() {
    let server = venue(|_| {}).await;
    let at = server.addr();
    let mut first = Socket::open(&server, "/ws/btcusdt@trade").await;
    let mut second = Socket::open(&server, "/stream?streams=btcusdt@trade/ethusdt@trade").await;
    let told = get(at, "/sim/sockets").await.json();
    let of = |number, streams| json!({"socket": number, "from": "127.0.0.1", "host": at.to_string(), "streams": streams, "frozen": false});
    assert_eq!(told, json!([of(1, 1), of(2, 2)]));
    order(&server, "fin socket=1");
    while !matches!(first.next().await, None | Some(Err(_))) {}
    second.texts(1).await;
    assert_eq!(get(at, "/sim/sockets").await.json(), json!([of(2, 2)]), "the one that was named is gone");
}

#[tokio::test]
async fn troubles_are_ordered_listed_and_called_off_over_http() {
    let server = venue(|_| {}).await;
    let at = server.addr();
    let answer =
        ask(at, "POST", "/sim/trouble", "drop stream=btcusdt@trade every=10\nat 1h stall # later\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"ids":[1,2]}"#), "{answer}");
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    socket.texts(100).await;
    let listed = get(at, "/sim/troubles").await.json();
    assert_eq!(listed[0]["trouble"], "drop stream=btcusdt@trade every=10");
    assert!(listed[0]["strikes"].as_u64().unwrap() >= 11);
    assert_eq!(listed[1], json!({"id": 2, "trouble": "at 3600000ms stall", "strikes": 0}));
    let mishaps = get(at, "/sim/mishaps?since=1").await.json();
    assert_eq!((&mishaps[0]["number"], &mishaps[0]["kind"]), (&json!(2), &json!("drop")));
    assert!(get(at, "/sim/report").await.json()["troubles"]["drop"].as_u64().unwrap() >= 11);
    assert!(ask(at, "DELETE", "/sim/trouble/1", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask(at, "DELETE", "/sim/trouble/1", "").await.starts_with("HTTP/1.1 404"));
    assert_eq!(get(at, "/sim/troubles").await.json().as_array().unwrap().len(), 1);
    let bad = ask(at, "POST", "/sim/trouble", "stall\nstal\n").await;
    assert!(
        bad.starts_with("HTTP/1.1 400") && bad.contains("line 2: \"stal\" is no kind of trouble"),
        "{bad}"
    );
    assert_eq!(get(at, "/sim/troubles").await.json().as_array().unwrap().len(), 1, "all or nothing");
}
