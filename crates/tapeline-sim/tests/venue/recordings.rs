//! Real recordings, where they are present: every frame of every capture crosses a socket unchanged.

use crate::client::{Socket, capture};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapeline_sim::{Options, Server};

/// The folders of the recordings, none if they are not here.
fn folders() -> Vec<PathBuf> {
    let root = std::env::var_os("TAPELINE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(root.join("binance")) else {
        eprintln!("SKIPPED: no recordings at {}; set TAPELINE_CAPTURES to their folder", root.display());
        return Vec::new();
    };
    let has_times = |dir: &Path| {
        std::fs::read_dir(dir).is_ok_and(|files| {
            files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("recv_"))
        })
    };
    let mut folders: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| has_times(path)).collect();
    folders.sort();
    folders
}

fn frames(dir: &Path) -> String {
    let mut text = String::new();
    match std::fs::File::open(dir.join("frames.ndjson")) {
        Ok(mut file) => file.read_to_string(&mut text).unwrap(),
        Err(_) => {
            let file = std::fs::File::open(dir.join("frames.ndjson.zst")).unwrap();
            zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap()
        }
    };
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_frame_crosses_a_socket_unchanged() {
    for dir in folders() {
        let text = frames(&dir);
        let mut names: Vec<&str> = text.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        let options = Options { snapshot_wait: Duration::from_millis(1), ..capture(&dir) };
        let server = Server::start(options).await.unwrap();
        let expected_futures = dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("usdm"));
        assert_eq!(server.is_futures(), expected_futures, "{}", dir.display());
        let mut socket = Socket::open(&server, &format!("/stream?streams={}", names.join("/"))).await;
        for (n, line) in text.lines().enumerate() {
            assert_eq!(socket.text().await, line, "{} line {}", dir.display(), n + 1);
        }
        assert_eq!(server.finished().await, text.lines().count() as u64);
        server.shutdown().await;
    }
}
