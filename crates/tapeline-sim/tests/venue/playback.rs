//! Playing recordings: completeness, names, the wait at a snapshot, backpressure.

use crate::client::{Folder, Socket, capture, eventually, get, held};
use serde_json::Value;
use std::time::Duration;
use tapeline_sim::{Content, Options, RecordOptions, Server, Speed, record_market};
use tokio_tungstenite::tungstenite::Message;

/// Records a market into a folder: its frames are plain lines to compare with.
fn recorded(name: &str, frames: u64, futures: bool) -> Folder {
    let folder = Folder::new(name);
    let mut options = RecordOptions { pack: false, ..RecordOptions::fixture(futures) };
    options.market.frames = Some(frames);
    options.market.truth = 1;
    record_market(&options, folder.path()).unwrap();
    folder
}

/// Every stream that occurs in the frames.
fn streams(frames: &[String]) -> String {
    let mut names: Vec<&str> = frames.iter().map(|line| line.split('"').nth(3).unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    names.join("/")
}

fn impatient(folder: &Folder) -> Options {
    Options { snapshot_wait: Duration::from_millis(1), ..capture(folder.path()) }
}

#[tokio::test]
async fn every_frame_reaches_every_socket_once_in_order_and_byte_for_byte() {
    for futures in [false, true] {
        let folder = recorded(&format!("complete-{futures}"), 3_000, futures);
        let frames = folder.lines("frames.ndjson");
        let server = held(impatient(&folder)).await;
        assert_eq!(server.is_futures(), futures);
        let path = format!("/stream?streams={}", streams(&frames));
        let (mut one, mut two) = (Socket::open(&server, &path).await, Socket::open(&server, &path).await);
        server.begin();
        let (from_one, from_two) = tokio::join!(one.texts(frames.len()), two.texts(frames.len()));
        assert_eq!(server.finished().await, 3_000);
        assert!(from_one == frames && from_two == frames);
        assert_eq!(server.report().frames_sent, 6_000);
    }
}

#[tokio::test]
async fn a_finite_speed_plays_the_same_frames() {
    let folder = recorded("finite", 600, false);
    let frames = folder.lines("frames.ndjson");
    let mut options = impatient(&folder);
    options.content = Content::Capture { dir: folder.path().to_owned(), speed: Speed::Times(100.0) };
    let server = Server::start(options).await.unwrap();
    let mut socket = Socket::open(&server, &format!("/stream?streams={}", streams(&frames))).await;
    assert!(socket.texts(frames.len()).await == frames);
}

#[tokio::test]
async fn raw_sockets_get_the_recorded_payload() {
    let folder = recorded("raw", 500, false);
    let frames = folder.lines("frames.ndjson");
    let server = Server::start(impatient(&folder)).await.unwrap();
    let mut socket = Socket::open(&server, "/ws/btcusdt@bookTicker").await;
    let prefix = "{\"stream\":\"btcusdt@bookTicker\",\"data\":";
    let expected: Vec<&str> =
        frames.iter().filter_map(|line| line.strip_prefix(prefix)?.strip_suffix('}')).collect();
    assert!(expected.len() > 10);
    assert_eq!(socket.texts(expected.len()).await, expected);
}

#[tokio::test]
async fn any_speed_of_the_depth_stream_is_served_under_the_name_that_was_asked_for() {
    let folder = recorded("family", 500, false);
    let frames = folder.lines("frames.ndjson");
    let server = held(impatient(&folder)).await;
    let asked = ["btcusdt@depth", "btcusdt@depth@0ms", "btcusdt@depth@250ms", "btcusdt@depth@500ms"];
    let mut sockets = Vec::new();
    for name in asked {
        sockets.push((name, Socket::open(&server, &format!("/stream?streams={name}")).await));
    }
    server.begin();
    let recorded = "{\"stream\":\"btcusdt@depth@100ms\"";
    for (name, socket) in &mut sockets {
        let renamed: Vec<String> = frames
            .iter()
            .filter_map(|line| line.strip_prefix(recorded))
            .map(|rest| format!("{{\"stream\":\"{name}\"{rest}"))
            .collect();
        assert_eq!(socket.texts(renamed.len()).await, renamed);
    }
}

#[tokio::test]
async fn playing_waits_for_each_snapshot_and_serves_it_as_recorded_and_again() {
    let folder = recorded("pause", 1_000, false);
    let frames = folder.lines("frames.ndjson");
    let snapshots: Vec<(String, usize, String)> = folder
        .lines("rest_depth.ndjson")
        .iter()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let body = line.split_once("\"body\":").unwrap().1.strip_suffix('}').unwrap();
            let after = value["after_frame"].as_u64().unwrap() as usize;
            (value["symbol"].as_str().unwrap().to_owned(), after, body.to_owned())
        })
        .collect();
    let options = Options { snapshot_wait: Duration::from_secs(3_600), ..capture(folder.path()) };
    let server = Server::start(options).await.unwrap();
    let mut socket = Socket::open(&server, &format!("/stream?streams={}", streams(&frames))).await;
    let mut received = 0;
    for (symbol, after_frame, body) in &snapshots {
        socket.texts(after_frame - received).await;
        received = *after_frame;
        eventually("the point is reached", || server.report().played == *after_frame as u64).await;
        assert_eq!(get(server.addr(), "/api/v3/depth?symbol=NOSUCH").await.status, 400);
        assert_eq!(server.report().played, *after_frame as u64, "another symbol does not help");
        let answer = get(server.addr(), &format!("/api/v3/depth?symbol={symbol}&limit=5")).await;
        assert_eq!((answer.status, &answer.body), (200, body));
    }
    assert_eq!(socket.texts(frames.len() - received).await, frames[received..]);
    let (symbol, _, body) = &snapshots[0];
    assert_eq!(&get(server.addr(), &format!("/api/v3/depth?symbol={symbol}")).await.body, body);
    assert_eq!(server.report().snapshots[symbol], 2);
}

