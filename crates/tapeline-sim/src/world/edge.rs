//! What the edge of a process makes of a venue's answers, as the real one does: the class of a failure, the
//! translation of a reply.

use tapeline_core::data::topic::Topic;
use tapeline_core::feed::{Closed, DialError, Stage};
use tapeline_core::policy::fault::Fault;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Decoded, Fetch, HttpReply, Refusal, Venue};

use crate::house::Reply;

/// A refused upgrade; its class depends on whether keys are shown there, and on the wall clock of the process.
pub(crate) fn refused(reply: &Reply, keyed: bool, now: Unix) -> DialError {
    let (wait, date) = (reply.header("retry-after"), reply.header("date"));
    let words = String::from_utf8_lossy(&reply.body);
    let fault = Fault::from_upgrade(reply.status, (keyed, &words), wait, date, now);
    DialError { stage: Stage::Upgrade, fault, detail: format!("status {}", reply.status) }
}

/// A connection that ended with a close frame.
pub(crate) fn closed(code: u16, reason: &str) -> Closed {
    Closed { code: Some(code), fault: Fault::from_close(Some(code), reason), detail: reason.to_owned() }
}

/// What a REST request came to.
pub(crate) fn fetched(
    venue: &dyn Venue,
    (why, topic): (Fetch, &Topic),
    reply: &Reply,
    now: Unix,
) -> Result<Decoded, Refusal> {
    if reply.status == Reply::NO_CONNECTION {
        return Err(Refusal::new(Fault::Transient, "connection refused"));
    }
    if reply.cut {
        return Err(Refusal::new(Fault::Transient, "the connection ended in the middle of the body"));
    }
    let headers: Vec<(String, String)> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let read = HttpReply { status: reply.status, headers: &headers, body: &reply.body, now };
    let mut out = Decoded::default();
    venue.decode_fetch(why, topic, &read, &mut out).map(|()| out)
}
