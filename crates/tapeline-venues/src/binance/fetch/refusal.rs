//! The class of a reply that is no answer, and the venue's words about it.

use std::time::Duration;

use tapeline_core::policy::fault::Fault;
use tapeline_core::policy::retry_after::http_date;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{HttpReply, Refusal};

/// How much of the venue's words an error quotes.
const MAX_DETAIL: usize = 200;

/// The class of a reply that is no answer: by status where the status alone decides, else by the venue's
/// own code, else by status.
pub(super) fn of(reply: &HttpReply<'_>) -> Refusal {
    let said = words(reply.body);
    let by_status =
        Fault::from_reply(reply.status, reply.header("retry-after"), reply.header("date"), reply.now);
    let fault = match (by_status, said.as_ref().and_then(|(code, _)| fault_of_code(*code))) {
        (Fault::RateLimited { retry_after, banned }, _) => held(retry_after, banned, reply, said.as_ref()),
        (fault, Some(Fault::RateLimited { .. })) => held(fault.away(), false, reply, said.as_ref()),
        // The code says the same, and not how long.
        (fault @ Fault::Unavailable { .. }, Some(Fault::Server)) => fault,
        (_, Some(fault)) => fault,
        // The firewall in front of the venue: too fast, or a request it dislikes. Either way: later.
        (_, None) if reply.status == 403 => held(None, false, reply, None),
        (fault, None) => fault,
    };
    let detail = match said {
        Some((code, message)) => format!("HTTP {}, code {code}: {message}", reply.status),
        None => format!("HTTP {}", reply.status),
    };
    Refusal::new(fault, clip(&detail))
}

/// `{"code":…,"msg":"…"}`, if that is what the body is.
fn words(body: &[u8]) -> Option<(i64, String)> {
    let mut scan = Scan::new(body).ok()?;
    let (mut code, mut message) = (None, None);
    let mut key = scan.object().ok()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"code") => code = Some(scan.i64().ok()?),
            (LONG, b"msg") => message = Some(scan.string().ok()?.into_owned()),
            _ => scan.skip().ok()?,
        }
        key = scan.key().ok()?;
    }
    Some((code?, message.unwrap_or_default()))
}

/// The class of the venue's own code, where it says more than the status.
pub(in super::super) fn fault_of_code(code: i64) -> Option<Fault> {
    match code {
        -1003 | -1015 => Some(Fault::RateLimited { retry_after: None, banned: false }),
        // Unknown, disconnected, unexpected reply, timed out, busy, shutting down.
        -1000 | -1001 | -1006 | -1007 | -1008 | -1016 => Some(Fault::Server),
        -1002 | -1022 | -2014 | -2015 => Some(Fault::Authentication),
        // Parameters, symbols, their status, what was never set.
        -1199..=-1100 | -1220 | -2043 => Some(Fault::Configuration),
        _ => None,
    }
}

/// A hold as long as the headers say, else until the end of the ban that the message names.
fn held(
    retry_after: Option<Duration>,
    banned: bool,
    reply: &HttpReply<'_>,
    said: Option<&(i64, String)>,
) -> Fault {
    let until = || {
        let (_, after) = said?.1.split_once("banned until ")?;
        let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
        let until = Unix::from_millis(digits.parse().ok()?);
        // Two readings of the venue's clock: how far ours is off does not matter.
        let now = reply.header("date").and_then(http_date).unwrap_or(reply.now);
        u64::try_from(until.0.saturating_sub(now.0)).ok().map(Duration::from_nanos)
    };
    Fault::RateLimited { retry_after: retry_after.or_else(until), banned }
}

/// The beginning of a text, for logs.
pub(in super::super) fn clip(text: &str) -> String {
    let end =
        text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_DETAIL).last();
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_and_says_when_it_is_back_is_left_alone_as_long_whatever_else_it_says() {
        let headers = [("retry-after".to_owned(), "35".to_owned())];
        let of = |status, body: &'static str| {
            of(&HttpReply { status, headers: &headers, body: body.as_bytes(), now: Unix::default() }).fault
        };
        let away = Fault::Unavailable { retry_after: Duration::from_secs(35) };
        for body in ["", "<html>", r#"{"code":-1008,"msg":"Server is currently overloaded."}"#] {
            assert_eq!(of(503, body), away, "{body}");
        }
        let slowed = of(503, r#"{"code":-1003,"msg":"Too many requests."}"#);
        assert_eq!((slowed.hold(), slowed.away()), (Some(Duration::from_secs(35)), None));
        assert_eq!(of(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#), Fault::Configuration);
    }

    #[test]
    fn a_ban_that_only_words_tell_of_ends_when_the_venue_says_however_far_off_our_clock_is() {
        let body =
            br#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1795263000000."}"#;
        let noon = Unix::from_millis(1_795_262_400_000);
        let dated = [("date".to_owned(), "Sat, 21 Nov 2026 12:00:00 GMT".to_owned())];
        for (headers, ahead) in
            [(&dated[..], 0), (&dated[..], 3_600_000), (&dated[..], -3_600_000), (&[][..], 0)]
        {
            let now = Unix(noon.0 + ahead * 1_000_000);
            let refusal = of(&HttpReply { status: 418, headers, body, now });
            assert_eq!(refusal.fault.hold(), Some(Duration::from_mins(10)), "{ahead} {headers:?}");
        }
    }
}
