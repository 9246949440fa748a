//! Fetches: one request, one bounded reply, translated on the fetch's own task.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use tapeline_core::data::topic::Topic;
use tapeline_core::policy::fault::Fault;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Decoded, Fetch, HttpReply, HttpRequest, Refusal, Venue};
use tokio::time::timeout;

use super::dial::is_loopback;
use super::failure::{of_io, shown};
use super::{Net, NetConfig};

/// Redirects followed, all on the host that was asked.
const REDIRECTS: usize = 3;

/// What carries requests out. A simulation puts its own in the place of the real one.
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends a GET request and reads the whole reply, but never more than the request's `max_body`.
    fn get<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, HttpError>> + Send + 'a>>;
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// Why there is no reply. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct HttpError {
    /// The class of the failure.
    pub fault: Fault,
    /// What happened.
    pub detail: String,
}

impl HttpError {
    fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into() }
    }
}

impl Net {
    async fn client(&self) -> Result<&Arc<dyn HttpClient>, HttpError> {
        self.client
            .get_or_try_init(|| async {
                let tls = self.tls().await;
                let tls = tls.map_err(|error| HttpError::new(Fault::Configuration, error.to_string()))?;
                let mut tls = (**tls).clone();
                tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                Ok(Arc::new(Http::new(&self.config, tls)?) as Arc<dyn HttpClient>)
            })
            .await
    }
}

/// Fetches and translates. A panic of the translation costs this fetch only.
pub(crate) async fn fetch(
    net: &Net,
    venue: &dyn Venue,
    (why, topic): (Fetch, &Topic),
    request: &HttpRequest,
    now: impl Fn() -> Unix,
) -> Result<Decoded, Refusal> {
    let refusal = |error: HttpError| Refusal::new(error.fault, error.detail);
    let client = net.client().await.map_err(refusal)?;
    let reply = match timeout(request.timeout, client.get(request)).await {
        Ok(reply) => reply.map_err(refusal)?,
        Err(_) => return Err(Refusal::new(Fault::Transient, "timed out")),
    };
    let Reply { status, headers, body } = &reply;
    let reply = HttpReply { status: *status, headers, body, now: now() };
    let translate = AssertUnwindSafe(|| {
        let mut out = Decoded::default();
        venue.decode_fetch(why, topic, &reply, &mut out).map(|()| out)
    });
    std::panic::catch_unwind(translate).unwrap_or_else(|_| {
        tracing::error!(%topic, "the translation of a reply panicked");
        Err(Refusal::panic())
    })
}

/// The real client.
#[derive(Debug)]
struct Http {
    client: Client,
    plaintext: bool,
}

impl Http {
    fn new(config: &NetConfig, tls: rustls::ClientConfig) -> Result<Self, HttpError> {
        let wrong = |error: reqwest::Error| HttpError::new(Fault::Configuration, explain(error));
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(config.stage_within)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(2)
            .redirect(redirect::Policy::custom(follow))
            .user_agent(concat!("tapeline/", env!("CARGO_PKG_VERSION")));
        builder = match &config.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.url()).map_err(wrong)?),
            None => builder.no_proxy(),
        };
        Ok(Self { client: builder.build().map_err(wrong)?, plaintext: config.plaintext })
    }

    async fn send(&self, request: &HttpRequest) -> Result<Reply, HttpError> {
        let url = Url::parse(&request.url)
            .map_err(|_| HttpError::new(Fault::Configuration, "the address is not a URL"))?;
        let local = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !(url.scheme() == "http" && (local || self.plaintext)) {
            let detail = "unencrypted http:// is allowed for loopback hosts only";
            return Err(HttpError::new(Fault::Configuration, detail));
        }
        let mut builder = self.client.get(url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let mut response =
            builder.send().await.map_err(|error| HttpError::new(class(&error), explain(error)))?;
        let text =
            |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let (status, headers) = (response.status().as_u16(), headers.collect());
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| HttpError::new(class(&error), explain(error)))? else {
                break;
            };
            // Counted behind the decompression, before the copy: a bomb costs one chunk.
            if body.len() + chunk.len() > request.max_body {
                let detail = format!("the reply is larger than {} bytes", request.max_body);
                return Err(HttpError::new(Fault::Server, detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }
}

impl HttpClient for Http {
    fn get<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, HttpError>> + Send + 'a>> {
        Box::pin(self.send(request))
    }
}

/// Another host could be anyone's, and a request may carry keys.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from = attempt.previous().last();
    let same = from.is_some_and(|from| {
        from.host_str() == attempt.url().host_str() && from.scheme() == attempt.url().scheme()
    });
    if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn class(error: &reqwest::Error) -> Fault {
    use std::error::Error as _;
    let mut cause = error.source();
    while let Some(inner) = cause {
        // What the decompressor dislikes comes as an I/O error, too.
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let undecodable = matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
            if !undecodable {
                return of_io(io);
            }
        }
        cause = inner.source();
    }
    if error.is_decode() || error.is_redirect() {
        Fault::Server
    } else if error.is_builder() {
        Fault::Configuration
    } else {
        Fault::Transient
    }
}

/// The error with its causes, without the URL, which may hold a key.
fn explain(error: reqwest::Error) -> String {
    use std::error::Error as _;
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    shown(&text)
}

#[cfg(test)]
mod tests;
