//! Who may come in: connects, request weight, offences and bans, by address.

use super::options::HouseOptions;
use super::wire::Reply;
use crate::limits::{Meter, Verdict, Window};
use crate::report::Report;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Addresses remembered by the limits; more than that are not on one machine.
const ADDRESSES: usize = 1_024;
const FIVE_MINUTES: u64 = 300_000_000_000;

/// What the venue remembers of every address.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    guests: BTreeMap<IpAddr, Guest>,
}

#[derive(Debug)]
struct Guest {
    meter: Meter,
    connects: Window,
    /// Sockets closed for too many messages.
    offences: Window,
    /// Connects are refused until then, nanoseconds of the house.
    refused_until: u64,
    /// Requests should not come before then, Unix milliseconds.
    held_until_ms: u64,
}

impl Gate {
    /// Whether a connect at `now` (nanoseconds) may go on.
    pub(crate) fn connect(
        &mut self,
        options: &HouseOptions,
        report: &mut Report,
        now: u64,
        from: IpAddr,
    ) -> Result<(), Reply> {
        let guest = self.guest(options, from);
        let admitted = guest.connects.admit(now);
        let most = guest.connects.most() as u64;
        report.most_connects_in_five_minutes = report.most_connects_in_five_minutes.max(most);
        if now < guest.refused_until {
            report.asked_while_held += 1;
            return Err(Reply::text(429, "too many requests on earlier connections\n"));
        }
        // No document says which status the streams host answers with; the other hosts say 429.
        if admitted { Ok(()) } else { Err(Reply::text(429, "too many connects in five minutes\n")) }
    }

    /// A socket of this address was closed for too many messages; who does it again and again is refused a while.
    pub(crate) fn offend(&mut self, options: &HouseOptions, now: u64, from: IpAddr) {
        let guest = self.guest(options, from);
        if !guest.offences.admit(now) {
            guest.refused_until = now.saturating_add(super::floor::nanos(options.refused_for));
        }
    }

    /// Charges a request; `Ok` is the weight used in this minute, `Err` the refusal to send.
    pub(crate) fn charge(
        &mut self,
        options: &HouseOptions,
        report: &mut Report,
        now_ms: u64,
        from: IpAddr,
        weight: u32,
    ) -> Result<u32, Reply> {
        let guest = self.guest(options, from);
        if now_ms < guest.held_until_ms {
            report.asked_while_held += 1;
        }
        let verdict = guest.meter.charge(now_ms, weight);
        let used = guest.meter.used();
        let (status, wait, why) = match verdict {
            Verdict::Used(used) => {
                report.weight += u64::from(weight);
                return Ok(used);
            }
            Verdict::Spent { retry_after, .. } => {
                report.http_429 += 1;
                let why = format!(
                    "Too much request weight used; current limit is {} request weight per 1 MINUTE. \
                     Please use the websocket for live updates to avoid polling the API.",
                    options.weight
                );
                (429, retry_after, why)
            }
            Verdict::Banned { retry_after, until_ms } => {
                report.http_418 += 1;
                (418, retry_after, banned(until_ms))
            }
        };
        guest.held_until_ms = now_ms + wait * 1_000;
        let mut reply = Reply::error(status, -1003, &why);
        reply.headers.push(("retry-after", wait.to_string()));
        stamp(&mut reply, used);
        Err(reply)
    }

    /// Bans an address from the REST side for so many seconds.
    pub(crate) fn ban(&mut self, options: &HouseOptions, now_ms: u64, from: IpAddr, seconds: u64) {
        let guest = self.guest(options, from);
        guest.meter.ban(now_ms + seconds * 1_000);
        guest.held_until_ms = now_ms + seconds * 1_000;
    }

    /// An address was told to come back later than it might.
    pub(crate) fn hold(&mut self, options: &HouseOptions, now_ms: u64, from: IpAddr, seconds: u64) {
        self.guest(options, from).held_until_ms = now_ms + seconds * 1_000;
    }

    fn guest(&mut self, options: &HouseOptions, from: IpAddr) -> &mut Guest {
        if self.guests.len() >= ADDRESSES && !self.guests.contains_key(&from) {
            self.guests.clear();
        }
        self.guests.entry(from).or_insert_with(|| Guest {
            meter: Meter::new(options.weight),
            connects: Window::new(options.connects, FIVE_MINUTES),
            offences: Window::new(Some((options.offences as usize).saturating_sub(1)), FIVE_MINUTES),
            refused_until: 0,
            held_until_ms: 0,
        })
    }
}

/// The venue's words for a ban.
pub(crate) fn banned(until_ms: u64) -> String {
    format!(
        "Way too much request weight used; IP banned until {until_ms}. \
         Please use the websocket for live updates to avoid bans."
    )
}

/// Every weighed reply says how much of the minute is used.
pub(crate) fn stamp(reply: &mut Reply, used: u32) {
    for name in ["x-mbx-used-weight", "x-mbx-used-weight-1m"] {
        reply.headers.push((name, used.to_string()));
    }
}
