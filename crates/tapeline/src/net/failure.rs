//! Failures of dials and sockets, classified once, where they enter.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::{AlertDescription, Error as Tls};
use tapeline_core::feed::{Closed, DialError, Stage};
use tapeline_core::policy::fault::{Fault, is_want_of_descriptors};
use tapeline_core::time::Unix;
use tapeline_ws::{ConnectError, HandshakeError, ProtocolError, Refusal};

/// The longest text of a venue that is kept.
const SHOWN: usize = 200;

/// A dial that failed at `stage`.
pub(crate) fn failed(stage: Stage, fault: Fault, detail: impl Into<String>) -> DialError {
    DialError { stage, fault, detail: detail.into() }
}

/// A stage that took too long.
pub(crate) fn timed_out(stage: Stage) -> DialError {
    failed(stage, Fault::Transient, "timed out")
}

/// The class of an error of a socket. What the operating system says of our own side is `Local`.
pub(crate) fn of_io(error: &io::Error) -> Fault {
    if let Some(tls) = tls_inside(error) {
        return of_tls(tls);
    }
    match error.kind() {
        ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::HostUnreachable
        | ErrorKind::AddrNotAvailable
        | ErrorKind::AddrInUse
        | ErrorKind::PermissionDenied
        | ErrorKind::OutOfMemory => Fault::Local,
        _ if is_exhaustion(error) => Fault::Local,
        _ => Fault::Transient,
    }
}

/// Out of descriptors (of the process, of the machine) or of socket buffers: the standard library
/// has no words for them.
fn is_exhaustion(error: &io::Error) -> bool {
    let text = error.to_string();
    is_want_of_descriptors(&text) || text.to_ascii_lowercase().contains("no buffer space")
}

/// The class of a name that was not found. Resolvers tell "try again" (they cannot reach anyone)
/// from "no such name" only in words.
pub(crate) fn of_lookup(error: &io::Error) -> Fault {
    let unreachable = error.to_string().to_ascii_lowercase().contains("temporary failure");
    if unreachable { Fault::Local } else { of_io(error) }
}

fn tls_inside(error: &io::Error) -> Option<&Tls> {
    error.get_ref()?.downcast_ref::<Tls>()
}

/// The class of a TLS failure. What only a change of settings or certificates can cure must not be
/// tried again and again.
fn of_tls(error: &Tls) -> Fault {
    match error {
        Tls::InvalidCertificate(_)
        | Tls::NoCertificatesPresented
        | Tls::UnsupportedNameType
        | Tls::PeerIncompatible(_)
        | Tls::InvalidCertRevocationList(_) => Fault::Configuration,
        Tls::AlertReceived(alert) => match alert {
            AlertDescription::InternalError | AlertDescription::UserCanceled => Fault::Server,
            AlertDescription::CloseNotify => Fault::Transient,
            _ => Fault::Configuration,
        },
        _ => Fault::Server,
    }
}

/// An error during the TLS handshake.
pub(crate) fn tls_handshake(error: &io::Error) -> DialError {
    failed(Stage::Tls, of_io(error), error.to_string())
}

/// An error during the upgrade; `keyed`: keys are shown on that connection.
pub(crate) fn upgrade(error: &ConnectError, keyed: bool, now: Unix) -> DialError {
    match error {
        ConnectError::Io(error) => failed(Stage::Upgrade, of_io(error), chain(error)),
        ConnectError::Refused(refusal) => refused(refusal, keyed, now),
        ConnectError::Handshake(HandshakeError::Request(_)) => {
            failed(Stage::Upgrade, Fault::Configuration, error.to_string())
        }
        _ => failed(Stage::Upgrade, Fault::Server, error.to_string()),
    }
}

fn refused(refusal: &Refusal, keyed: bool, now: Unix) -> DialError {
    let header = |name: &str| refusal.headers.get(name).and_then(|value| value.to_str().ok());
    let status = refusal.status.as_u16();
    let body = shown(&String::from_utf8_lossy(&refusal.body));
    let fault = Fault::from_upgrade(status, (keyed, &body), header("retry-after"), header("date"), now);
    let detail =
        if body.is_empty() { format!("status {status}") } else { format!("status {status}: {body}") };
    failed(Stage::Upgrade, fault, detail)
}

/// A venue's text, fit for a log line: one line, no control characters, not long.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > SHOWN {
            out.truncate(out.floor_char_boundary(SHOWN));
            break;
        }
    }
    out
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// How an open line ended because its socket failed.
pub(crate) fn closed_by_io(error: &io::Error) -> Closed {
    Closed { code: None, fault: of_io(error), detail: error.to_string() }
}

/// How an open line ended because the venue broke the protocol or a limit.
pub(crate) fn closed_by_protocol(error: &ProtocolError) -> Closed {
    Closed { code: None, fault: Fault::Server, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[track_caller]
    fn check(error: io::Error, expected: Fault) {
        assert_eq!(of_io(&error), expected, "{error}");
    }

    fn tls(error: Tls) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }

    #[test]
    fn the_peers_socket_failures_are_transient() {
        check(ErrorKind::ConnectionRefused.into(), Fault::Transient);
        check(ErrorKind::ConnectionReset.into(), Fault::Transient);
        check(ErrorKind::TimedOut.into(), Fault::Transient);
        check(ErrorKind::UnexpectedEof.into(), Fault::Transient);
    }

    #[test]
    fn our_own_side_is_local() {
        check(ErrorKind::NetworkUnreachable.into(), Fault::Local);
        check(ErrorKind::HostUnreachable.into(), Fault::Local);
        for errno in [23, 24, 105] {
            check(io::Error::from_raw_os_error(errno), Fault::Local);
        }
    }

    #[test]
    fn certificates_are_a_matter_of_configuration() {
        check(tls(Tls::InvalidCertificate(CertificateError::Expired)), Fault::Configuration);
        check(tls(Tls::InvalidCertificate(CertificateError::UnknownIssuer)), Fault::Configuration);
        check(tls(Tls::AlertReceived(AlertDescription::ProtocolVersion)), Fault::Configuration);
    }

    #[test]
    fn a_broken_handshake_is_the_servers() {
        check(tls(Tls::AlertReceived(AlertDescription::InternalError)), Fault::Server);
        check(tls(Tls::DecryptError), Fault::Server);
    }

    #[test]
    fn a_silent_resolver_is_local_and_an_unknown_name_is_not() {
        let words = |text: &str| of_lookup(&io::Error::other(text.to_owned()));
        let prefix = "failed to lookup address information";
        assert_eq!(words(&format!("{prefix}: Temporary failure in name resolution")), Fault::Local);
        assert_eq!(words(&format!("{prefix}: Name or service not known")), Fault::Transient);
    }

    #[test]
    fn a_venues_text_becomes_one_short_line() {
        assert_eq!(shown("<html>\r\n\t<b>no\u{7}</b>  "), "<html> <b>no </b>");
        assert_eq!(shown(&"ä".repeat(500)).len(), SHOWN);
    }
}
