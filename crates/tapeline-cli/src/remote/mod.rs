//! A running gateway, asked over HTTP and read over its WebSocket.

pub(crate) mod envelope;
pub(crate) mod stream;
pub(crate) mod token;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tapeline::settings::Settings;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::args::Global;
use crate::command::config::load;
use crate::exit::{Exit, Failed};

/// Where a gateway is expected if nobody says anything.
const USUAL: &str = "http://127.0.0.1:8480";
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may take. A drain answers at once, a reconnect too.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The largest answer that is read.
const LARGEST: usize = 64 << 20;

/// Where a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    host: String,
    port: u16,
    /// Host and port, as they stand in the URL.
    authority: String,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body; null if it is no JSON.
    pub(crate) body: Value,
}

impl Remote {
    /// The gateway that `--gateway` names, else the one that the configuration describes.
    pub(crate) fn of(global: &Global) -> Result<Self, Failed> {
        match &global.gateway {
            Some(url) => Self::at(url),
            None => Ok(Self::configured(&load(global)?)),
        }
    }

    /// The gateway at a URL.
    pub(crate) fn at(url: &str) -> Result<Self, Failed> {
        Self::parse(url).map_err(|why| {
            Failed::new(Exit::Usage, format!("--gateway {url}: {why}")).hint(format!("write it like {USUAL}"))
        })
    }

    /// Where a gateway with this configuration listens.
    fn configured(settings: &Settings) -> Self {
        let listen = settings.gateway.listen;
        let host = match listen.ip() {
            ip if !ip.is_unspecified() => ip.to_string(),
            ip if ip.is_ipv6() => "::1".to_owned(),
            _ => "127.0.0.1".to_owned(),
        };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Self { authority: format!("{shown}:{}", listen.port()), host, port: listen.port() }
    }

    fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = match url.split_once("://") {
            Some(("http" | "ws", rest)) => rest,
            Some(("https" | "wss", _)) => return Err("gateways are spoken to without TLS so far"),
            Some(_) => return Err("the scheme is not http"),
            // A name alone is more likely a slip than a host that listens on port 80.
            None if !url.contains(':') => return Err("that is no URL"),
            None => url,
        };
        let uri: http::uri::Authority = match rest.split_once('/') {
            Some((authority, "")) => authority,
            Some(_) => return Err("a gateway has no path"),
            None => rest,
        }
        .parse()
        .map_err(|_| "that is no host and port")?;
        if uri.as_str().contains('@') || uri.host().is_empty() {
            return Err("that is no host and port");
        }
        let port = match uri.as_str().get(uri.host().len()..).unwrap_or_default() {
            "" => 80,
            rest => {
                let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
                port.filter(|port| *port > 0).ok_or("that is no port")?
            }
        };
        let host = uri.host().trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, authority: uri.as_str().to_owned() })
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Failed> {
        let dial = TcpStream::connect((self.host.as_str(), self.port));
        match timeout(CONNECT_WITHIN, dial).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                Ok(tcp)
            }
            Ok(Err(error)) => Err(self.silent(&error.to_string())),
            Err(_) => Err(self.silent("timed out")),
        }
    }

    /// Nobody answers there.
    fn silent(&self, why: &str) -> Failed {
        Failed::new(Exit::Failure, format!("no gateway answers at {} ({why})", self.url()))
            .hint("start one with `tapeline serve`, or name another one with --gateway URL")
    }

    /// Whoever answers there is no gateway.
    pub(crate) fn is_none(&self, why: &str) -> Failed {
        Failed::new(Exit::Failure, format!("{}: this is no gateway ({why})", self.url()))
            .hint("is that the port of another program? --gateway URL names the right one")
    }

    /// Whether a gateway answers there.
    pub(crate) async fn is_gateway(&self) -> bool {
        self.get("/api/v1/status").await.is_ok_and(|answer| {
            answer.status.is_success()
                && answer.body.get("level").is_some()
                && answer.body.get("clients").is_some()
        })
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failed> {
        self.ask(Method::GET, path, None, None).await
    }

    /// Orders something.
    pub(crate) async fn post(&self, path: &str, body: &Value, token: &str) -> Result<Answer, Failed> {
        self.ask(Method::POST, path, Some(body), Some(token)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Answer, Failed> {
        let tcp = self.connect().await?;
        let broken = |why: &str| self.is_none(why);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("tapeline/", env!("CARGO_PKG_VERSION")));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| broken(&error.to_string()))?;
        let exchange = async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await?;
            let driver = tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            driver.abort();
            Ok::<_, hyper::Error>((status, body.map(http_body_util::Collected::to_bytes)))
        };
        let (status, body) = match timeout(ANSWER_WITHIN, exchange).await {
            Err(_) => return Err(broken("no answer in time")),
            Ok(Err(error)) => return Err(broken(&error.to_string())),
            Ok(Ok((status, body))) => (status, body.map_err(|error| broken(&error.to_string()))?),
        };
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}

impl Answer {
    /// The body of a successful answer.
    pub(crate) fn granted(self, remote: &Remote) -> Result<Value, Failed> {
        if self.status.is_success() && !self.body.is_null() {
            return Ok(self.body);
        }
        // A gateway gives its refusals in words of its own.
        let said = self.body.pointer("/error/message").or_else(|| self.body.get("message"));
        if said.is_none() {
            return Err(remote.is_none(&format!("it says {} to `tapeline`", self.status)));
        }
        let said = said.and_then(Value::as_str).unwrap_or("no reason given").to_owned();
        let failed = Failed::new(Exit::Failure, format!("{} says {}: {said}", remote.url(), self.status));
        Err(match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failed
                .hint("--token-file FILE names the gateway's admin token; `tapeline config show` says which it uses"),
            StatusCode::NOT_FOUND => failed.hint("`tapeline status` lists venues, lines and topics by name"),
            _ => failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, u16, &str)>) {
        let found = Remote::parse(url).ok();
        let found =
            found.as_ref().map(|remote| (remote.host.as_str(), remote.port, remote.authority.as_str()));
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn gateways_are_named_by_host_and_port() {
        check("http://127.0.0.1:8480", Some(("127.0.0.1", 8480, "127.0.0.1:8480")));
        check("http://feed.example.com/", Some(("feed.example.com", 80, "feed.example.com")));
        check("localhost:1", Some(("localhost", 1, "localhost:1")));
        check("ws://[::1]:8480", Some(("::1", 8480, "[::1]:8480")));
        for wrong in [
            "https://a",
            "ftp://a",
            "http://a/b",
            "http://",
            "http://u:p@a",
            "http://a:99999",
            "",
            "foo",
            "http//a",
            "http:/a",
            "a:b",
            "http://a b",
            "://",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_here() {
        let mut settings = Settings::default();
        assert_eq!(Remote::configured(&settings).url(), USUAL);
        settings.gateway.listen = "0.0.0.0:9".parse().unwrap();
        assert_eq!(Remote::configured(&settings).url(), "http://127.0.0.1:9");
        settings.gateway.listen = "[::]:9".parse().unwrap();
        assert_eq!(Remote::configured(&settings).url(), "http://[::1]:9");
    }
}
