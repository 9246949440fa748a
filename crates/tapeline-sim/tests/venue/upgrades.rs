//! Answers to upgrades that say what nobody asked for.

use crate::client::market;
use tapeline_sim::{Options, Server};
use tapeline_ws::{ClientRequest, ConnectError, Connection, HandshakeError, Limits, Message, ResponseInfo};
use tokio::net::TcpStream;

async fn venue(script: &str) -> Server {
    let server = Server::start(market(false, u64::MAX)).await.unwrap();
    server.trouble(script.parse().unwrap());
    server
}

/// Dials with a client that offers compression, or does not.
async fn dial(server: &Server, deflate: bool) -> Result<(Connection<TcpStream>, ResponseInfo), ConnectError> {
    let request = ClientRequest {
        host: server.addr().to_string(),
        path: "/ws/btcusdt@trade/btcusdt@depth".to_owned(),
        deflate,
        ..ClientRequest::default()
    };
    let socket = TcpStream::connect(server.addr()).await.unwrap();
    Connection::connect(socket, &request, Limits::client(), 1).await
}

fn extensions(info: &ResponseInfo) -> String {
    let all = info.headers.get_all("sec-websocket-extensions").iter();
    all.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn odd_parameters_are_said_and_kept_to() {
    for (line, bits) in [("odd-deflate", 10), ("odd-deflate code=9", 9), ("odd-deflate code=77", 77)] {
        let server = venue(line).await;
        let (mut socket, info) = dial(&server, true).await.unwrap();
        let windows = format!("server_max_window_bits={bits}; client_max_window_bits={bits}");
        assert!(extensions(&info).ends_with(&windows), "{info:?}");
        assert!(extensions(&info).contains("client_no_context_takeover"));
        // What comes is compressed in that window, and what goes is understood.
        for _ in 0..200 {
            let Some(Message::Text(text)) = socket.receive().await.unwrap() else { panic!("no text") };
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        let padding = "x".repeat(4_000);
        let ask = format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":"{padding}"}}"#);
        socket.send(Message::Text(&ask)).await.unwrap();
        loop {
            let Some(Message::Text(text)) = socket.receive().await.unwrap() else { panic!("no text") };
            if text.contains("error") || text.contains("result") {
                assert!(!text.contains("JSON"), "{text}");
                break;
            }
        }
        assert_eq!(server.report().troubles["odd-deflate"], 1);
    }
}

#[tokio::test]
async fn an_extension_that_was_not_offered_ends_the_dial() {
    let refused = async |line: &str, deflate: bool| {
        let server = venue(line).await;
        let Err(ConnectError::Handshake(error)) = dial(&server, deflate).await.map(drop) else {
            panic!("{line}: let in")
        };
        error
    };
    let unknown = HandshakeError::Extension("x-webkit-frame".to_owned());
    assert_eq!(refused("odd-extension", true).await, unknown);
    assert_eq!(refused("odd-extension", false).await, unknown);
    let unasked = HandshakeError::Extension("permessage-deflate".to_owned());
    assert_eq!(refused("odd-deflate", false).await, unasked);
}

#[tokio::test]
async fn answers_are_odd_as_often_and_where_they_are_ordered_to_be() {
    let server = venue("odd-extension nth=2 times=1").await;
    let let_in = [
        dial(&server, true).await.is_ok(),
        dial(&server, true).await.is_ok(),
        dial(&server, true).await.is_ok(),
    ];
    assert_eq!(let_in, [true, false, true]);
    let script = format!("odd-extension host=localhost:{}", server.addr().port());
    let elsewhere = Server::start(Options { deflate: false, ..market(false, u64::MAX) }).await.unwrap();
    elsewhere.trouble(script.parse().unwrap());
    let (_socket, info) = dial(&elsewhere, true).await.unwrap();
    assert_eq!(extensions(&info), "", "nothing is granted there");
}
