//! The way out to one venue: names, sockets, proxy, TLS, the WebSocket upgrade, and HTTP.

mod dial;
mod failure;
mod http;
mod probe;
mod proxy;
mod stream;
mod tcp;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

pub(crate) use self::dial::{Connected, is_loopback};
pub(crate) use self::failure::{closed_by_io, closed_by_protocol};
pub(crate) use self::http::fetch;
pub use self::http::{HttpClient, HttpError, Reply};
pub use self::probe::{Step, probe};
pub use self::proxy::{Proxy, ProxyError};

/// How one venue is reached.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The proxy for sockets and HTTP; none = directly. The environment's proxies are not used.
    pub proxy: Option<Proxy>,
    /// A PEM file of certificate authorities to trust besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Whether `ws://` and `http://` may leave this machine.
    pub plaintext: bool,
    /// How long one stage of a dial may take (name, socket, proxy, TLS, upgrade).
    pub stage_within: Duration,
    /// How long one message may take to arrive, from its first byte to its last.
    pub message_within: Duration,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            proxy: None,
            ca_file: None,
            plaintext: false,
            stage_within: Duration::from_secs(5),
            message_within: Duration::from_secs(10),
        }
    }
}

/// The way out to one venue, shared by its dials and fetches.
#[derive(Debug)]
pub(crate) struct Net {
    config: NetConfig,
    tls: OnceCell<Arc<rustls::ClientConfig>>,
    client: OnceCell<Arc<dyn HttpClient>>,
    names: tcp::Names,
}

impl Net {
    /// `client` replaces the HTTP client, for simulations.
    pub(crate) fn new(config: NetConfig, client: Option<Arc<dyn HttpClient>>) -> Self {
        let client = OnceCell::new_with(client);
        Self { config, tls: OnceCell::new(), client, names: tcp::Names::default() }
    }

    /// How this venue is reached.
    pub(crate) fn config(&self) -> &NetConfig {
        &self.config
    }

    /// The TLS settings, read when first needed. A failure is not kept: the file may be mended.
    async fn tls(&self) -> Result<&Arc<rustls::ClientConfig>, tls::TlsError> {
        self.tls
            .get_or_try_init(|| async {
                let file = self.config.ca_file.clone();
                // Reading every certificate of the system takes tens of milliseconds.
                let read = tokio::task::spawn_blocking(move || tls::client_config(file.as_deref()));
                read.await.map_err(|error| tls::TlsError::Provider(error.to_string()))?.map(Arc::new)
            })
            .await
    }
}
