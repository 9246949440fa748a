//! What the venue says on a socket: modes, requests, limits, pings.

use crate::client::{Socket, eventually, market};
use serde_json::{Value, json};
use std::time::Duration;
use tapeline_sim::{Options, Server};
use tokio_tungstenite::tungstenite::{self, Message};

async fn venue(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = market(false, u64::MAX);
    change(&mut options);
    Server::start(options).await.unwrap()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn combined_sockets_wrap_data_and_raw_sockets_do_not() {
    let server = venue(|_| {}).await;
    let mut combined = Socket::open(&server, "/stream?streams=btcusdt@trade/ethusdt@bookTicker").await;
    let mut raw = Socket::open(&server, "/ws/btcusdt@trade").await;
    let wrapped = parse(&combined.text().await);
    assert!(["btcusdt@trade", "ethusdt@bookTicker"].contains(&wrapped["stream"].as_str().unwrap()));
    assert!(wrapped["data"]["s"].is_string());
    let bare = parse(&raw.text().await);
    assert_eq!((&bare["e"], &bare["s"]), (&json!("trade"), &json!("BTCUSDT")));
}

#[tokio::test]
async fn replies_are_never_wrapped_and_acknowledge_streams_that_do_not_exist() {
    let server = venue(|_| {}).await;
    let mut socket = Socket::open(&server, "/stream").await;
    let subscribe =
        r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","nosuch@trade","BTCUSDT@depth"],"id":1}"#;
    assert_eq!(socket.ask(subscribe).await, json!({"result":null,"id":1}));
    let list = socket.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":"abc"}"#).await;
    assert_eq!(list, json!({"result":["btcusdt@trade","nosuch@trade","BTCUSDT@depth"],"id":"abc"}));
    for text in socket.texts(500).await {
        assert_eq!(
            parse(&text)["stream"],
            "btcusdt@trade",
            "names are lower case, and unknown ones are mute"
        );
    }
}

#[tokio::test]
async fn the_mode_can_be_switched_on_a_live_socket() {
    let server = venue(|_| {}).await;
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    assert_eq!(
        socket.ask(r#"{"method":"GET_PROPERTY","params":["combined"],"id":1}"#).await["result"],
        false
    );
    assert!(parse(&socket.text().await).get("stream").is_none());
    assert_eq!(
        socket.ask(r#"{"method":"SET_PROPERTY","params":["combined",true],"id":2}"#).await,
        json!({"result":null,"id":2})
    );
    // What was on its way keeps its old form.
    while parse(&socket.text().await).get("stream").is_none() {}
    for text in socket.texts(100).await {
        assert_eq!(parse(&text)["stream"], "btcusdt@trade");
    }
}

#[tokio::test]
async fn unsubscribed_streams_fall_silent() {
    let server = venue(|_| {}).await;
    let mut socket = Socket::open(&server, "/stream?streams=btcusdt@trade/ethusdt@trade").await;
    let request = r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":1}"#;
    assert_eq!(socket.ask(request).await, json!({"result":null,"id":1}));
    // The frames that were queued before are bounded by the queue.
    let mut quiet = 0;
    while quiet < 2_000 {
        quiet = if parse(&socket.text().await)["stream"] == "ethusdt@trade" { quiet + 1 } else { 0 };
    }
}

#[tokio::test]
async fn escaped_urls_are_understood() {
    let server = venue(|_| {}).await;
    let mut socket = Socket::open(&server, "/stream?streams=btcusdt%40trade%2Fethusdt%40trade").await;
    let list = socket.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await;
    assert_eq!(list["result"], json!(["btcusdt@trade", "ethusdt@trade"]));
}

#[tokio::test]
async fn too_many_streams_are_refused_and_change_nothing() {
    let server = venue(|options| options.streams = Some(2)).await;
    let mut socket = Socket::open(&server, "/ws").await;
    let answer =
        socket.ask(r#"{"method":"SUBSCRIBE","params":["a@trade","b@trade","c@trade"],"id":9}"#).await;
    assert_eq!(answer, json!({"error":{"code":4,"msg":"Too many subscriptions"},"id":9}));
    assert_eq!(socket.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await["result"], json!([]));
    let refused = Socket::dial(&server, "/stream?streams=a@trade/b@trade/c@trade").await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(reply)) if reply.status() == 400));
}

#[tokio::test]
async fn paths_that_carry_no_streams_are_refused() {
    let server = venue(|_| {}).await;
    for path in ["/", "/nothing", "/public/ws", "/streams"] {
        let refused = Socket::dial(&server, path).await;
        assert!(matches!(refused, Err(tungstenite::Error::Http(_))), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn the_sixth_message_in_a_second_closes_the_socket() {
    let server = venue(|options| options.messages_per_second = Some(5)).await;
    let mut socket = Socket::open(&server, "/ws").await;
    for id in 0..6 {
        socket.send(format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#)).await;
    }
    assert_eq!(socket.closed().await, (1008, "Too many requests".to_owned()));
    assert_eq!(server.report().closed_for_rate, 1);
}

#[tokio::test]
async fn pings_and_pongs_count_as_messages() {
    let server = venue(|options| options.messages_per_second = Some(5)).await;
    let mut socket = Socket::open(&server, "/ws").await;
    for n in 0..3u8 {
        socket.send(Message::Ping(vec![n].into())).await;
        socket.send(Message::Pong(vec![n].into())).await;
    }
    assert_eq!(socket.closed().await, (1008, "Too many requests".to_owned()));
}

#[tokio::test]
async fn the_message_limit_can_be_switched_off() {
    let server = venue(|options| options.messages_per_second = None).await;
    let mut socket = Socket::open(&server, "/ws").await;
    for id in 0..50 {
        let answer = socket.ask(&format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#)).await;
        assert_eq!(answer["id"], id);
    }
}

#[tokio::test]
async fn pings_differ_and_answered_ones_are_counted() {
    let server = venue(|options| options.ping_every = Duration::from_millis(5)).await;
    let mut socket = Socket::open(&server, "/ws").await;
    let mut payloads = Vec::new();
    while payloads.len() < 3 {
        if let Some(Ok(Message::Ping(payload))) = socket.next().await {
            payloads.push(payload);
        }
    }
    payloads.dedup();
    assert_eq!(payloads.len(), 3);
    // The client answers by itself, with the next thing it does.
    socket.send(Message::Pong(vec![].into())).await;
    eventually("pongs are counted", || server.report().pongs >= 1).await;
    assert_eq!(server.report().closed_for_silence, 0);
}

#[tokio::test]
async fn a_socket_that_never_answers_a_ping_is_cut() {
    let server = venue(|options| {
        options.ping_every = Duration::from_millis(5);
        options.pong_within = Duration::from_millis(50);
    })
    .await;
    // It does not read, hence does not see the pings.
    let mut socket = Socket::open(&server, "/ws").await;
    eventually("the socket is cut", || server.report().closed_for_silence == 1).await;
    assert!(socket.is_cut().await);
}

#[tokio::test]
async fn futures_streams_on_the_wrong_base_are_acknowledged_and_mute() {
    let server = Server::start(market(true, u64::MAX)).await.unwrap();
    let both = r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@bookTicker"],"id":1}"#;
    for (path, expected) in [
        ("/market/stream", "btcusdt@aggTrade"),
        ("/public/stream", "btcusdt@bookTicker"),
        // The retired path behaves like /public.
        ("/stream", "btcusdt@bookTicker"),
    ] {
        let mut socket = Socket::open(&server, path).await;
        assert_eq!(socket.ask(both).await, json!({"result":null,"id":1}));
        for text in socket.texts(200).await {
            assert_eq!(parse(&text)["stream"], expected, "{path}");
        }
    }
}

#[tokio::test]
async fn compression_is_granted_to_those_who_offer_it_only() {
    // The foreign client offers none, and understands every frame.
    let server = venue(|options| options.deflate = true).await;
    let mut socket = Socket::open(&server, "/ws/btcusdt@depth").await;
    for text in socket.texts(50).await {
        assert_eq!(parse(&text)["e"], "depthUpdate");
    }
}
