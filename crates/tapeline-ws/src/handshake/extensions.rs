//! The negotiation of permessage-deflate (RFC 7692 section 7.1) from the text of the headers.

use crate::codec::Deflate;

const NAME: &str = "permessage-deflate";
const SERVER_FRESH: &str = "server_no_context_takeover";
const CLIENT_FRESH: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// What a client offers: any window, and leave to the server to bound the client's.
pub(super) const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// Reads a server's answer. Everything that an inflater with the largest window understands anyway
/// is taken: unknown parameters, odd values, parameters that were not offered. `Err` names an
/// extension that was not offered.
pub(super) fn read_answer<'a>(
    answers: impl Iterator<Item = &'a str>,
    offered: bool,
) -> Result<Option<Deflate>, String> {
    let mut agreed = None;
    for answer in answers {
        let (name, parameters) = split(answer);
        if !offered || !name.eq_ignore_ascii_case(NAME) || agreed.is_some() {
            return Err(name.to_owned());
        }
        let mut deflate = Deflate::default();
        for (parameter, value) in parameters {
            match parameter {
                SERVER_FRESH => deflate.server_no_context_takeover = true,
                CLIENT_FRESH => deflate.client_no_context_takeover = true,
                SERVER_BITS => deflate.server_max_window_bits = bits(value).unwrap_or(15),
                // A bound we cannot read is a bound we might break: the smallest window sends plain. Of two the
                // smaller one holds.
                CLIENT_BITS => {
                    let bound = bits(value).unwrap_or(8);
                    deflate.client_max_window_bits = deflate.client_max_window_bits.min(bound);
                }
                _ => {}
            }
        }
        agreed = Some(deflate);
    }
    Ok(agreed)
}

/// Chooses among a client's offers, in their order; the answer's text with it. An offer with
/// anything unknown in it is declined, as the RFC demands of servers.
pub(super) fn choose<'a>(offers: impl Iterator<Item = &'a str>, fresh: bool) -> Option<(Deflate, String)> {
    offers.filter_map(|offer| consider(offer, fresh)).next()
}

fn consider(offer: &str, fresh: bool) -> Option<(Deflate, String)> {
    let (name, parameters) = split(offer);
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut deflate = Deflate { server_no_context_takeover: fresh, ..Deflate::default() };
    let mut seen = Vec::new();
    for (parameter, value) in parameters {
        if seen.contains(&parameter) {
            return None;
        }
        seen.push(parameter);
        match (parameter, value) {
            (SERVER_FRESH, None) => deflate.server_no_context_takeover = true,
            (CLIENT_FRESH, None) => deflate.client_no_context_takeover = true,
            // zlib cannot deflate with a raw window of 2^8, so that offer is declined.
            (SERVER_BITS, Some(_)) => {
                deflate.server_max_window_bits = bits(value).filter(|bits| *bits > 8)?
            }
            // Leave to bound the client's window; we inflate any, so it is not used.
            (CLIENT_BITS, None) => {}
            (CLIENT_BITS, Some(_)) => drop(bits(value)?),
            _ => return None,
        }
    }
    Some((deflate, answer(&deflate)))
}

fn answer(deflate: &Deflate) -> String {
    let mut text = NAME.to_owned();
    for (said, parameter) in [
        (deflate.server_no_context_takeover, SERVER_FRESH),
        (deflate.client_no_context_takeover, CLIENT_FRESH),
    ] {
        if said {
            text.push_str("; ");
            text.push_str(parameter);
        }
    }
    if deflate.server_max_window_bits < 15 {
        text.push_str(&format!("; {SERVER_BITS}={}", deflate.server_max_window_bits));
    }
    text
}

/// `name; parameter; parameter=value` into its parts.
fn split(extension: &str) -> (&str, impl Iterator<Item = (&str, Option<&str>)>) {
    let mut parts = extension.split(';').map(str::trim);
    let name = parts.next().unwrap_or("");
    let parameters = parts.filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
        Some((parameter, value)) => (parameter.trim(), Some(value.trim())),
        None => (part, None),
    });
    (name, parameters)
}

/// A window size, 8 to 15, quoted or not.
fn bits(value: Option<&str>) -> Option<u8> {
    let value = value?;
    let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    match plain.as_bytes() {
        [b'8'] => Some(8),
        [b'9'] => Some(9),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &str) -> Result<Option<Deflate>, String> {
        read_answer(answer.split(',').map(str::trim).filter(|part| !part.is_empty()), true)
    }

    fn chosen(offer: &str) -> Option<String> {
        choose(offer.split(',').map(str::trim), false).map(|(_, text)| text)
    }

    #[test]
    fn answers_are_read_leniently() {
        let plain = Deflate::default();
        assert_eq!(answered(""), Ok(None));
        assert_eq!(answered("permessage-deflate"), Ok(Some(plain)));
        assert_eq!(answered("Permessage-Deflate; x_unknown=1; another"), Ok(Some(plain)));
        assert_eq!(
            answered("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
            Ok(Some(Deflate { server_no_context_takeover: true, client_no_context_takeover: true, ..plain }))
        );
        assert_eq!(
            answered("permessage-deflate; server_max_window_bits=\"12\"; client_max_window_bits=10"),
            Ok(Some(Deflate { server_max_window_bits: 12, client_max_window_bits: 10, ..plain }))
        );
        assert_eq!(
            answered("permessage-deflate; server_max_window_bits=99; client_max_window_bits"),
            Ok(Some(Deflate { client_max_window_bits: 8, ..plain }))
        );
        assert_eq!(
            answered("permessage-deflate; client_max_window_bits=9; client_max_window_bits=15"),
            Ok(Some(Deflate { client_max_window_bits: 9, ..plain }))
        );
        assert_eq!(answered("x-webkit-deflate-frame"), Err("x-webkit-deflate-frame".into()));
        assert_eq!(answered("permessage-deflate, permessage-deflate"), Err("permessage-deflate".into()));
        assert_eq!(read_answer(["permessage-deflate"].into_iter(), false), Err("permessage-deflate".into()));
    }

    #[test]
    fn offers_are_taken_in_their_order_and_bad_ones_declined() {
        let check =
            |offer: &str, expected: Option<&str>| assert_eq!(chosen(offer).as_deref(), expected, "{offer}");
        check("permessage-deflate; client_max_window_bits", Some("permessage-deflate"));
        check("x-other, permessage-deflate", Some("permessage-deflate"));
        check("permessage-deflate; unknown, permessage-deflate", Some("permessage-deflate"));
        check(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        );
        check(
            "permessage-deflate; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=10"),
        );
        check("permessage-deflate; server_max_window_bits=8", None);
        check("permessage-deflate; server_max_window_bits", None);
        check("permessage-deflate; server_max_window_bits=16", None);
        check("permessage-deflate; client_max_window_bits=7", None);
        check("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None);
        check("permessage-deflate; server_no_context_takeover=1", None);
    }

    #[test]
    fn a_server_may_ask_itself_for_fresh_windows() {
        let (deflate, text) = choose(["permessage-deflate"].into_iter(), true).expect("chosen");
        assert!(deflate.server_no_context_takeover);
        assert_eq!(text, "permessage-deflate; server_no_context_takeover");
    }
}
