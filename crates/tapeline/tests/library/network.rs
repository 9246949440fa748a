//! The way out: certificates, proxies, refusals, and messages that never end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tapeline::core::policy::fault::Fault;
use tapeline::net::Proxy;
use tapeline::{Hub, VenueConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::plain_venue::exchange::Exchange;
use crate::plain_venue::{data, hub_with, settings, until};

/// A certificate authority with a file that names it, and a server with a certificate of it.
fn authority(host: &str) -> (TlsAcceptor, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let server_key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    let server = params.signed_by(&server_key, &authority).unwrap();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("tapeline-ca-{}-{}.pem", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, authority.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], PrivateKeyDer::Pkcs8(server_key.serialize_der().into()))
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

fn hub(settings: VenueConfig) -> Hub {
    hub_with(&Arc::default(), settings)
}

/// The class and detail of the first line's failure, once it has one.
async fn failure(hub: &Hub) -> (&'static str, String) {
    let read = async || {
        let status = hub.status().await;
        let line = status.venues.first()?.feed.as_ref()?.lines.first()?.clone();
        Some((line.fault?, line.reason.unwrap_or_default()))
    };
    until(async || read().await.is_some()).await;
    read().await.unwrap()
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_if_it_is_named() {
    let (tls, file) = authority("localhost");
    let mut exchange = Exchange::encrypted("localhost", tls).await;
    let mut settings = settings(&exchange.url);
    settings.net.ca_file = Some(file.clone());
    let hub = hub(settings);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(data(&mut trades).await.offset, 1);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn an_unknown_authority_is_a_matter_of_configuration_and_tried_once() {
    let (tls, file) = authority("localhost");
    std::fs::remove_file(file).unwrap();
    let exchange = Exchange::encrypted("localhost", tls).await;
    let hub = hub(settings(&exchange.url));
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, Fault::Configuration.name(), "{detail}");
    let line = hub.status().await.venues[0].feed.as_ref().unwrap().lines[0].clone();
    assert_eq!(
        (line.phase, line.dial_in_ms, line.stats.dials),
        ("halted", None, 1),
        "no further dial is planned"
    );
    assert_eq!(exchange.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (tls, file) = authority("elsewhere.test");
    let exchange = Exchange::encrypted("localhost", tls).await;
    let mut settings = settings(&exchange.url);
    settings.net.ca_file = Some(file.clone());
    let hub = hub(settings);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    assert_eq!(failure(&hub).await.0, Fault::Configuration.name());
    std::fs::remove_file(file).unwrap();
}

/// A server that answers each connection with fixed bytes behind what it reads first.
async fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let _ = tcp.read(&mut bytes).await;
            let _ = tcp.write_all(answer).await;
            let _ = tcp.shutdown().await;
        }
    });
    url
}

async fn refused_with(answer: &'static [u8], expected: Fault) {
    let url = answering(answer).await;
    let hub = hub(settings(&url));
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, expected.name(), "{detail}");
}

#[tokio::test]
async fn each_refusal_of_the_upgrade_has_its_class() {
    let limited = Fault::RateLimited { retry_after: None, banned: false };
    refused_with(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", limited).await;
    refused_with(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", Fault::Authentication).await;
    // This venue shows a key in its address.
    refused_with(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", Fault::Authentication).await;
    refused_with(b"HTTP/1.1 403 No\r\nContent-Length: 16\r\n\r\nyou are too fast", limited).await;
    refused_with(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Fault::Configuration).await;
    refused_with(b"HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nout", Fault::Server).await;
    refused_with(b"220 mail.test ESMTP\r\n\r\n", Fault::Server).await;
    refused_with(b"", Fault::Transient).await;
}

/// A CONNECT proxy that wants a password; counts the tunnels it made.
async fn connect_proxy() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, tunnels) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = tunnels.clone();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let count = count.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(tcp.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                // "user:p%40ss" of the URL, decoded and encoded again.
                if !head.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n") {
                    tcp.write_all(b"HTTP/1.1 407 Who\r\n\r\n").await.unwrap();
                    return;
                }
                let target = head.split(' ').nth(1).unwrap();
                let mut venue = TcpStream::connect(target).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut venue).await;
            });
        }
    });
    (address, tunnels)
}