#[tokio::test]
async fn a_recording_without_snapshots_answers_503() {
    let folder = recorded("without", 200, false);
    std::fs::remove_file(folder.path().join("rest_depth.ndjson")).unwrap();
    let server = Server::start(capture(folder.path())).await.unwrap();
    assert_eq!(get(server.addr(), "/api/v3/depth?symbol=BTCUSDT").await.status, 503);
    let mut socket = Socket::open(&server, "/ws/btcusdt@depth").await;
    socket.text().await;
    assert_eq!(server.finished().await, 200);
}

#[tokio::test]
async fn a_socket_that_does_not_read_stops_the_clock_and_loses_nothing() {
    let folder = recorded("slow", 60_000, false);
    let frames = folder.lines("frames.ndjson");
    let server = held(impatient(&folder)).await;
    let path = format!("/stream?streams={}", streams(&frames));
    let mut lazy = Socket::open(&server, &path).await;
    let mut eager = Socket::open(&server, &path).await;
    server.begin();
    // Nobody reads: when all buffers are full the clock stands still.
    let (mut before, mut played) = (0, 0);
    while played == 0 || played != before {
        before = played;
        tokio::time::sleep(Duration::from_millis(50)).await;
        played = server.report().played;
    }
    assert!(server.report().played < 60_000, "buffers that hold everything prove nothing");
    let (from_lazy, from_eager) = tokio::join!(lazy.texts(frames.len()), eager.texts(frames.len()));
    assert!(from_lazy == frames && from_eager == frames);
}

#[tokio::test]
async fn sockets_stay_open_with_pings_after_the_last_frame() {
    let folder = recorded("after", 100, false);
    let options = Options { ping_every: Duration::from_millis(20), ..impatient(&folder) };
    let server = Server::start(options).await.unwrap();
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    assert_eq!(server.finished().await, 100);
    let before = server.report().pings;
    eventually("pings go on", || server.report().pings > before).await;
    while !matches!(socket.next().await, Some(Ok(Message::Ping(_)))) {}
    assert_eq!(socket.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await["id"], 1);
}

#[tokio::test]
async fn a_folder_that_is_no_recording_is_named_in_the_error() {
    let check = |folder: &Folder, expected: &str| {
        let options = capture(folder.path());
        let expected = expected.to_owned();
        async move {
            let error = Server::start(options).await.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(&expected), "{error}");
        }
    };
    let folder = Folder::new("broken");
    check(&folder, "frames.ndjson").await;
    folder.write("frames.ndjson", "{\"stream\":\"a@trade\",\"data\":{}}\n{\"e\":\"trade\"}\n");
    check(&folder, "recv_ns.txt").await;
    folder.write("recv_ns.txt", "1\n2\n");
    check(&folder, "frames.ndjson, line 2").await;
    folder.write("frames.ndjson", "{\"stream\":\"a@trade\",\"data\":{}}\n");
    check(&folder, "1 frames but 2 receive times").await;
    folder.write("recv_ns.txt", "soon\n");
    check(&folder, "recv_ns.txt, line 1").await;
}
