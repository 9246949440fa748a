//! A dial taken apart: every stage with its time, for those who look for what is wrong.

use std::fmt;
use std::time::{Duration, Instant};

use tapeline_core::feed::{DialError, Stage};
use tapeline_core::venue::DialRequest;
use tapeline_ws::{ClientRequest, Connection, Limits};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::dial::Target;
use super::failure::{self, timed_out};
use super::stream::Stream;
use super::{Net, NetConfig};
use crate::clock::unix;

/// One stage, as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// How long it took.
    pub took: Duration,
    /// What was found, or what is wrong.
    pub outcome: Result<String, DialError>,
}

/// Dials once as a feed would, tells every stage, and hangs up; whether all went well.
pub async fn probe(config: NetConfig, request: &DialRequest, mut tell: impl FnMut(Step) + Send) -> bool {
    let net = Net::new(config, None);
    let target = match Target::of(&request.url, net.config.plaintext) {
        Ok(target) => target,
        Err(error) => {
            tell(Step { stage: error.stage, took: Duration::ZERO, outcome: Err(error) });
            return false;
        }
    };
    walk(&net, &target, request, &mut Told { tell: &mut tell, since: Instant::now() }).await.is_some()
}

/// Tells steps with their times.
struct Told<'a> {
    tell: &'a mut (dyn FnMut(Step) + Send),
    since: Instant,
}

impl Told<'_> {
    fn step<T>(
        &mut self,
        stage: Stage,
        outcome: Result<T, DialError>,
        found: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let took = self.since.elapsed();
        self.since = Instant::now();
        match outcome {
            Ok(value) => {
                (self.tell)(Step { stage, took, outcome: Ok(found(&value)) });
                Some(value)
            }
            Err(error) => {
                (self.tell)(Step { stage: error.stage, took, outcome: Err(error) });
                None
            }
        }
    }
}

async fn walk(net: &Net, target: &Target, request: &DialRequest, told: &mut Told<'_>) -> Option<()> {
    let within = net.config.stage_within;
    let (host, port) = (target.host.as_str(), target.port);
    let stream = match &net.config.proxy {
        None => {
            let found = net.names.resolve(host, port, within).await;
            told.step(Stage::Dns, found, |found| listed(found.iter().map(std::net::SocketAddr::ip)))?;
            let tcp = net.names.connect(host, port, within).await;
            let peer = |tcp: &tokio::net::TcpStream| {
                tcp.peer_addr().map_or_else(|_| String::new(), |at| at.to_string())
            };
            let tcp = told.step(Stage::Tcp, tcp, peer)?;
            if target.encrypted {
                let tls = net.encrypt(tcp, host, Stage::Tls).await;
                let tls = told.step(Stage::Tls, tls, |tls| {
                    let version = tls.get_ref().1.protocol_version();
                    version.map(|version| format!("{version:?}")).unwrap_or_default()
                })?;
                Stream::Tls(Box::new(tls))
            } else {
                Stream::Plain(tcp)
            }
        }
        // The stages behind a proxy are the proxy's own.
        Some(proxy) => {
            let stream = net.open(target).await;
            told.step(Stage::Proxy, stream, |_| {
                format!("through {}:{}", proxy.address().0, proxy.address().1)
            })?
        }
    };
    let upgraded = upgrade(stream, target, request, within).await;
    told.step(Stage::Upgrade, upgraded, |()| format!("{}{}", target.authority, path(&target.path)))?;
    Some(())
}

async fn upgrade<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    target: &Target,
    request: &DialRequest,
    within: Duration,
) -> Result<(), DialError> {
    let asked = ClientRequest {
        host: target.authority.clone(),
        path: target.path.clone(),
        headers: request.headers.clone(),
        subprotocols: request.subprotocols.clone(),
        deflate: request.deflate,
    };
    let limits = Limits { message: request.max_message, ..Limits::client() };
    match timeout(within, Connection::connect(io, &asked, limits, 1)).await {
        Err(_) => Err(timed_out(Stage::Upgrade)),
        Ok(Err(error)) => Err(failure::upgrade(&error, request.keyed, unix())),
        Ok(Ok((mut connection, _))) => {
            // Saying goodbye is polite, waiting for the answer is not needed.
            let _ = timeout(Duration::from_millis(500), connection.close(1000, "")).await;
            Ok(())
        }
    }
}

/// A path without its query, which may hold a key.
fn path(path: &str) -> &str {
    path.split('?').next().unwrap_or("/")
}

fn listed(items: impl Iterator<Item = impl fmt::Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