#[tokio::test]
async fn a_connect_proxy_is_gone_through_with_its_password() {
    let (address, tunnels) = connect_proxy().await;
    let mut exchange = Exchange::open().await;
    let mut settings = settings(&exchange.url);
    settings.net.proxy = Some(Proxy::parse(&format!("http://user:p%40ss@{address}")).unwrap());
    let hub = hub(settings);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(data(&mut trades).await.offset, 1);
    assert_eq!(tunnels.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_password_is_a_matter_of_configuration_and_not_shown() {
    let (address, _) = connect_proxy().await;
    let exchange = Exchange::open().await;
    let mut settings = settings(&exchange.url);
    settings.net.proxy = Some(Proxy::parse(&format!("http://user:wrong@{address}")).unwrap());
    assert!(!format!("{settings:?}").contains("wrong"));
    let hub = hub(settings);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, Fault::Configuration.name());
    assert!(!detail.contains("wrong"), "{detail}");
    assert_eq!(exchange.accepted.load(Ordering::SeqCst), 0);
}

/// A SOCKS5 proxy for names and user/password, as far as one connection needs it.
async fn socks_proxy() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 4];
        tcp.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, [5, 2, 0, 2]);
        tcp.write_all(&[5, 2]).await.unwrap();
        let mut login = [0; 1 + 1 + 4 + 1 + 4];
        tcp.read_exact(&mut login).await.unwrap();
        assert_eq!(&login, b"\x01\x04user\x04p@ss");
        tcp.write_all(&[1, 0]).await.unwrap();
        let mut head = [0; 5];
        tcp.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..4], [5, 1, 0, 3], "the name is the proxy's to resolve");
        let mut rest = vec![0; usize::from(head[4]) + 2];
        tcp.read_exact(&mut rest).await.unwrap();
        let (name, port) = rest.split_at(rest.len() - 2);
        assert_eq!(name, b"localhost");
        let port = u16::from_be_bytes([port[0], port[1]]);
        let mut venue = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tcp.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut tcp, &mut venue).await;
    });
    address
}

#[tokio::test]
async fn a_socks_proxy_is_gone_through_with_its_password() {
    let address = socks_proxy().await;
    let mut exchange = Exchange::open().await;
    let mut settings = settings(&exchange.url.replace("127.0.0.1", "localhost"));
    settings.net.proxy = Some(Proxy::parse(&format!("socks5h://user:p%40ss@{address}")).unwrap());
    let hub = hub(settings);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(data(&mut trades).await.offset, 1);
}

/// A server that accepts, says `first`, and then nothing more.
async fn stalling(scheme: &str, first: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(first).await.unwrap();
            held.push(tcp);
        }
    });
    url
}

async fn times_out(scheme: &str, first: &'static [u8]) {
    let mut settings = settings(&stalling(scheme, first).await);
    settings.net.stage_within = Duration::from_millis(50);
    let hub = hub(settings);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, Fault::Transient.name(), "{detail}");
    assert!(detail.contains("timed out"), "{detail}");
}

#[tokio::test]
async fn each_stage_of_a_dial_has_its_own_deadline() {
    times_out("wss", b"").await;
    times_out("ws", b"").await;
    times_out("ws", b"HTTP/1.1 101 Switching").await;
}

#[tokio::test]
async fn a_message_that_drips_ends_its_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let options = tapeline_ws::ServerOptions::default();
            let limits = tapeline_ws::Limits::server();
            let (connection, ..) = tapeline_ws::Connection::accept(tcp, &options, limits).await.unwrap();
            let mut tcp = connection.into_io();
            // The head of a text of a hundred bytes, and the first of them.
            tcp.write_all(&[0x81, 100, b'{']).await.unwrap();
            held.push(tcp);
        }
    });
    let mut settings = settings(&url);
    settings.net.message_within = Duration::from_millis(50);
    let hub = hub(settings);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, Fault::Transient.name(), "{detail}");
    assert!(detail.contains("to arrive"), "{detail}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_tried_again() {
    let hub = hub(settings("wss://no-such-host.invalid"));
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let (class, detail) = failure(&hub).await;
    // Without any resolver it is our own side, with one it is the name.
    assert!(class == Fault::Transient.name() || class == Fault::Local.name(), "{class}: {detail}");
}
