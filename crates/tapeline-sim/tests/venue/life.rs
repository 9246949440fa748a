//! Start, start rule, end: nothing outlives the server.

use crate::client::{Socket, eventually, held, market};
use tapeline_sim::{Content, MarketOptions, Options, Server, Speed, StartError};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = Server::start(market(false, 1)).await.unwrap();
    let options = Options { port: server.addr().port(), ..market(false, 1) };
    let error = Server::start(options).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }));
    assert!(error.to_string().contains(&server.addr().port().to_string()));
}

#[tokio::test]
async fn a_market_without_symbols_does_not_open() {
    let market = MarketOptions { symbols: Vec::new(), ..MarketOptions::default() };
    let error = Server::start(Options::new(Content::Market(market))).await.unwrap_err();
    assert!(matches!(error, StartError::NoSymbols));
}

#[tokio::test]
async fn shutdown_and_drop_end_every_socket_and_free_the_port() {
    for by_drop in [false, true] {
        let server = Server::start(market(false, u64::MAX)).await.unwrap();
        let address = server.addr();
        let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
        socket.text().await;
        if by_drop {
            drop(server);
        } else {
            server.shutdown().await;
        }
        assert!(socket.is_cut().await);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn cut_sockets_end_without_a_goodbye_and_new_ones_are_let_in() {
    let server = Server::start(market(false, u64::MAX)).await.unwrap();
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    server.cut_sockets();
    assert!(socket.is_cut().await);
    eventually("the socket is forgotten", || server.report().open == 0).await;
    let mut next = Socket::open(&server, "/ws/btcusdt@trade").await;
    next.text().await;
    assert_eq!((server.report().connects, server.report().open), (2, 1));
}

#[tokio::test]
async fn more_connects_than_allowed_are_refused() {
    let server = Server::start(Options { connects: Some(2), ..market(false, u64::MAX) }).await.unwrap();
    let _open = (Socket::open(&server, "/ws").await, Socket::open(&server, "/ws").await);
    assert!(Socket::dial(&server, "/ws").await.is_err());
    assert_eq!((server.report().connects, server.report().refused), (2, 1));
}

#[tokio::test]
async fn a_live_market_runs_by_itself_and_cuts_those_who_cannot_follow() {
    let live = MarketOptions { speed: Speed::Times(500.0), ..MarketOptions::default() };
    let options = Options { queue: 2, ..Options::new(Content::Market(live)) };
    let server = Server::start(options).await.unwrap();
    eventually("the market runs without listeners", || server.report().played > 1_000).await;
    // It subscribes everything and never reads.
    let mut names = Vec::new();
    for symbol in tapeline_sim::Symbol::ten(false) {
        names.extend(["depth", "depth20", "trade", "bookTicker"].map(|c| format!("{}@{c}", symbol.stream())));
    }
    let mut socket = Socket::open(&server, &format!("/stream?streams={}", names.join("/"))).await;
    eventually("it is cut", || server.report().closed_for_slowness > 0).await;
    assert!(socket.is_cut().await);
}

#[tokio::test]
async fn the_venue_announces_its_shutdown_to_everyone() {
    let server = held(market(false, u64::MAX)).await;
    let (mut raw, mut combined) =
        (Socket::open(&server, "/ws").await, Socket::open(&server, "/stream").await);
    // The answer to a request says that the socket is known.
    for socket in [&mut raw, &mut combined] {
        socket.ask(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).await;
    }
    server.announce_shutdown();
    assert!(raw.text().await.starts_with(r#"{"e":"serverShutdown","E":1"#));
    let wrapped = r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1"#;
    assert!(combined.text().await.starts_with(wrapped));
}
