//! One dial: name, socket, proxy, TLS, upgrade, each with its own deadline and its own class of failure.

use std::sync::Arc;

use reqwest::Url;
use rustls_pki_types::ServerName;
use tapeline_core::feed::{DialError, Stage};
use tapeline_core::policy::fault::Fault;
use tapeline_core::time::Unix;
use tapeline_core::venue::DialRequest;
use tapeline_ws::{ClientRequest, Connection, Limits};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Net;
use super::failure::{self, failed, timed_out};
use super::proxy::{Kind, Proxy};
use super::stream::Stream;

/// An open WebSocket to a venue.
pub(crate) type Connected = Connection<Stream>;

impl Net {
    /// Dials. `seed` decides the key and the masks; `now` is for dates in a refusal.
    pub(crate) async fn dial(
        &self,
        request: &DialRequest,
        seed: u64,
        now: Unix,
    ) -> Result<Connected, DialError> {
        let target = Target::of(&request.url, self.config.plaintext)?;
        let stream = self.open(&target).await?;
        let asked = ClientRequest {
            host: target.authority.clone(),
            path: target.path.clone(),
            headers: request.headers.clone(),
            subprotocols: request.subprotocols.clone(),
            deflate: request.deflate,
        };
        let limits = Limits { message: request.max_message, ..Limits::client() };
        let upgrade = Connection::connect(stream, &asked, limits, seed);
        match timeout(self.config.stage_within, upgrade).await {
            Ok(Ok((connection, _))) => Ok(connection),
            Ok(Err(error)) => Err(failure::upgrade(&error, request.keyed, now)),
            Err(_) => Err(timed_out(Stage::Upgrade)),
        }
    }

    pub(super) async fn open(&self, target: &Target) -> Result<Stream, DialError> {
        let (host, port) = (target.host.as_str(), target.port);
        let within = self.config.stage_within;
        let Some(proxy) = &self.config.proxy else {
            let tcp = self.names.connect(host, port, within).await?;
            return if target.encrypted {
                Ok(Stream::Tls(Box::new(self.encrypt(tcp, host, Stage::Tls).await?)))
            } else {
                Ok(Stream::Plain(tcp))
            };
        };
        let tcp = self.to_proxy(proxy).await?;
        if proxy.kind() == Kind::Https {
            let outer = self.encrypt(tcp, proxy.address().0, Stage::Proxy).await?;
            let outer = self.through(proxy, outer, host, port).await?;
            return if target.encrypted {
                Ok(Stream::Nested(Box::new(self.encrypt(outer, host, Stage::Tls).await?)))
            } else {
                Ok(Stream::Tunnel(Box::new(outer)))
            };
        }
        let tcp = self.through(proxy, tcp, host, port).await?;
        if target.encrypted {
            Ok(Stream::Tls(Box::new(self.encrypt(tcp, host, Stage::Tls).await?)))
        } else {
            Ok(Stream::Plain(tcp))
        }
    }

    async fn to_proxy(&self, proxy: &Proxy) -> Result<TcpStream, DialError> {
        let (host, port) = proxy.address();
        let reached = self.names.connect(host, port, self.config.stage_within).await;
        // The venue's name and address are not to blame for what happens before the proxy.
        reached.map_err(|error| DialError { stage: Stage::Proxy, ..error })
    }

    async fn through<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        proxy: &Proxy,
        mut io: IO,
        host: &str,
        port: u16,
    ) -> Result<IO, DialError> {
        let within = self.config.stage_within;
        let resolved = match proxy.kind() {
            Kind::Socks5 => self.names.resolve(host, port, within).await?.first().copied(),
            _ => None,
        };
        let opened = timeout(within, proxy.open(&mut io, host, port, resolved)).await;
        opened.map_err(|_| timed_out(Stage::Proxy))??;
        Ok(io)
    }

    pub(super) async fn encrypt<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: IO,
        host: &str,
        stage: Stage,
    ) -> Result<TlsStream<IO>, DialError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed(stage, Fault::Configuration, "the host is no valid TLS name"))?;
        let config =
            self.tls().await.map_err(|error| failed(stage, Fault::Configuration, error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(config));
        match timeout(self.config.stage_within, connector.connect(name, io)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(DialError { stage, ..failure::tls_handshake(&error) }),
            Err(_) => Err(timed_out(stage)),
        }
    }
}

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) encrypted: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Host` header.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

impl Target {
    pub(super) fn of(url: &str, plaintext: bool) -> Result<Self, DialError> {
        let wrong = |detail: &str| failed(Stage::Dns, Fault::Configuration, detail);
        let url = Url::parse(url).map_err(|_| wrong("the address is not a URL"))?;
        let encrypted = match url.scheme() {
            "wss" => true,
            "ws" => false,
            _ => return Err(wrong("the address is neither wss:// nor ws://")),
        };
        let shown =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("the URL has no host"))?;
        let host = shown.trim_matches(['[', ']']).to_owned();
        if !encrypted && !plaintext && !is_loopback(&host) {
            return Err(wrong("unencrypted ws:// is allowed for loopback hosts only"));
        }
        let authority = match url.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown.to_owned(),
        };
        let port = url.port().unwrap_or(if encrypted { 443 } else { 80 });
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { encrypted, host, port, authority, path })
    }
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, host: &str, port: u16, authority: &str, path: &str) {
        let target = Target::of(url, true).unwrap();
        let found = (target.host.as_str(), target.port, target.authority.as_str(), target.path.as_str());
        assert_eq!(found, (host, port, authority, path));
    }

    #[test]
    fn urls_lead_where_they_say() {
        check("wss://a.test/ws", "a.test", 443, "a.test", "/ws");
        check(
            "wss://a.test:9443/stream?streams=x@y/z",
            "a.test",
            9443,
            "a.test:9443",
            "/stream?streams=x@y/z",
        );
        check("ws://127.0.0.1:8490", "127.0.0.1", 8490, "127.0.0.1:8490", "/");
        check("ws://[::1]:80/x", "::1", 80, "[::1]", "/x");
    }

    #[track_caller]
    fn refused(url: &str) {
        let error = Target::of(url, false).unwrap_err();
        assert_eq!(error.fault, Fault::Configuration, "{url}");
        assert!(!error.detail.contains("secret"), "{url}");
    }

    #[test]
    fn addresses_that_cannot_work_are_a_matter_of_configuration() {
        refused("ws://example.com/secret");
        refused("http://127.0.0.1/secret");
        refused("secret");
        refused("wss://");
    }

    #[test]
    fn plain_text_to_this_machine_is_fine() {
        for url in ["ws://localhost:1/", "ws://127.0.0.1:1/", "ws://[::1]:1/"] {
            assert!(Target::of(url, false).is_ok(), "{url}");
        }
    }
}
