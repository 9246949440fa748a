//! The URLs a configuration may hold: origins of venues, and proxies.

use crate::net::{Proxy, is_loopback};

/// What an origin of a venue must look like, as far as it differs between streams and REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schemes {
    /// Allowed for any host.
    pub(crate) secure: &'static str,
    /// Allowed for loopback hosts only.
    pub(crate) plain: &'static str,
    /// An example for messages.
    pub(crate) example: &'static str,
}

/// WebSocket origins.
pub(crate) const STREAMS: Schemes =
    Schemes { secure: "wss", plain: "ws", example: "wss://stream.example.com:9443" };
/// HTTP origins.
pub(crate) const REST: Schemes =
    Schemes { secure: "https", plain: "http", example: "https://api.example.com" };

/// The schemes of proxies.
pub(crate) const PROXIES: &[&str] = &["http", "https", "socks5", "socks5h"];

/// Checks an origin: scheme, host, optional port, optional path prefix, and nothing else.
///
/// # Errors
/// What is expected instead.
pub(crate) fn check_origin(text: &str, schemes: Schemes) -> Result<(), String> {
    let Schemes { secure, plain, example } = schemes;
    let form = || format!("a {secure}:// URL without query, for example \"{example}\"");
    let parts = split(text).ok_or_else(form)?;
    if parts.user || parts.path.contains(['?', '#']) {
        return Err(form());
    }
    match parts.scheme.as_str() {
        scheme if scheme == secure => Ok(()),
        scheme if scheme == plain && is_loopback(parts.host) => Ok(()),
        scheme if scheme == plain => {
            Err(format!("{secure}:// (unencrypted {plain}:// is allowed for loopback hosts only)"))
        }
        _ => Err(form()),
    }
}

/// Checks a proxy's URL; a user and password may be part of it.
///
/// # Errors
/// What is expected instead.
pub(crate) fn check_proxy(text: &str) -> Result<(), String> {
    let form = || "a proxy URL such as \"http://proxy:3128\" or \"socks5h://proxy:1080\"".to_owned();
    let parts = split(text).ok_or_else(form)?;
    let usable = PROXIES.contains(&parts.scheme.as_str()) && Proxy::parse(text).is_ok();
    if usable && matches!(parts.path, "" | "/") { Ok(()) } else { Err(form()) }
}

/// Checks the origin of a web page, as browsers send it: scheme, host, optional port, and nothing else.
///
/// # Errors
/// What is expected instead.
pub(crate) fn check_page(text: &str) -> Result<(), String> {
    let right = split(text).is_some_and(|parts| {
        matches!(parts.scheme.as_str(), "http" | "https") && !parts.user && parts.path.is_empty()
    });
    if right { Ok(()) } else { Err("an origin such as \"https://app.example.com\"".to_owned()) }
}

/// Checks a host name with an optional port.
///
/// # Errors
/// What is expected instead.
pub(crate) fn check_host(text: &str) -> Result<(), String> {
    let url = format!("http://{text}");
    let right = split(&url).is_some_and(|parts| !parts.user && parts.path.is_empty());
    if right { Ok(()) } else { Err("a host name such as \"feed.example.com\"".to_owned()) }
}

struct Parts<'a> {
    scheme: String,
    user: bool,
    host: &'a str,
    path: &'a str,
}

/// Splits a URL; `None` if it is none, or if it holds anything but visible ASCII.
fn split(text: &str) -> Option<Parts<'_>> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, address) = match authority.rsplit_once('@') {
        Some((_, address)) => (true, address),
        None => (false, authority),
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, port) = inner.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let port_is_right = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok_and(|port| port > 0);
    (port_is_right && is_host(host)).then(|| Parts { scheme: scheme.to_ascii_lowercase(), user, host, path })
}

fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, schemes: Schemes, right: bool) {
        assert_eq!(check_origin(text, schemes).is_ok(), right, "{text}");
    }

    #[test]
    fn encrypted_origins_may_be_anywhere_and_plain_ones_only_here() {
        check("wss://stream.example.com:9443", STREAMS, true);
        check("wss://stream.example.com/prefix/", STREAMS, true);
        check("WSS://stream.example.com", STREAMS, true);
        check("ws://127.0.0.1:8490", STREAMS, true);
        check("ws://127.8.9.1", STREAMS, true);
        check("ws://localhost:1", STREAMS, true);
        check("ws://[::1]:8490", STREAMS, true);
        check("http://127.0.0.1:8490", REST, true);
        check("https://api.example.com", REST, true);
        check("ws://stream.example.com", STREAMS, false);
        check("ws://192.168.0.1:80", STREAMS, false);
        check("ws://localhost.example.com", STREAMS, false);
        check("ws://127.0.0.1.example.com", STREAMS, false);
        check("http://[::2]:80", REST, false);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "wss://",
            "wss:/x",
            "stream.example.com",
            "https://stream.example.com",
            "wss://a b",
            "wss://host:0",
            "wss://host:65536",
            "wss://host:x",
            "wss://[::1",
            "wss://[x]:1",
            "wss://host?a=b",
            "wss://host/path?key=secret",
            "wss://host#top",
            "ws://127.0.0.1@example.com",
            "wss://user:pass@host",
            "wss://höst",
            "wss://host\n",
            "wss://ho\"st",
            "wss://a:b:c",
        ] {
            check(text, STREAMS, false);
        }
    }

    #[test]
    fn proxies_may_carry_a_user_but_no_path() {
        for (text, right) in [
            ("http://proxy:3128", true),
            ("https://proxy", true),
            ("socks5://user:pass@10.0.0.1:1080/", true),
            ("socks5h://[::1]:1080", true),
            ("ftp://proxy", false),
            ("proxy:3128", false),
            ("http://proxy/x", false),
        ] {
            assert_eq!(check_proxy(text).is_ok(), right, "{text}");
        }
    }
}
