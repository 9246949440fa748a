//! The way of REST requests and their replies.

use bytes::Bytes;
use tapeline_core::data::topic::Topic;
use tapeline_core::feed::{FetchId, Input};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{Decoded, Fetch, HttpRequest, Refusal};

use super::clock::MS;
use super::edge;
use super::inspect::newest;
use super::oracle::{contains, number_after};
use super::weather::{Errand, Spoil};
use super::{Event, World};
use crate::house::{Kind, Reply, nanos};

/// A reply that takes longer comes from a venue, or over a way, that is not well.
const SLOW: u64 = 800 * MS;

/// A request on its way.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    host: usize,
    life: u32,
    id: FetchId,
    topic: Topic,
    why: Fetch,
    request: HttpRequest,
    spoil: Spoil,
    more: u64,
    /// When it was sent.
    sent: u64,
    /// When nobody waits for the reply any more.
    until: u64,
    /// What the venue answered.
    body: Bytes,
    /// The newest id there was when it was asked for news.
    newest: Option<u64>,
}

/// What a request came to.
pub(crate) type Brought = Result<Decoded, Refusal>;

fn timed_out() -> Box<Brought> {
    Box::new(Err(Refusal::new(Fault::Transient, "timed out")))
}

impl World {
    pub(super) fn fetch(&mut self, host: usize, id: FetchId, topic: Topic, why: Fetch, request: HttpRequest) {
        self.figures.fetches += 1;
        let (now, place) = (self.now, &mut self.hosts[host]);
        let until = now + nanos(request.timeout);
        let (life, spoil, more, body) = (place.life, Spoil::Nothing, 0, Bytes::new());
        let (sent, newest) = (now, None);
        let asked = Asked { host, life, id, topic, why, request, spoil, more, sent, until, body, newest };
        match place.weather.errand(now) {
            Errand::Open { more, spoil } => {
                let at = now + place.weather.request(now);
                if at - now > SLOW {
                    // It has not even arrived when the reply should be there.
                    self.oracles.watches[host].rest_hurt = at;
                }
                if at > until {
                    // Nobody waits until it arrives; the venue counts it all the same.
                    self.agenda.plan(until, Event::Fetched(Box::new(asked.clone()), timed_out()));
                }
                self.agenda.plan(at, Event::Ask(Box::new(Asked { more, spoil, ..asked })));
            }
            Errand::Fails(after, fault, detail) => {
                let result = Box::new(Err(Refusal::new(fault, detail)));
                self.agenda.plan((now + after).min(until), Event::Fetched(Box::new(asked), result));
            }
        }
    }

    /// A request reaches the venue.
    pub(super) fn ask(&mut self, mut asked: Asked) {
        let (now, place) = (self.now, &mut self.hosts[asked.host]);
        let reply = self.houses[place.house].request(now, place.address(), &asked.request.url);
        if let Fetch::Poll { .. } = asked.why {
            asked.newest = newest(&self.houses[place.house], &asked.topic);
        }
        // A ban that was ordered goes on for others that were on their way.
        let ordered = |kind| self.houses[place.house].strikes(kind);
        let kinds: &[Kind] =
            if reply.status == 418 { &[Kind::Teapot] } else { &[Kind::TooMany, Kind::TooManyUnsaid] };
        let spent = contains(&reply.body, b"current limit is");
        let ordered = !spent && kinds.iter().any(|kind| ordered(*kind) > 0);
        self.oracles.answered(asked.host, &reply, ordered);
        if now > asked.until {
            return;
        }
        let back = now + place.weather.delay(now) + nanos(reply.after) + asked.more;
        if back - asked.sent > SLOW {
            // Whoever gives up before it comes does so rightly.
            self.oracles.watches[asked.host].rest_hurt = now;
        }
        if back > asked.until {
            self.agenda.plan(asked.until, Event::Fetched(Box::new(asked), timed_out()));
        } else {
            self.agenda.plan(back, Event::Reply(Box::new(asked), reply));
        }
    }

    /// A reply reaches the process and is translated there.
    pub(super) fn reply(&mut self, mut asked: Asked, mut reply: Reply) {
        match asked.spoil {
            Spoil::Nothing => {}
            Spoil::Half => reply.body = reply.body.slice(..reply.body.len() / 2),
            Spoil::Page => reply.body = Bytes::from_static(b"<html><body>Please log in</body></html>"),
            Spoil::Cut => reply.cut = true,
        }
        let host = asked.host;
        if self.hosts[host].life == asked.life && !reply.cut {
            self.oracles.refused(self.now, host, (&asked.request.url, &reply), true);
        }
        let venue = &*self.hosts[host].venue;
        let result = edge::fetched(venue, (asked.why, &asked.topic), &reply, self.time().unix);
        asked.body = reply.body;
        self.fetched(asked, result);
    }

    /// What a request came to is put into the feed that asked.
    pub(super) fn fetched(&mut self, asked: Asked, result: Brought) {
        let Asked { host, id, why, .. } = asked;
        if self.hosts[host].life != asked.life {
            return;
        }
        if self.hosts[host].paused_until > self.now {
            let until = self.hosts[host].paused_until;
            return self.agenda.plan(until, Event::Fetched(Box::new(asked), Box::new(result)));
        }
        let (now, time) = (self.now, self.time());
        let came = match &result {
            Ok(decoded) => {
                let newest = asked.newest.or_else(|| number_after(&asked.body, b"\"lastUpdateId\":"));
                let newest = newest.map(|id| format!(", the venue was at {id}")).unwrap_or_default();
                format!("{} things{newest}", decoded.items.len())
            }
            Err(why) => format!("{:?} {}", why.fault, why.detail),
        };
        self.trace.tell(now, format!("host {host} fetch {} brought {came}", id.0));
        let watch = &mut self.oracles.watches[host];
        watch.pace.came_back(why);
        if result.is_err() || now - asked.sent > SLOW {
            watch.rest_hurt = now;
        }
        if let (Ok(_), Fetch::Poll { .. }) = (&result, why) {
            watch.polled.came(now, &asked.topic, asked.body);
        }
        self.hosts[host].with(|feed| feed.handle(time, Input::Fetched { id, result }));
    }
}
