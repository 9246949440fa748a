//! Both ends against tokio-tungstenite as the oracle, over an in-memory pipe.

use futures_util::{SinkExt, StreamExt};
use tapeline_ws::{
    AcceptError, ClientRequest, ConnectError, Connection, Limits, Message, ServerOptions, close_code,
};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding};
use tungstenite::Message as Theirs;

/// Small, so that every frame of some size is cut by the pipe.
const PIPE: usize = 1500;

fn request() -> ClientRequest {
    ClientRequest {
        host: "venue.example".into(),
        path: "/stream?streams=a/b".into(),
        ..ClientRequest::default()
    }
}

async fn our_client() -> (Connection<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (near, far) = duplex(PIPE);
    let request = request();
    let (ours, theirs) = tokio::join!(
        Connection::connect(near, &request, Limits::client(), 7),
        tokio_tungstenite::accept_async(far)
    );
    (ours.expect("connects").0, theirs.expect("accepts"))
}

async fn our_server() -> (Connection<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (near, far) = duplex(PIPE);
    let options = ServerOptions::default();
    let (ours, theirs) = tokio::join!(
        Connection::accept(
            near,
            &options,
            Limits { message: 1 << 20, out_queue: 1 << 20, ..Limits::server() }
        ),
        tokio_tungstenite::client_async("ws://venue.example/stream", far)
    );
    (ours.expect("accepts").0, theirs.expect("connects").0)
}

fn payloads() -> Vec<String> {
    [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 200_000]
        .iter()
        .map(|&length| "aé€𝄞".repeat(length / 10 + 1))
        .collect()
}

/// Every message goes there and back again unchanged.
async fn echoes(mut ours: Connection<DuplexStream>, mut theirs: WebSocketStream<DuplexStream>) {
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = theirs.next().await {
            if matches!(message, Theirs::Text(_) | Theirs::Binary(_)) {
                theirs.send(message).await.expect("sends");
            }
        }
    });
    for text in payloads() {
        ours.send(Message::Text(&text)).await.expect("sends");
        assert_eq!(ours.receive().await.expect("receives"), Some(Message::Text(&text)));
        ours.send(Message::Binary(text.as_bytes())).await.expect("sends");
        assert_eq!(ours.receive().await.expect("receives"), Some(Message::Binary(text.as_bytes())));
    }
    ours.queue_ping(b"are you there").expect("queues");
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Pong(b"are you there")));
    ours.close(close_code::NORMAL, "enough").await.expect("closes");
    assert!(ours.is_closed(), "the peer's close was awaited");
    echo.await.expect("the peer ends");
}

#[tokio::test]
async fn our_client_and_their_server_echo() {
    let (ours, theirs) = our_client().await;
    echoes(ours, theirs).await;
}

#[tokio::test]
async fn our_server_and_their_client_echo() {
    let (ours, theirs) = our_server().await;
    echoes(ours, theirs).await;
}

/// What the peer sends in fragments, with pings between them, arrives whole.
async fn joins_fragments(mut ours: Connection<DuplexStream>, mut theirs: WebSocketStream<DuplexStream>) {
    let parts: [&'static [u8]; 4] = [b"{\"a\":", "\u{20ac}".as_bytes(), b"", b"}"];
    for (at, part) in parts.into_iter().enumerate() {
        let kind = if at == 0 { coding::Data::Text } else { coding::Data::Continue };
        let frame = Frame::message(part, coding::OpCode::Data(kind), at == parts.len() - 1);
        theirs.send(Theirs::Frame(frame)).await.expect("sends");
        theirs.send(Theirs::Ping(vec![at as u8].into())).await.expect("sends");
    }
    for at in 0..3 {
        assert_eq!(ours.receive().await.expect("receives"), Some(Message::Ping(&[at])));
    }
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Text("{\"a\":\u{20ac}}")));
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Ping(&[3])));
}

#[tokio::test]
async fn fragments_are_joined_around_pings() {
    let (ours, theirs) = our_client().await;
    joins_fragments(ours, theirs).await;
    let (ours, theirs) = our_server().await;
    joins_fragments(ours, theirs).await;
}

