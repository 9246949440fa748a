//! REST: depth snapshots, the weight the venue counts, and the class of every refusal.
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api>

use std::fmt::Write as _;
use std::time::Duration;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::policy::fault::Fault;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Fetch, HttpReply, HttpRequest, Item, Refusal, TopicId};

use super::Market;
use super::decode::Sides;
use super::fields::{need, once, time};

/// Levels a side asked for: the most that USD-M gives, and on spot a fifth of the price of the most.
pub(super) const SNAPSHOT_LEVELS: usize = 1_000;
/// What such a snapshot weighs.
const SPOT_WEIGHT: u32 = 50;
const USDM_WEIGHT: u32 = 20;
/// Two thousand levels take about 80 kB; far more is no depth reply.
const MAX_BODY: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of the venue's words an error quotes.
const MAX_DETAIL: usize = 200;

/// The request for a book's snapshot.
pub(super) fn request(market: Market, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
    if why != Fetch::Snapshot || topic.channel() != Channel::Book || topic.is_all() {
        return None;
    }
    let (path, weight) = match market {
        Market::Spot => ("/api/v3/depth", SPOT_WEIGHT),
        Market::UsdM => ("/fapi/v1/depth", USDM_WEIGHT),
    };
    let mut url = format!("{}{path}?symbol=", origin.trim_end_matches('/'));
    for byte in topic.symbol().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    let _ = write!(url, "&limit={SNAPSHOT_LEVELS}");
    Some(HttpRequest { url, headers: Vec::new(), weight, max_body: MAX_BODY, timeout: TIMEOUT })
}

/// Translates a depth reply. The weight is read from refusals as well.
pub(super) fn snapshot(reply: &HttpReply<'_>, out: &mut Decoded) -> Result<(), Refusal> {
    let used = reply.header("x-mbx-used-weight-1m").and_then(|value| value.trim().parse().ok());
    if !(200..300).contains(&reply.status) {
        return Err(Refusal { used, ..refusal(reply) });
    }
    let (items, levels) = (out.items.len(), out.levels.len());
    // Before the levels: they may be followed by the next request.
    out.items.extend(used.map(|used| Item::Weight { used }));
    depth(reply.body, out).map_err(|error| {
        out.items.truncate(items);
        out.levels.truncate(levels);
        // The body is cut off, a page of some proxy, or something else: not an answer of the venue's core.
        let detail = clip(&format!("no depth reply: {error}"));
        Refusal { fault: Fault::Server, detail, used }
    })
}

fn depth(body: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
    let mut scan = Scan::new(body)?;
    let (mut last, mut at, mut sent) = (None, None, None);
    let mut sides = Sides::default();
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            LONG => match &*scan.name() {
                b"lastUpdateId" => once(&mut last, scan.u64(), "lastUpdateId")?,
                b"bids" => sides.bids(&mut scan, out)?,
                b"asks" => sides.asks(&mut scan, out)?,
                _ => scan.skip()?,
            },
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    scan.end()?;
    let last = need(last, "lastUpdateId")?;
    let (levels, bids) = sides.finish(out)?;
    // The reply belongs to whatever was asked for.
    out.items.push(Item::Levels { topic: TopicId(0), time: time(at, sent), last, levels, bids });
    Ok(())
}

/// The class of a reply that is no answer: by status where the status alone decides, else by the venue's
/// own code, else by status.
fn refusal(reply: &HttpReply<'_>) -> Refusal {
    let said = words(reply.body);
    let by_status =
        Fault::from_reply(reply.status, reply.header("retry-after"), reply.header("date"), reply.now);
    let fault = match (by_status, said.as_ref().and_then(|(code, _)| fault_of_code(*code))) {
        (Fault::RateLimited { retry_after, banned }, _) => held(retry_after, banned, reply, said.as_ref()),
        (_, Some(Fault::RateLimited { .. })) => held(None, false, reply, said.as_ref()),
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
pub(super) fn fault_of_code(code: i64) -> Option<Fault> {
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
        u64::try_from(until.0.saturating_sub(reply.now.0)).ok().map(Duration::from_nanos)
    };
    Fault::RateLimited { retry_after: retry_after.or_else(until), banned }
}

/// The beginning of a text, for logs.
pub(super) fn clip(text: &str) -> String {
    let end =
        text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_DETAIL).last();
    text[..end.unwrap_or(0)].to_owned()
}
