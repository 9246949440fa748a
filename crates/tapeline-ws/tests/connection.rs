//! The driver with itself at the other end: compression, closing, bounds and broken peers.

use std::time::{Duration, Instant};

use tapeline_ws::{
    ClientRequest, Connection, Deflater, Limits, Message, Prepared, ProtocolError, QueueError, ReceiveError,
    SendError, ServerOptions, close_code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

type Ours = Connection<DuplexStream>;

async fn pair(deflate: bool, fresh_windows: bool, limits: Limits) -> (Ours, Ours) {
    let (near, far) = duplex(4096);
    let request = ClientRequest { host: "a".into(), path: "/".into(), deflate, ..ClientRequest::default() };
    let options = ServerOptions { deflate, fresh_windows, ..ServerOptions::default() };
    let (client, server) = tokio::join!(
        Connection::connect(near, &request, limits, 9),
        Connection::accept(far, &options, limits)
    );
    let (client, info) = client.expect("connects");
    assert_eq!(info.negotiated.deflate.is_some(), deflate);
    (client, server.expect("accepts").0)
}

fn trade(id: u32) -> String {
    format!(
        "{{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":{id},\"p\":\"27000.{id}\",\"q\":\"0.10000000\",\"m\":true}}"
    )
}

#[tokio::test]
async fn compressed_messages_arrive_with_and_without_a_shared_window() {
    for fresh_windows in [false, true] {
        let (mut client, mut server) = pair(true, fresh_windows, Limits::client()).await;
        let mut deflater = Deflater::new();
        let sender = async {
            for id in 0..300 {
                server.send(Message::Text(&trade(id))).await.expect("sends");
                let prepared = Prepared::text(&trade(id)).compressed(&mut deflater);
                server.queue_prepared(&prepared).expect("queues");
            }
            server.flush().await.expect("flushes");
        };
        let receiver = async {
            for id in 0..300 {
                for _ in 0..2 {
                    let expected = trade(id);
                    assert_eq!(client.receive().await.expect("receives"), Some(Message::Text(&expected)));
                }
                client.queue_text(&trade(id)).expect("queues");
            }
        };
        tokio::join!(sender, receiver);
        let receiver = async {
            for id in 0..300 {
                assert_eq!(server.receive().await.expect("receives"), Some(Message::Text(&trade(id))));
            }
        };
        tokio::join!(client.flush(), receiver).0.expect("flushes");
    }
}

#[tokio::test]
async fn a_prepared_message_is_sent_compressed_once_for_all() {
    let text = trade(1).repeat(20);
    let prepared = Prepared::text(&text).compressed(&mut Deflater::new());
    let (_client, mut fresh) = pair(true, true, Limits::client()).await;
    fresh.queue_prepared(&prepared).expect("queues");
    assert!(fresh.queued() < text.len() / 5, "{} bytes of {}", fresh.queued(), text.len());
    let (_client, mut shared) = pair(true, false, Limits::client()).await;
    shared.queue_prepared(&prepared).expect("queues");
    assert!(shared.queued() > text.len(), "a shared window must not see foreign bytes");
}

#[tokio::test]
async fn both_ends_may_close() {
    let (mut client, mut server) = pair(false, false, Limits::client()).await;
    server.send(Message::Text("unread")).await.expect("sends");
    let server = tokio::spawn(async move {
        let said = match server.receive().await {
            Ok(Some(Message::Close { code, reason })) => (code, reason.to_owned()),
            other => panic!("no close: {other:?}"),
        };
        server.flush().await.expect("answers");
        assert!(server.receive().await.expect("ends").is_none());
        said
    });
    client.close(close_code::GOING_AWAY, "night").await.expect("closes");
    assert!(client.is_closed());
    assert_eq!(server.await.expect("ends"), (1001, "night".to_owned()));
    assert!(matches!(client.send(Message::Text("more")).await, Err(SendError::Queue(QueueError::Closing))));
}

#[tokio::test]
async fn a_broken_peer_is_told_the_code_and_the_queue_is_forgotten() {
    let (near, mut far) = duplex(4096);
    let mut ours = Connection::client(near, &Default::default(), Limits::client(), 1, &[]);
    ours.queue_text("never sent").expect("queues");
    far.write_all(&[0x83, 0]).await.expect("writes");
    // Filled by hand, so that nothing of the queue is written before the error.
    std::future::poll_fn(|cx| ours.poll_fill(cx)).await.expect("reads");
    assert_eq!(ours.next_message(), Err(ProtocolError::ReservedOpcode(3)));
    ours.flush().await.expect("flushes");
    drop(ours);
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.expect("reads");
    assert_eq!((said[0], said[1], said.len()), (0x88, 0x82, 8));
    assert_eq!(u16::from_be_bytes([said[6] ^ said[2], said[7] ^ said[3]]), 1002);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let limits = Limits { message: 1000, ..Limits::client() };
    let (mut client, mut server) = pair(false, false, limits).await;
    client.send(Message::Binary(&[0; 1001])).await.expect("sends");
    let error = server.receive().await.map(drop);
    assert!(matches!(error, Err(ReceiveError::Protocol(ProtocolError::TooBig { limit: 1000 }))));
    server.flush().await.expect("says why");
    assert_eq!(client.receive().await.expect("receives"), Some(Message::Close { code: 1009, reason: "" }));
}

#[tokio::test]
async fn a_compressed_bomb_ends_the_connection() {
    let limits = Limits { message: 100_000, ..Limits::client() };
    let (mut client, mut server) = pair(true, false, limits).await;
    client.send(Message::Binary(&vec![0; 10 << 20])).await.expect_err("the queue has a bound");
    let roomy = Limits { out_queue: 100 << 20, ..limits };
    let (mut roomy, mut served) = pair(true, false, roomy).await;
    roomy.queue_binary(&vec![0; 10 << 20]).expect("queues");
    assert!(roomy.queued() < 100_000, "the bomb is small on the wire");
    let (sent, received) = tokio::join!(roomy.flush(), async { served.receive().await.map(drop) });
    sent.expect("flushes");
    assert!(matches!(received, Err(ReceiveError::Protocol(ProtocolError::TooBig { .. }))));
    client.send(Message::Text("fine")).await.expect("sends");
    assert_eq!(server.receive().await.expect("receives"), Some(Message::Text("fine")));
}

#[tokio::test]
async fn sending_waits_for_room_but_never_past_the_bound() {
    let limits = Limits { out_queue: 5000, ..Limits::client() };
    let (mut client, mut server) = pair(false, false, limits).await;
    let sender = async {
        for _ in 0..50 {
            client.send(Message::Binary(&[1; 4000])).await.expect("sends");
        }
        client.send(Message::Binary(&[1; 5001])).await.expect_err("can never fit");
        client.close(close_code::NORMAL, "").await.expect("closes");
    };
    let receiver = async {
        let mut count = 0;
        while let Some(Message::Binary(_)) = server.receive().await.expect("receives") {
            count += 1;
        }
        server.flush().await.expect("answers the close");
        count
    };
    assert_eq!(tokio::join!(sender, receiver).1, 50);
}

#[tokio::test]
async fn a_drip_is_seen_and_a_stream_is_not_taken_for_one() {
    let (near, mut far) = duplex(4096);
    let mut ours = Connection::client(near, &Default::default(), Limits::client(), 1, &[]);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(ours.assembling_since(at(0)), None);
    for (second, byte) in [0x81, 5, b'h', b'e', b'l'].into_iter().enumerate() {
        far.write_all(&[byte]).await.expect("writes");
        ours.read_batch().await.expect("reads");
        assert_eq!(ours.next_message(), Ok(None));
        assert_eq!(ours.assembling_since(at(second as u64)), Some(at(0)), "a drip is one message");
    }
    // The rest of it, and the beginning of another one: a busy stream always ends in a beginning.
    far.write_all(&[b'l', b'o', 0x81]).await.expect("writes");
    ours.read_batch().await.expect("reads");
    assert_eq!(ours.next_message(), Ok(Some(Message::Text("hello"))));
    assert_eq!(ours.next_message(), Ok(None));
    assert_eq!(ours.assembling_since(at(9)), Some(at(9)));
}

#[tokio::test]
async fn the_last_words_are_read_even_if_writing_fails() {
    let (near, mut far) = duplex(4096);
    let mut ours = Connection::client(near, &Default::default(), Limits::client(), 1, &[]);
    far.write_all(&[0x88, 2, 0x03, 0xf0]).await.expect("writes");
    drop(far);
    ours.queue_text("too late").expect("queues");
    assert_eq!(ours.receive().await.expect("receives"), Some(Message::Close { code: 1008, reason: "" }));
}
