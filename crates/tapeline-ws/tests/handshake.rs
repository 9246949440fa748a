//! Both halves of the handshake: which requests and answers are taken, and what is made of them.

use http::{HeaderMap, Request, StatusCode};
use tapeline_ws::handshake::{accept, encode_refusal, parse_request};
use tapeline_ws::{ClientRequest, ConnectError, Connection, Deflate, HandshakeError, Limits, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const UPGRADE: [(&str, &str); 5] = [
    ("host", "a"),
    ("upgrade", "websocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A good upgrade with one header replaced (or removed, if the value is empty) and some added.
fn upgrade(replaced: (&str, &str), added: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri("/v1/stream");
    for (name, value) in UPGRADE {
        let value = if name == replaced.0 { replaced.1 } else { value };
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    for (name, value) in added {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn options() -> ServerOptions {
    ServerOptions { subprotocols: vec!["v2".into(), "v1".into()], deflate: true, fresh_windows: true }
}

#[test]
fn a_good_upgrade_is_granted() {
    let accepted = accept(&upgrade(("", ""), &[]), &options()).expect("is granted");
    assert_eq!(accepted.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accepted.headers["upgrade"], "websocket");
    assert_eq!(accepted.headers["connection"], "Upgrade");
    assert_eq!(accepted.headers.len(), 3, "nothing was offered, so nothing is answered");
    assert_eq!(accepted.negotiated, Default::default());
}

#[test]
fn what_is_no_upgrade_is_refused_with_a_hint() {
    let check = |request: Request<()>, status: u16, hint: Option<(&str, &str)>| {
        let refused = accept(&request, &options()).expect_err("is refused");
        assert_eq!(refused.status, StatusCode::from_u16(status).expect("a status"), "{request:?}");
        if let Some((name, value)) = hint {
            assert_eq!(refused.headers[name], value);
        }
        let bytes = encode_refusal(&refused);
        assert!(
            bytes.starts_with(format!("HTTP/1.1 {status} ").as_bytes())
                && bytes.ends_with(refused.why.as_bytes())
        );
    };
    check(upgrade(("upgrade", ""), &[]), 426, Some(("upgrade", "websocket")));
    check(upgrade(("upgrade", "h2c"), &[]), 426, None);
    check(upgrade(("connection", "close"), &[]), 426, None);
    check(upgrade(("sec-websocket-version", "8"), &[]), 426, Some(("sec-websocket-version", "13")));
    check(upgrade(("sec-websocket-version", ""), &[]), 426, Some(("sec-websocket-version", "13")));
    check(upgrade(("sec-websocket-key", ""), &[]), 400, None);
    check(upgrade(("sec-websocket-key", "c2hvcnQ="), &[]), 400, None);
    check(upgrade(("", ""), &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]), 400, None);
    let mut post = upgrade(("", ""), &[]);
    *post.method_mut() = http::Method::POST;
    check(post, 405, Some(("allow", "GET")));
    let mut old = upgrade(("", ""), &[]);
    *old.version_mut() = http::Version::HTTP_10;
    check(old, 505, None);
}

#[test]
fn the_servers_taste_decides_among_subprotocols() {
    let check = |offers: &[&str], expected: Option<&str>| {
        let added: Vec<_> = offers.iter().map(|offer| ("sec-websocket-protocol", *offer)).collect();
        let accepted = accept(&upgrade(("", ""), &added), &options()).expect("is granted");
        let said = accepted.headers.get("sec-websocket-protocol").map(|value| value.to_str().expect("text"));
        assert_eq!(said, expected);
        assert_eq!(accepted.negotiated.subprotocol.as_deref(), expected);
    };
    check(&["v1, v2"], Some("v2"));
    check(&["v1", "v2"], Some("v2"));
    check(&["other, v1"], Some("v1"));
    check(&["other"], None);
    check(&["V1"], None);
}

#[test]
fn deflate_is_granted_where_it_is_wanted() {
    let offer = [("sec-websocket-extensions", "x-other, permessage-deflate; client_max_window_bits")];
    let accepted = accept(&upgrade(("", ""), &offer), &options()).expect("is granted");
    assert_eq!(
        accepted.headers["sec-websocket-extensions"],
        "permessage-deflate; server_no_context_takeover"
    );
    assert!(accepted.negotiated.deflate.is_some_and(|agreed| agreed.server_no_context_takeover));
    let without = ServerOptions { deflate: false, ..options() };
    let accepted = accept(&upgrade(("", ""), &offer), &without).expect("is granted");
    assert_eq!((accepted.headers.get("sec-websocket-extensions"), accepted.negotiated.deflate), (None, None));
}

#[test]
fn raw_requests_are_parsed_as_they_arrive() {
    let bytes = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\n\r\nrest";
    let head = bytes.len() - 4;
    for cut in 0..head {
        assert!(matches!(parse_request(&bytes[..cut]), Ok(None)), "{cut} bytes are not a request");
    }
    let (request, length) = parse_request(bytes).expect("HTTP").expect("complete");
    assert_eq!((request.uri().path(), request.uri().query(), length), ("/a", Some("b=c"), head));
    assert_eq!(request.headers()["x-odd"].as_bytes(), b"\xff");
    assert!(matches!(parse_request(b"\x16\x03\x01 TLS"), Err(HandshakeError::NotHttp(_))));
    let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 16 << 10]].concat();
    assert!(matches!(parse_request(&long), Err(HandshakeError::TooLarge)));
    let many = ["GET / HTTP/1.1\r\n", &"X: y\r\n".repeat(97), "\r\n"].concat();
    assert!(matches!(parse_request(many.as_bytes()), Err(HandshakeError::TooLarge)));
}

fn request() -> ClientRequest {
    ClientRequest { host: "a".into(), path: "/".into(), ..ClientRequest::default() }
}

#[test]
fn a_request_cannot_be_made_to_say_something_else() {
    let check = |request: ClientRequest, part: &'static str| {
        assert_eq!(request.encode(1).map(drop), Err(HandshakeError::Request(part)));
    };
    let header =
        |name: &str, value: &str| ClientRequest { headers: vec![(name.into(), value.into())], ..request() };
    check(ClientRequest { host: "a\r\nX: y".into(), ..request() }, "host");
    check(ClientRequest { host: String::new(), ..request() }, "host");
    check(ClientRequest { path: "/a b".into(), ..request() }, "path");
    check(ClientRequest { path: "a".into(), ..request() }, "path");
    check(ClientRequest { subprotocols: vec!["a,b".into()], ..request() }, "subprotocol");
    check(header("X\r\n", "y"), "header name");
    check(header("Host", "b"), "header name");
    check(header("Sec-WebSocket-Key", "b"), "header name");
    check(header("X", "y\r\nZ: w"), "header value");
}

#[test]
fn the_key_follows_the_seed() {
    let bytes = |seed| request().encode(seed).expect("encodes").0;
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// Dials a server that answers with `status`, a right accept header and `headers`.
async fn dial(
    request: ClientRequest,
    status: &str,
    headers: &str,
) -> Result<(Option<String>, Option<Deflate>, HeaderMap), ConnectError> {
    let (near, mut far) = duplex(64 << 10);
    let (_, accept) = request.encode(5).expect("encodes");
    let answer = format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", headers.replace("ACCEPT", &accept));
    let server = async {
        let mut seen = [0; 4096];
        let _ = far.read(&mut seen).await.expect("reads");
        far.write_all(answer.as_bytes()).await.expect("writes");
        drop(far);
    };
    let (outcome, ()) = tokio::join!(Connection::connect(near, &request, Limits::client(), 5), server);
    outcome.map(|(_, info)| (info.negotiated.subprotocol, info.negotiated.deflate, info.headers))
}

const GOOD: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT";

#[tokio::test]
async fn answers_are_judged() {
    let offering = ClientRequest { subprotocols: vec!["v1".into()], deflate: true, ..request() };
    let fails = async |request: ClientRequest, headers: String| match dial(request, "101 Yes", &headers).await
    {
        Err(ConnectError::Handshake(error)) => error,
        other => panic!("{headers}: {other:?}"),
    };
    let said = |line: &str| format!("{GOOD}\r\n{line}");
    assert_eq!(fails(request(), GOOD.replace("websocket", "h2c")).await, HandshakeError::NoUpgrade);
    assert_eq!(fails(request(), GOOD.replace(": Upgrade", ": close")).await, HandshakeError::NoUpgrade);
    assert_eq!(fails(request(), GOOD.replace("ACCEPT", "nonsense")).await, HandshakeError::WrongAccept);
    assert_eq!(
        fails(request(), "Upgrade: websocket\r\nConnection: Upgrade".into()).await,
        HandshakeError::WrongAccept
    );
    let unasked = said("Sec-WebSocket-Protocol: v9");
    assert_eq!(fails(request(), unasked.clone()).await, HandshakeError::Subprotocol(Some("v9".into())));
    assert_eq!(fails(offering.clone(), unasked).await, HandshakeError::Subprotocol(Some("v9".into())));
    assert_eq!(fails(offering.clone(), GOOD.into()).await, HandshakeError::Subprotocol(None));
    let extension = said("Sec-WebSocket-Extensions: permessage-deflate");
    assert_eq!(fails(request(), extension).await, HandshakeError::Extension("permessage-deflate".into()));
    let endless = said(&format!("X: {}", "x".repeat(17 << 10)));
    assert_eq!(fails(request(), endless).await, HandshakeError::TooLarge);

    let lenient = said(
        "Sec-WebSocket-Protocol: v1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; x_new=1",
    );
    let (subprotocol, deflate, headers) = dial(offering, "101 Yes", &lenient).await.expect("connects");
    assert_eq!(subprotocol.as_deref(), Some("v1"));
    assert!(deflate.is_some_and(|agreed| agreed.server_no_context_takeover));
    assert_eq!(headers["upgrade"], "websocket");
}

#[tokio::test]
async fn an_answer_that_is_no_http_or_ends_early_is_an_error() {
    for (answer, is_io) in [(&b"\x15\x03\x01\x00\x02"[..], false), (b"HTTP/1.1 101 Swit", true), (b"", true)]
    {
        let (near, mut far) = duplex(4096);
        far.write_all(answer).await.expect("writes");
        far.shutdown().await.expect("shuts down");
        match Connection::connect(near, &request(), Limits::client(), 1).await {
            Err(ConnectError::Io(_)) => assert!(is_io),
            Err(ConnectError::Handshake(HandshakeError::NotHttp(_))) => assert!(!is_io),
            other => panic!("{answer:?}: {:?}", other.map(drop)),
        }
    }
}

#[tokio::test]
async fn a_long_body_of_a_refusal_is_cut() {
    let length = "Content-Length: 5000\r\n\r\n".to_owned() + &"b".repeat(5000);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n".to_owned()
        + &format!("5dc\r\n{}\r\n", "b".repeat(1500)).repeat(3);
    for headers in [length, chunked] {
        let Err(ConnectError::Refused(refusal)) = dial(request(), "503 No", &headers).await else {
            panic!("not refused")
        };
        assert_eq!(refusal.status, 503);
        assert_eq!(refusal.body, vec![b'b'; 1024]);
    }
}
