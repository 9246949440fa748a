//! What is said besides data: subscriptions, their answers, errors of both shapes, the shutdown notice.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use tapeline_core::policy::fault::Fault;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::venue::{Change, DecodeError, Decoded, Item, Request};

use super::fetch::{clip, fault_of_code};
use super::fields::{excerpt, need, once, wrong};

/// Writes the requests of a change: those who leave first, so that the line has room for those who come.
pub(super) fn requests(change: &Change<'_>, batch: usize, out: &mut Vec<Request>) {
    let removed = change.removed.chunks(batch.max(1)).map(|streams| ("UNSUBSCRIBE", streams));
    let added = change.added.chunks(batch.max(1)).map(|streams| ("SUBSCRIBE", streams));
    for (id, (method, streams)) in (change.first_id..).zip(removed.chain(added)) {
        let mut text = format!("{{\"method\":\"{method}\",\"params\":[");
        for (index, stream) in streams.iter().enumerate() {
            text.push_str(if index == 0 { "\"" } else { ",\"" });
            text.push_str(stream);
            text.push('"');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "],\"id\":{id}}}");
        let named = || streams.iter().map(|stream| (*stream).into()).collect();
        let leaving = method == "UNSUBSCRIBE";
        let (added, removed) = if leaving { (Vec::new(), named()) } else { (named(), Vec::new()) };
        out.push(Request { id, text, added, removed });
    }
}

/// The keys of a frame's outermost object.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    pub(super) stream: Option<Cow<'a, [u8]>>,
    /// Where the payload begins.
    pub(super) data: Option<Scan<'a>>,
    answered: bool,
    id: Option<Id>,
    code: Option<i64>,
    message: Option<Cow<'a, str>>,
    error: Option<Failure<'a>>,
    status: Option<u64>,
    event: Option<Cow<'a, [u8]>>,
}

/// The id of a request: ours are numbers, any other is not ours.
#[derive(Debug)]
struct Id(Option<u64>);

/// The object under `error`.
#[derive(Debug)]
struct Failure<'a> {
    code: i64,
    message: Cow<'a, str>,
    retry_after: Option<Duration>,
}

impl<'a> Top<'a> {
    /// Reads the value of one key.
    pub(super) fn field(&mut self, key: u8, scan: &mut Scan<'a>) -> Result<(), DecodeError> {
        match key {
            b'e' => once(&mut self.event, scan.bytes(), "e"),
            LONG => match &*scan.name() {
                b"stream" => once(&mut self.stream, scan.bytes(), "stream"),
                b"data" => {
                    let twice = self.data.replace(scan.clone()).is_some();
                    scan.skip()?;
                    if twice { Err(twice_given("data")) } else { Ok(()) }
                }
                b"result" => {
                    let twice = std::mem::replace(&mut self.answered, true);
                    scan.skip()?;
                    if twice { Err(twice_given("result")) } else { Ok(()) }
                }
                b"id" => {
                    let id = id(scan)?;
                    if self.id.replace(id).is_some() { Err(twice_given("id")) } else { Ok(()) }
                }
                b"code" => once(&mut self.code, scan.i64(), "code"),
                b"msg" => once(&mut self.message, scan.string(), "msg"),
                b"status" => once(&mut self.status, scan.u64(), "status"),
                b"error" => {
                    let failure = failure(scan)?;
                    if self.error.replace(failure).is_some() { Err(twice_given("error")) } else { Ok(()) }
                }
                _ => Ok(scan.skip()?),
            },
            _ => Ok(scan.skip()?),
        }
    }

    /// What a frame without a stream means.
    pub(super) fn into_item(self, out: &mut Decoded) -> Result<(), DecodeError> {
        let request = self.id.and_then(|Id(id)| id);
        let failure = match (self.error, self.code, self.message) {
            (Some(failure), ..) => Some(failure),
            (None, Some(code), Some(message)) => Some(Failure { code, message, retry_after: None }),
            (None, None, _) | (None, _, None) => None,
        };
        out.items.push(if let Some(failure) = failure {
            let fault = fault(failure.code, self.status, failure.retry_after);
            Item::Rejected { request, fault, reason: clip(&failure.message).into() }
        } else if self.answered {
            match request {
                Some(request) => Item::Accepted { request, handle: None },
                None => Item::Alive,
            }
        } else {
            match self.event.as_deref() {
                Some(b"serverShutdown") => Item::Goodbye,
                // Data of a raw stream, which this adapter never opens: it cannot be attributed.
                Some(event) => return Err(DecodeError::Unknown(excerpt(event))),
                None => return Err(DecodeError::Missing("stream")),
            }
        });
        Ok(())
    }
}

fn twice_given(field: &'static str) -> DecodeError {
    DecodeError::Field { field, expected: "each key once" }
}

fn id(scan: &mut Scan<'_>) -> Result<Id, DecodeError> {
    if scan.peek().is_ascii_digit() {
        return scan.u64().map(|id| Id(Some(id))).map_err(|bad| wrong::<u64>(bad, "id"));
    }
    scan.skip()?;
    Ok(Id(None))
}

/// A key in words; nothing for single letters.
fn long_name<'a>(scan: &Scan<'a>, key: u8) -> Cow<'a, [u8]> {
    if key == LONG { scan.name() } else { Cow::Borrowed(&[]) }
}

fn failure<'a>(scan: &mut Scan<'a>) -> Result<Failure<'a>, DecodeError> {
    let (mut code, mut message, mut retry_after) = (None, None, None);
    let mut key = scan.object().map_err(|bad| wrong::<i64>(bad, "error"))?;
    while key != END {
        match &*long_name(scan, key) {
            b"code" => once(&mut code, scan.i64(), "error.code")?,
            b"msg" => once(&mut message, scan.string(), "error.msg")?,
            b"data" if scan.peek() == b'{' => retry_after = hold(scan)?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    Ok(Failure { code: need(code, "error.code")?, message: need(message, "error.msg")?, retry_after })
}

/// How long the venue asks to wait: its own clock and the end of the hold, both in milliseconds.
fn hold(scan: &mut Scan<'_>) -> Result<Option<Duration>, DecodeError> {
    let (mut now, mut until) = (None, None);
    let mut key = scan.object()?;
    while key != END {
        match &*long_name(scan, key) {
            b"serverTime" => once(&mut now, scan.u64(), "error.data.serverTime")?,
            b"retryAfter" => once(&mut until, scan.u64(), "error.data.retryAfter")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let wait = now.zip(until).map(|(now, until)| until.saturating_sub(now));
    Ok(wait.map(Duration::from_millis))
}

/// The class of an error on a socket. Codes below zero are those of REST.
pub(super) fn fault(code: i64, status: Option<u64>, retry_after: Option<Duration>) -> Fault {
    match (code, status) {
        (_, Some(418)) => Fault::RateLimited { retry_after, banned: true },
        (_, Some(429)) => Fault::RateLimited { retry_after, banned: false },
        // Too many subscriptions on the line. There is room again once others have left, so the wish is
        // held back, not given up.
        (4, _) => Fault::RateLimited { retry_after, banned: false },
        // A request that the venue does not understand: repeating it changes nothing.
        (0..=3, _) => Fault::Configuration,
        _ => match fault_of_code(code) {
            Some(Fault::RateLimited { banned, .. }) => Fault::RateLimited { retry_after, banned },
            Some(fault) => fault,
            None => Fault::Configuration,
        },
    }
}
