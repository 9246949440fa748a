//! Snapshots over HTTP.

use tapeline::Data;
use tapeline::core::data::event::BookState;

use crate::bench::{Bench, soon};

#[tokio::test]
async fn a_book_is_fetched_even_if_nobody_reads_it() {
    let bench = Bench::new().await;
    let answer = soon(bench.get("/api/v1/topics/binance:book:btcusdt/snapshot")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (body["type"].as_str(), body["topic"].as_str()),
        (Some("snapshot"), Some("binance:book:BTCUSDT"))
    );
    assert_eq!(body["data"]["state"], "live");
    assert!(body["data"]["bids"].as_array().is_some_and(|levels| levels.len() > 2));
    let tag = format!("\"{}:{}\"", body["epoch"].as_str().unwrap(), body["offset"]);
    assert_eq!(answer.header("etag"), Some(tag.as_str()));
}

#[tokio::test]
async fn who_knows_the_state_is_told_that_nothing_changed() {
    let bench = Bench::new().await;
    let mut book = bench.hub.book("binance", "BTCUSDT").await.unwrap();
    soon(async {
        let live = |data: &Data| matches!(data, Data::Book(book) if book.state == BookState::Live);
        while !live(&book.next().await.unwrap().data) {}
    })
    .await;
    // With a cut line and no way back the book stands still, stale.
    bench.venue.trouble("refuse".parse().unwrap());
    bench.venue.cut_sockets();
    let path = "/api/v1/topics/binance%3Abook%3ABTCUSDT/snapshot";
    soon(async { while bench.get(path).await.json()["data"]["state"] != "stale" {} }).await;
    let first = bench.get(path).await;
    let tag = first.header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let answer = bench.ask(&format!("GET {path}"), &[("if-none-match", &known)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    let answer = bench.ask(&format!("GET {path}"), &[("if-none-match", "\"other\"")]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_has_no_state_is_refused_with_a_word_of_advice() {
    let bench = Bench::new().await;
    let check = async |path: &str, status: u16, code: &str| {
        let answer = bench.get(&format!("/api/v1/topics/{path}/snapshot")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    };
    check("binance:trade:BTCUSDT", 404, "no_snapshot").await;
    check("nonsense", 400, "bad_topic").await;
    check("binance:book:*", 400, "bad_request").await;
    check("%FF%FE", 400, "bad_request").await;
    check("nowhere:quote:X", 404, "unknown_venue").await;
    check("binance:luld:X", 404, "not_offered").await;
}
