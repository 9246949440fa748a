//! Replies of every bad kind, over a loopback socket.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use tapeline_core::data::topic::TopicError;
use tapeline_core::venue::{
    Change, DecodeError, DialRequest, Item, Keys, LineId, Names, Profile, Request, Route,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// An adapter that hands the reply's body back as the reason of a refusal, or panics.
struct Echo;

impl Venue for Echo {
    fn profile(&self) -> &Profile {
        unreachable!("a fetch asks for no facts")
    }
    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        Ok(topic)
    }
    fn route(&self, _: &Topic) -> Result<Route, TopicError> {
        unreachable!("a fetch needs no route")
    }
    fn dial(&self, _: u8, _: &str, _: &[&str], _: Option<&Keys>) -> DialRequest {
        unreachable!("a fetch dials nobody")
    }
    fn requests(&self, _: &Change<'_>, _: &mut Vec<Request>) {}
    fn decode(&self, _: LineId, _: &[u8], _: &Names, _: &mut Decoded) -> Result<(), DecodeError> {
        Ok(())
    }
    fn fetch(&self, _: Fetch, _: &str, _: &Topic) -> Option<HttpRequest> {
        None
    }
    fn decode_fetch(
        &self,
        _: Fetch,
        _: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        assert_ne!(reply.body, b"panic");
        if reply.status == 200 {
            out.items.push(Item::Weight { used: reply.body.len() as u32 });
            return Ok(());
        }
        let (wait, date) = (reply.header("retry-after"), reply.header("date"));
        let fault = Fault::from_reply(reply.status, wait, date, reply.now);
        Err(Refusal::new(fault, String::from_utf8_lossy(reply.body)))
    }
}

/// A server that gives each request the same answer; `{port}` in it is its own port.
async fn serving(answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    let answer = match String::from_utf8(answer) {
        Ok(text) => text.replace("{port}", &port.to_string()).into_bytes(),
        Err(bytes) => bytes.into_bytes(),
    };
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = tcp.read_u8().await else { break };
                head.push(byte);
            }
            asked.fetch_add(1, Ordering::SeqCst);
            if !answer.is_empty() {
                let _ = tcp.write_all(&answer).await;
                let _ = tcp.shutdown().await;
            } else {
                // It never answers, but stays.
                tokio::spawn(async move { tcp.read_u8().await });
            }
        }
    });
    (port, count)
}

fn request(url: String) -> HttpRequest {
    HttpRequest { url, headers: Vec::new(), weight: 1, max_body: 1_000, timeout: Duration::from_secs(10) }
}

async fn ask(request: &HttpRequest) -> Result<u32, Refusal> {
    let net = Net::new(NetConfig::default(), None);
    let topic = "binance:book:BTCUSDT".parse().unwrap();
    let now = || Unix::from_millis(1_795_000_000_000);
    let decoded = fetch(&net, &Echo, (Fetch::Snapshot, &topic), request, now).await?;
    match decoded.items.as_slice() {
        [Item::Weight { used }] => Ok(*used),
        other => panic!("{other:?}"),
    }
}

async fn answered(answer: impl Into<Vec<u8>>) -> Result<u32, Refusal> {
    let (port, _) = serving(answer.into()).await;
    ask(&request(format!("http://127.0.0.1:{port}/depth?key=hunter2"))).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Stored blocks: a gzip frame needs no compressor to be one.
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = bytes.chunks(60_000).peekable();
    while let Some(chunk) = chunks.next() {
        out.push(u8::from(chunks.peek().is_none()));
        let length = chunk.len() as u16;
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    let crc = bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    });
    out.extend((!crc).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fn zipped(body: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let zipped = gzip(body);
    write!(answer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", zipped.len())
        .unwrap();
    answer.extend(zipped);
    answer
}

#[tokio::test]
async fn a_reply_is_read_whole_and_decompressed() {
    assert_eq!(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await, Ok(5));
    assert_eq!(answered(zipped(&[b'x'; 777])).await, Ok(777));
}

#[tokio::test]
async fn a_body_is_bounded_behind_its_decompression() {
    for answer in [zipped(&[b'x'; 200_000]), [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1_001]].concat()]
    {
        let refusal = answered(answer).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Server);
        assert!(refusal.detail.contains("1000 bytes"), "{}", refusal.detail);
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_headers_that_tell_how_long_to_wait() {
    let refusal =
        answered("HTTP/1.1 418 Banned\r\nRetry-After: 300\r\nContent-Length: 2\r\n\r\nno").await.unwrap_err();
    assert_eq!(
        refusal.fault,
        Fault::RateLimited { retry_after: Some(Duration::from_secs(300)), banned: true }
    );
}

#[tokio::test]
async fn broken_replies_are_classified_and_show_no_key() {
    let cut = answered("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf").await.unwrap_err();
    assert_eq!(cut.fault, Fault::Transient, "{}", cut.detail);
    for answer in
        ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhtml"]
    {
        let refusal = answered(answer).await.unwrap_err();
        assert_ne!(refusal.fault, Fault::Configuration, "{}", refusal.detail);
        assert!(!refusal.detail.contains("hunter2"), "{}", refusal.detail);
    }
}

#[tokio::test]
async fn redirects_stay_on_the_host_and_end() {
    let (port, asked) =
        serving(b"HTTP/1.1 302 Here\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let refusal = ask(&request(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Server);
    assert_eq!(asked.load(Ordering::SeqCst), 1 + REDIRECTS);
    let (other, elsewhere) = serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let answer =
        format!("HTTP/1.1 302 There\r\nLocation: http://localhost:{other}/\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answered(answer).await.unwrap_err().fault, Fault::Server);
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "the other host was not asked");
}

#[tokio::test]
async fn a_silent_server_costs_the_timeout_and_no_more() {
    let (port, _) = serving(Vec::new()).await;
    let request =
        HttpRequest { timeout: Duration::from_millis(50), ..request(format!("http://127.0.0.1:{port}/")) };
    assert_eq!(ask(&request).await.unwrap_err().fault, Fault::Transient);
}

#[tokio::test]
async fn a_translation_that_panics_costs_its_own_fetch() {
    let refusal = answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npanic").await.unwrap_err();
    assert!(refusal.panicked);
    assert_eq!(refusal.fault, Fault::Local, "the venue is not to blame");
}

#[tokio::test]
async fn plain_text_leaves_this_machine_only_if_that_is_wanted() {
    let refusal = ask(&request("http://example.com/?key=hunter2".to_owned())).await.unwrap_err();
    assert_eq!(refusal.fault, Fault::Configuration);
    assert!(!refusal.detail.contains("hunter2"));
}