#[tokio::test]
async fn a_server_answers_pings_and_a_client_leaves_that_to_its_caller() {
    let (mut ours, mut theirs) = our_server().await;
    theirs.send(Theirs::Ping("one".into())).await.expect("sends");
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Ping(b"one")));
    ours.flush().await.expect("flushes");
    assert_eq!(theirs.next().await.expect("open").expect("receives"), Theirs::Pong("one".into()));

    let (mut ours, mut theirs) = our_client().await;
    theirs.send(Theirs::Ping("two".into())).await.expect("sends");
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Ping(b"two")));
    assert_eq!(ours.queued(), 0, "a client decides itself when to answer");
    ours.send(Message::Pong(b"two")).await.expect("sends");
    assert_eq!(theirs.next().await.expect("open").expect("receives"), Theirs::Pong("two".into()));
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    for (mut ours, mut theirs) in [our_client().await, our_server().await] {
        let frame = CloseFrame { code: 1012.into(), reason: "restart".into() };
        theirs.close(Some(frame)).await.expect("sends");
        assert_eq!(
            ours.receive().await.expect("receives"),
            Some(Message::Close { code: 1012, reason: "restart" })
        );
        assert_eq!(ours.receive().await.expect("receives"), None);
        ours.flush().await.expect("flushes");
        match theirs.next().await {
            Some(Ok(Theirs::Close(Some(answer)))) => assert_eq!(u16::from(answer.code), 1012),
            other => panic!("not the echo of the close: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_request_carries_path_headers_and_subprotocols() {
    use tungstenite::handshake::server::{Request, Response};
    let (near, far) = duplex(PIPE);
    let request = ClientRequest {
        headers: vec![("X-Api-Key".into(), "secret".into())],
        subprotocols: vec!["v2".into(), "v1".into()],
        deflate: true,
        ..request()
    };
    #[expect(clippy::result_large_err, reason = "the signature is the oracle's")]
    let judge = |seen: &Request, mut answer: Response| {
        assert_eq!(seen.uri(), "/stream?streams=a/b");
        assert_eq!(seen.headers()["host"], "venue.example");
        assert_eq!(seen.headers()["x-api-key"], "secret");
        assert_eq!(seen.headers()["sec-websocket-protocol"], "v2, v1");
        answer.headers_mut().insert("sec-websocket-protocol", "v1".parse().expect("a value"));
        Ok(answer)
    };
    let limits = Limits::client();
    let (ours, theirs) = tokio::join!(
        Connection::connect(near, &request, limits, 7),
        tokio_tungstenite::accept_hdr_async(far, judge)
    );
    theirs.expect("accepts");
    let (_, info) = ours.expect("connects");
    assert_eq!(info.negotiated.subprotocol.as_deref(), Some("v1"));
    assert_eq!(info.negotiated.deflate, None, "the oracle does not compress");
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_so() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, mut far) = duplex(PIPE);
    far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("writes");
    let refused = Connection::accept(near, &ServerOptions::default(), Limits::server()).await;
    assert!(matches!(refused, Err(AcceptError::Refused(refused)) if refused.status == 426));
    let mut answer = String::new();
    far.read_to_string(&mut answer).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.ends_with("this is a WebSocket endpoint"), "{answer}");
}

#[tokio::test]
async fn a_refusal_keeps_status_headers_and_body() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let cases: [(&str, &str); 3] = [
        ("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow", "slow"),
        (
            "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nsl\r\n2\r\now\r\n0\r\n\r\n",
            "slow",
        ),
        ("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\nslow", "slow"),
    ];
    for (answer, body) in cases {
        let (near, mut far) = duplex(PIPE);
        let server = tokio::spawn(async move {
            let mut request = [0; PIPE];
            let _ = far.read(&mut request).await.expect("reads");
            for byte in answer.as_bytes() {
                far.write_all(&[*byte]).await.expect("writes");
            }
        });
        let outcome = Connection::connect(near, &request(), Limits::client(), 1).await;
        let Err(ConnectError::Refused(refusal)) = outcome else { panic!("not refused") };
        assert_eq!(refusal.status, 429);
        assert_eq!(refusal.headers["retry-after"], "7");
        assert_eq!(String::from_utf8_lossy(&refusal.body), body);
        server.await.expect("the server ends");
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refusal_is_not_waited_for_forever() {
    use tokio::io::AsyncWriteExt;
    let (near, mut far) = duplex(PIPE);
    far.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\nno").await.expect("writes");
    let outcome = Connection::connect(near, &request(), Limits::client(), 1).await;
    let Err(ConnectError::Refused(refusal)) = outcome else { panic!("not refused") };
    assert_eq!((refusal.status.as_u16(), &refusal.body[..]), (403, &b"no"[..]));
    drop(far);
}

#[tokio::test]
async fn frames_behind_the_answer_are_not_lost() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (near, mut far) = duplex(64 << 10);
    let (_, accept) = request().encode(3).expect("encodes");
    let server = tokio::spawn(async move {
        let mut request = [0; PIPE];
        let _ = far.read(&mut request).await.expect("reads");
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        answer.extend_from_slice(&[0x81, 2]);
        answer.extend_from_slice(b"hi");
        answer.extend_from_slice(&[0x82, 126, 0x0f, 0xa0]);
        answer.extend_from_slice(&[9; 4000]);
        far.write_all(&answer).await.expect("writes");
        far
    });
    let limits = Limits { read_buffer: 64, ..Limits::client() };
    let (mut ours, _) = Connection::connect(near, &request(), limits, 3).await.expect("connects");
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Text("hi")));
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Binary(&[9; 4000])));
    server.await.expect("the server ends");
}
