//! Proxies: HTTP CONNECT (plain or over TLS) and SOCKS5, with user and password.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use tapeline_core::feed::{DialError, Stage};
use tapeline_core::policy::fault::Fault;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::failure::{failed, of_io};

/// The largest answer to CONNECT.
const HEAD_MAX: usize = 16 << 10;

/// A proxy towards a venue; printing it shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    login: Option<(String, String)>,
    url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// CONNECT.
    Http,
    /// CONNECT, with TLS towards the proxy.
    Https,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

/// Why a text is no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a proxy URL such as http://proxy:3128 or socks5h://user:password@proxy:1080")]
pub struct ProxyError;

impl Proxy {
    /// Reads `http://`, `https://`, `socks5://` or `socks5h://` with host, port, user and password.
    ///
    /// # Errors
    /// [`ProxyError`] for anything else; it does not repeat the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let url = Url::parse(text).map_err(|_| ProxyError)?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5h, 1080),
            _ => return Err(ProxyError),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let user = decoded(url.username()).ok_or(ProxyError)?;
        let password = decoded(url.password().unwrap_or("")).ok_or(ProxyError)?;
        let login = (!user.is_empty()).then_some((user, password));
        Ok(Self { kind, host, port: url.port().unwrap_or(port), login, url: text.to_owned() })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The whole URL, with its password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks the proxy behind `io` for a connection to `host` and `port`. `resolved` is the address
    /// where the name was looked up here.
    pub(super) async fn open<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut IO,
        host: &str,
        port: u16,
        resolved: Option<SocketAddr>,
    ) -> Result<(), DialError> {
        let done = match self.kind {
            Kind::Http | Kind::Https => self.connect(io, host, port).await,
            Kind::Socks5 | Kind::Socks5h => self.socks(io, host, port, resolved).await,
        };
        done.map_err(|error| match error {
            Refused::Io(error) => failed(Stage::Proxy, of_io(&error), error.to_string()),
            Refused::Said(fault, detail) => failed(Stage::Proxy, fault, detail),
        })
    }

    async fn connect<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut IO,
        host: &str,
        port: u16,
    ) -> Result<(), Refused> {
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some((user, password)) = &self.login {
            let token = STANDARD.encode(format!("{user}:{password}"));
            request.push_str(&format!("Proxy-Authorization: Basic {token}\r\n"));
        }
        request.push_str("\r\n");
        io.write_all(request.as_bytes()).await?;
        io.flush().await?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to the venue. It is read once per dial.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_MAX {
                return Err(Refused::said(Fault::Server, "the proxy's answer is too long"));
            }
            head.push(io.read_u8().await?);
        }
        let status = status_of(&head);
        match status {
            Some(200..=299) => Ok(()),
            Some(407) => Err(Refused::said(Fault::Configuration, "the proxy wants another user or password")),
            Some(status @ 400..=499) => {
                Err(Refused::Said(Fault::Configuration, format!("the proxy refused with status {status}")))
            }
            Some(status) => {
                Err(Refused::Said(Fault::Transient, format!("the proxy failed with status {status}")))
            }
            None => Err(Refused::said(Fault::Server, "the proxy's answer is not HTTP")),
        }
    }

    /// RFC 1928, and RFC 1929 for user and password.
    async fn socks<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut IO,
        host: &str,
        port: u16,
        resolved: Option<SocketAddr>,
    ) -> Result<(), Refused> {
        let methods: &[u8] = if self.login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        io.write_all(methods).await?;
        let mut choice = [0; 2];
        io.read_exact(&mut choice).await?;
        match (choice, &self.login) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => self.log_in(io, user, password).await?,
            ([5, _], _) => {
                return Err(Refused::said(Fault::Configuration, "the proxy accepts no login that we have"));
            }
            _ => return Err(Refused::said(Fault::Server, "the proxy does not speak SOCKS5")),
        }
        let mut request = vec![5, 1, 0];
        let address = resolved.map(|address| address.ip()).or_else(|| host.parse().ok());
        match address {
            Some(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Some(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            None => {
                request.push(3);
                request.extend(field(host)?);
            }
        }
        request.extend(port.to_be_bytes());
        io.write_all(&request).await?;
        io.flush().await?;
        let mut head = [0; 4];
        io.read_exact(&mut head).await?;
        if head[0] != 5 {
            return Err(Refused::said(Fault::Server, "the proxy does not speak SOCKS5"));
        }
        socks_reply(head[1])?;
        let bound = match head[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(io.read_u8().await?),
            _ => return Err(Refused::said(Fault::Server, "the proxy does not speak SOCKS5")),
        };
        let mut rest = vec![0; bound + 2];
        io.read_exact(&mut rest).await?;
        Ok(())
    }

    async fn log_in<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut IO,
        user: &str,
        password: &str,
    ) -> Result<(), Refused> {
        let mut request = vec![1];
        request.extend(field(user)?);
        request.extend(field(password)?);
        io.write_all(&request).await?;
        io.flush().await?;
        let mut answer = [0; 2];
        io.read_exact(&mut answer).await?;
        match answer[1] {
            0 => Ok(()),
            _ => Err(Refused::said(Fault::Configuration, "the proxy wants another user or password")),
        }
    }
}

enum Refused {
    Io(std::io::Error),
    Said(Fault, String),
}

impl Refused {
    fn said(fault: Fault, detail: &str) -> Self {
        Self::Said(fault, detail.to_owned())
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn socks_reply(code: u8) -> Result<(), Refused> {
    let (fault, words) = match code {
        0 => return Ok(()),
        2 => (Fault::Configuration, "the proxy does not allow this connection"),
        3 => (Fault::Transient, "the proxy cannot reach the network"),
        4 => (Fault::Transient, "the proxy cannot reach the host"),
        5 => (Fault::Transient, "the host refused the proxy's connection"),
        6 => (Fault::Transient, "the proxy's connection timed out"),
        7 | 8 => (Fault::Configuration, "the proxy does not support this connection"),
        _ => (Fault::Transient, "the proxy failed"),
    };
    Err(Refused::said(fault, words))
}

/// A text behind its length.
fn field(text: &str) -> Result<Vec<u8>, Refused> {
    let length = u8::try_from(text.len())
        .map_err(|_| Refused::said(Fault::Configuration, "a name is longer than SOCKS5 allows"))?;
    Ok([&[length], text.as_bytes()].concat())
}

fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Percent codes resolved.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let code = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} {}:{})", self.kind, self.host, self.port)
    }
}
