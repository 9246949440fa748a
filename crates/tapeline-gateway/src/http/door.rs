//! Who may ask: the hosts we answer to and the origins that browsers may come from; and the headers of every answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, Uri, Version, header};

use super::Face;
use super::refusal::Refusal;
use crate::codes::Code;
use crate::config::GatewayConfig;
use crate::server::{Breach, Caller};

/// The names by which we are called. A page of somebody else's whose name has been made to lead to us
/// (DNS rebinding) still calls us by its own name.
#[derive(Debug)]
pub(crate) struct Door {
    listen: IpAddr,
    hosts: Vec<String>,
    origins: Vec<String>,
}

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

impl Door {
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self {
            listen: config.listen.ip(),
            hosts: lower(&config.allowed_hosts),
            origins: lower(&config.allowed_origins),
        }
    }

    /// Whether we are called by a name of ours; `authority` is a host with or without a port.
    fn knows(&self, authority: &str) -> bool {
        let host = host_of(authority).to_ascii_lowercase();
        if host == "localhost" || self.hosts.contains(&host) {
            return true;
        }
        let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
        // An address is no name, so it cannot be made to lead here; whoever listens everywhere cannot
        // know them all.
        let ip = ip.to_canonical();
        ip.is_loopback() || ip == self.listen.to_canonical() || self.listen.is_unspecified()
    }

    /// Whether a browser's page from there may ask.
    fn welcomes(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| self.knows(authority))
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        check_form(request)?;
        let mut called = request.headers().get_all(header::HOST).iter();
        let (Some(name), None) = (called.next(), called.next()) else {
            return Err(Refusal::bad("a request has one Host, no less and no more"));
        };
        if !name.to_str().is_ok_and(|name| self.knows(name)) || !self.knows_target(request.uri()) {
            let message = "this gateway is not known by that Host; add it to `gateway.allowed_hosts`";
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, Code::Host, message));
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        if !origins.all(|origin| origin.to_str().is_ok_and(|origin| self.welcomes(origin))) {
            let message =
                "pages of that Origin may not use this gateway; add it to `gateway.allowed_origins`";
            return Err(Refusal::new(StatusCode::FORBIDDEN, Code::Origin, message));
        }
        Ok(())
    }

    fn knows_target(&self, uri: &Uri) -> bool {
        uri.authority().is_none_or(|authority| self.knows(authority.as_str()))
    }
}

/// Refuses what another server in front of us may have read differently, and those who speak an older language.
fn check_form(request: &Request) -> Result<(), Refusal> {
    if request.version() != Version::HTTP_11 {
        let message = "only HTTP/1.1 is spoken here; behind nginx set `proxy_http_version 1.1`";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, Code::Version, message));
    }
    let breach = request.extensions().get::<Caller>().and_then(|caller| caller.breach);
    let Some(breach) = breach else { return Ok(()) };
    Err(Refusal::bad(match breach {
        Breach::BareLine => "every line of a request ends with a carriage return and a line feed",
        Breach::TwoLengths => "a request has either a Content-Length or a Transfer-Encoding",
        Breach::Pipelined => "a request is sent once the one before has been answered",
    }))
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.find(']').map_or(authority, |end| &authority[..=end]);
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

/// Lets in whoever may ask, and puts our headers on the answer.
pub(crate) async fn guard(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let checked = face.live.now().door.check(&request);
    let allowed = checked.is_ok();
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut response = refusal.into_response();
            // Whoever comes like this is not listened to any longer.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            if response.status() == StatusCode::UPGRADE_REQUIRED {
                response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            }
            response
        }
    };
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(origin) = origin.filter(|_| allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(listen: &str) -> Door {
        let config = GatewayConfig {
            listen: listen.parse().unwrap(),
            allowed_hosts: vec!["Feed.Example".to_owned()],
            allowed_origins: vec!["https://desk.example".to_owned()],
            ..GatewayConfig::default()
        };
        Door::new(&config)
    }

    #[test]
    fn hosts_are_ours_by_name_or_address() {
        let door = door("192.0.2.7:8480");
        for ours in
            ["localhost", "LOCALHOST:1", "127.0.0.1:8480", "[::1]:8480", "192.0.2.7", "feed.example:80"]
        {
            assert!(door.knows(ours), "{ours}");
        }
        for other in
            ["evil.example", "localhost.evil.example", "192.0.2.8", "", "[::2]", "127.0.0.1.nip.example"]
        {
            assert!(!door.knows(other), "{other}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_called_by_any_address_but_by_no_name() {
        let door = door("0.0.0.0:8480");
        assert!(door.knows("198.51.100.4:8480") && door.knows("[2001:db8::1]:8480"));
        assert!(!door.knows("evil.example"));
    }

    #[test]
    fn origins_are_pages_of_ours_or_on_the_list() {
        let door = door("127.0.0.1:8480");
        for ours in ["http://localhost:5173", "http://127.0.0.1:8480", "https://desk.example"] {
            assert!(door.welcomes(ours), "{ours}");
        }
        for other in ["null", "http://evil.example", "https://desk.example.evil", "file://", "localhost"] {
            assert!(!door.welcomes(other), "{other}");
        }
    }
}
