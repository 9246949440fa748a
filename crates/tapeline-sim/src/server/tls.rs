//! TLS on the port: an authority of our own, certificates that are good or bad, and handshakes that fail as ordered.

use super::options::StartError;
use super::room::Room;
use super::stream::Stream;
use crate::house::{Kind, Trouble};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

/// The first byte of a connection that begins with a TLS handshake; no HTTP request begins with it.
const HANDSHAKE: u8 = 22;
/// The alert `handshake_failure`.
const FAILURE: u8 = 40;
/// What a server without TLS would say.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The certificates of the venue.
#[derive(Debug)]
pub(crate) struct Tls {
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    misnamed: Arc<ServerConfig>,
    /// Of an authority that is told to nobody.
    unknown: Arc<ServerConfig>,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Tls {
    /// Makes an authority, writes its certificate to `ca.pem` in `dir`, and has it certify this address.
    pub(crate) fn open(dir: &Path, address: IpAddr) -> Result<Self, StartError> {
        let authority = authority("Tapeline's simulator")?;
        let file = dir.join("ca.pem");
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&file, authority.pem()))
            .map_err(|source| StartError::Authority { file, source })?;
        let ours = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), address.to_string()];
        let params = CertificateParams::new(ours.to_vec())?;
        let mut expired = params.clone();
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1));
        let misnamed = CertificateParams::new(["elsewhere.test".to_owned()])?;
        Ok(Self {
            good: certified(&authority, &params)?,
            expired: certified(&authority, &expired)?,
            misnamed: certified(&authority, &misnamed)?,
            unknown: certified(&self::authority("Nobody")?, &params)?,
        })
    }

    /// Takes a connection as it begins, plain or encrypted; nothing if nothing comes of it.
    pub(crate) async fn greet(&self, tcp: TcpStream, room: &Room) -> Option<Stream> {
        let mut first = [0];
        if tcp.peek(&mut first).await.ok()? == 0 || first[0] != HANDSHAKE {
            return Some(Stream::Plain(tcp));
        }
        let address = tcp.local_addr().ok()?;
        let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await;
        let begun = begun.inspect_err(|error| tracing::debug!(%error, "no client hello")).ok()?;
        let host = host(&begun, address);
        let trouble = room.with(|house, now| house.handshake(now, &host));
        let config = match trouble.as_ref().map(|trouble| trouble.kind) {
            None => &self.good,
            Some(Kind::TlsExpired) => &self.expired,
            Some(Kind::TlsName) => &self.misnamed,
            Some(Kind::TlsUnknown) => &self.unknown,
            Some(_) => {
                refuse(begun.io, &trouble?).await;
                return None;
            }
        };
        match begun.into_stream(Arc::clone(config)).await {
            Ok(stream) => Some(Stream::Tls(Box::new(stream))),
            Err(error) => {
                tracing::debug!(%error, "the TLS handshake failed");
                None
            }
        }
    }
}

/// The host that a client means, with the port, as a request would name it.
fn host(begun: &StartHandshake<TcpStream>, address: SocketAddr) -> String {
    match begun.client_hello().server_name() {
        Some(name) => format!("{name}:{}", address.port()),
        // Addresses are not named in a handshake.
        None => address.to_string(),
    }
}

/// Ends a handshake without a certificate, or not at all.
async fn refuse(mut tcp: TcpStream, trouble: &Trouble) {
    let alert = trouble.code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILURE);
    let answer: &[u8] = match trouble.kind {
        Kind::TlsAlert => &[21, 3, 3, 0, 2, 2, alert],
        Kind::TlsGarbage => GARBAGE,
        _ => &[],
    };
    if !answer.is_empty() {
        let _ = tcp.write_all(answer).await;
        let _ = tcp.shutdown().await;
    }
    // Until the client has understood, or has waited long enough.
    let mut scratch = [0; 4_096];
    while matches!(tcp.read(&mut scratch).await, Ok(1..)) {}
}

fn authority(name: &str) -> Result<Issuer, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn certified(authority: &Issuer, params: &CertificateParams) -> Result<Arc<ServerConfig>, StartError> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(key))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
