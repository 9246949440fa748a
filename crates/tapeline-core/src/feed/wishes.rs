//! One line's subscriptions: what is wanted, what is confirmed, and the difference, which is sent.
//! After a reconnect nothing is confirmed, so the same difference is the resubscription.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::time::Mono;
use crate::venue::{Confirm, Group, Names, Request, StreamName, TopicId, Venue};

/// How often an unanswered request is repeated before the line is given up.
const RETRIES: u8 = 2;

/// Where one stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// To be asked for.
    Wanted,
    /// Asked for by this request.
    Asked(u64),
    /// The venue has accepted it.
    Confirmed,
}

#[derive(Debug)]
struct Wish {
    topic: TopicId,
    standing: Standing,
    /// When the venue confirmed it on the present connection; [`Mono::NEVER`] if it did not.
    since: Mono,
    /// It was asked for on the connection that ended last.
    was_asked: bool,
}

impl Wish {
    fn is_sent(&self) -> bool {
        self.since != Mono::NEVER
    }

    /// Some venues send before they confirm.
    fn may_be_sent(&self) -> bool {
        self.is_sent() || self.standing != Standing::Wanted
    }
}

/// A request the venue has not answered yet.
#[derive(Debug)]
struct Pending {
    added: Vec<StreamName>,
    removed: Vec<StreamName>,
    deadline: Mono,
}

/// What follows from a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// One stream is at fault; nobody else is touched.
    Stream(StreamName, TopicId),
    /// A batch was refused; its streams will be asked for in smaller ones.
    Split,
    /// Nothing of ours.
    Nothing,
}

/// One line's subscription table.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    wanted: BTreeMap<StreamName, Wish>,
    /// To be asked for, in the order of asking: refused batches come back in smaller portions.
    add: BTreeSet<StreamName>,
    /// To be left.
    remove: BTreeSet<StreamName>,
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
    /// Streams that may be named in one request; halved by a refused batch, reset when all is said.
    portion: Option<usize>,
    /// Unanswered requests since the last answer.
    unanswered: u8,
}

impl Wishes {
    /// Wants a stream.
    pub(super) fn want(&mut self, names: &mut Names, stream: &StreamName, topic: TopicId) {
        names.insert(stream, topic);
        self.remove.remove(stream);
        if !self.wanted.contains_key(stream) {
            let wish = Wish { topic, standing: Standing::Wanted, since: Mono::NEVER, was_asked: false };
            self.wanted.insert(stream.clone(), wish);
            self.add.insert(stream.clone());
        }
    }

    /// Wants a stream no longer.
    pub(super) fn leave(&mut self, names: &mut Names, stream: &StreamName) {
        names.remove(stream);
        let Some(wish) = self.wanted.remove(stream) else { return };
        self.add.remove(stream);
        if wish.standing != Standing::Wanted {
            self.remove.insert(stream.clone());
        }
    }

    /// The socket is gone, and everything the venue had confirmed with it.
    pub(super) fn disconnected(&mut self) {
        self.remove.clear();
        self.pending.clear();
        self.portion = None;
        self.unanswered = 0;
        self.add.clear();
        let forgotten = usize::from(planted(Defect::ForgetResubscribe));
        for (stream, wish) in self.wanted.iter_mut().skip(forgotten) {
            (wish.was_asked, wish.since) = (wish.may_be_sent(), Mono::NEVER);
            wish.standing = Standing::Wanted;
            self.add.insert(stream.clone());
        }
    }

    /// Streams wanted.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Streams the venue has confirmed.
    pub(super) fn confirmed(&self) -> usize {
        self.wanted.values().filter(|wish| wish.standing == Standing::Confirmed).count()
    }

    /// Whether the venue has confirmed a stream.
    pub(super) fn is_confirmed(&self, stream: &StreamName) -> bool {
        self.wanted.get(stream).is_some_and(|wish| wish.standing == Standing::Confirmed)
    }

    /// When the venue confirmed a stream on the present connection.
    pub(super) fn since(&self, stream: &StreamName) -> Option<Mono> {
        self.wanted.get(stream).filter(|wish| wish.is_sent()).map(|wish| wish.since)
    }

    /// Whether a stream may be sent on the present connection, or may have been on the one that has just ended.
    pub(super) fn is_or_was_asked(&self, stream: &StreamName) -> bool {
        self.wanted.get(stream).is_some_and(|wish| wish.may_be_sent() || wish.was_asked)
    }

    /// Whether a stream was asked for on the connection that ended last.
    pub(super) fn was_asked(&self, stream: &StreamName) -> bool {
        self.wanted.get(stream).is_some_and(|wish| wish.was_asked)
    }

    /// When the venue last confirmed a stream.
    pub(super) fn latest(&self) -> Option<Mono> {
        self.wanted.values().filter(|wish| wish.is_sent()).map(|wish| wish.since).max()
    }

    /// Wanted streams and their topics.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&StreamName, TopicId)> {
        self.wanted.iter().map(|(stream, wish)| (stream, wish.topic))
    }

    /// Whether something is still to be said.
    pub(super) fn outstanding(&self) -> bool {
        !self.add.is_empty() || !self.remove.is_empty()
    }

    /// The next request: one batch of what is outstanding.
    pub(super) fn next_request(
        &mut self,
        now: Mono,
        venue: &dyn Venue,
        index: u8,
        group: &Group,
        within: Duration,
    ) -> Option<Request> {
        let portion = self.portion.unwrap_or(group.batch).max(1);
        // Leaving goes first: it makes room on lines that are full.
        let (added, removed): (Vec<StreamName>, Vec<StreamName>) = if self.remove.is_empty() {
            (self.add.iter().take(portion).cloned().collect(), Vec::new())
        } else {
            (Vec::new(), self.remove.iter().take(portion).cloned().collect())
        };
        if added.is_empty() && removed.is_empty() {
            self.portion = None;
            return None;
        }
        let texts = |streams: &[StreamName]| streams.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let (added_texts, removed_texts) = (texts(&added), texts(&removed));
        let wanted: Vec<&str> = self.wanted.keys().map(AsRef::as_ref).collect();
        let change = crate::venue::Change {
            group: index,
            added: &added_texts.iter().map(String::as_str).collect::<Vec<_>>(),
            removed: &removed_texts.iter().map(String::as_str).collect::<Vec<_>>(),
            wanted: &wanted,
            first_id: self.next_id + 1,
        };
        let mut requests = Vec::with_capacity(1);
        venue.requests(&change, &mut requests);
        // An adapter may split further; what it did not say now stays outstanding.
        let request = requests.into_iter().next()?;
        self.next_id = request.id;
        self.sent(now, &request, group.confirm, within);
        Some(request)
    }

    fn sent(&mut self, now: Mono, request: &Request, confirm: Confirm, within: Duration) {
        let standing = match confirm {
            Confirm::ByRequest | Confirm::ByState => Standing::Asked(request.id),
            Confirm::ByData => Standing::Confirmed,
        };
        for stream in &request.added {
            self.add.remove(stream);
            if let Some(wish) = self.wanted.get_mut(stream) {
                wish.standing = standing;
                if standing == Standing::Confirmed {
                    wish.since = now;
                }
            }
        }
        for stream in &request.removed {
            self.remove.remove(stream);
        }
        if confirm != Confirm::ByData {
            let (added, removed) = (request.added.clone(), request.removed.clone());
            self.pending.insert(request.id, Pending { added, removed, deadline: now + within });
        }
    }

    /// The venue accepted a request; the topics it confirms.
    pub(super) fn accepted(&mut self, now: Mono, request: u64) -> Vec<TopicId> {
        let Some(pending) = self.pending.remove(&request) else { return Vec::new() };
        self.unanswered = 0;
        let mut topics = Vec::with_capacity(pending.added.len());
        for stream in &pending.added {
            if let Some(wish) = self.wanted.get_mut(stream)
                && wish.standing == Standing::Asked(request)
            {
                // What was asked for once more, and not left before, was sent all the time.
                (wish.standing, wish.since) = (Standing::Confirmed, wish.since.min(now));
                topics.push(wish.topic);
            }
        }
        topics
    }

    /// The venue refused a request (the oldest one, if it does not say which).
    pub(super) fn refused(&mut self, names: &mut Names, request: Option<u64>) -> Refused {
        let id = request.or_else(|| self.pending.keys().next().copied());
        let Some((id, pending)) = id.and_then(|id| Some((id, self.pending.remove(&id)?))) else {
            return Refused::Nothing;
        };
        self.unanswered = 0;
        let asked: Vec<StreamName> = pending.added.into_iter().filter(|s| self.is_asked(s, id)).collect();
        match asked.as_slice() {
            [] => Refused::Nothing,
            [stream] => {
                names.remove(stream);
                match self.wanted.remove(stream) {
                    Some(wish) => Refused::Stream(stream.clone(), wish.topic),
                    None => Refused::Nothing,
                }
            }
            several => {
                self.portion = Some(several.len().div_ceil(2));
                self.ask_again(several);
                Refused::Split
            }
        }
    }

    /// What was at fault in a batch is found: the others go together again.
    pub(super) fn fault_found(&mut self) {
        self.portion = None;
    }

    fn is_asked(&self, stream: &StreamName, id: u64) -> bool {
        self.wanted.get(stream).is_some_and(|wish| wish.standing == Standing::Asked(id))
    }

    fn ask_again(&mut self, streams: &[StreamName]) {
        for stream in streams {
            if let Some(wish) = self.wanted.get_mut(stream) {
                wish.standing = Standing::Wanted;
                self.add.insert(stream.clone());
            }
        }
    }

    /// Requests unanswered past their deadline are repeated; `false` when it has been tried often
    /// enough and the line should be given up.
    pub(super) fn expire(&mut self, now: Mono) -> bool {
        let late: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.deadline <= now).map(|(id, _)| *id).collect();
        if late.is_empty() {
            return true;
        }
        self.unanswered += 1;
        for id in late {
            let Some(pending) = self.pending.remove(&id) else { continue };
            let asked: Vec<_> = pending.added.into_iter().filter(|s| self.is_asked(s, id)).collect();
            self.ask_again(&asked);
            for stream in pending.removed {
                if !self.wanted.contains_key(&stream) {
                    self.remove.insert(stream);
                }
            }
        }
        self.unanswered <= RETRIES
    }

    /// Gives unanswered requests until `until`, at least.
    pub(super) fn postpone(&mut self, until: Mono) {
        for pending in self.pending.values_mut() {
            pending.deadline = pending.deadline.max(until);
        }
    }

    /// The venue sends a stream, whatever it has said of it.
    pub(super) fn keep(&mut self, names: &mut Names, stream: &StreamName, topic: TopicId, since: Mono) {
        names.insert(stream, topic);
        self.add.remove(stream);
        let wish = Wish { topic, standing: Standing::Confirmed, since, was_asked: false };
        self.wanted.insert(stream.clone(), wish);
    }

    /// Asks for one stream anew although the venue had confirmed it (it is mute).
    pub(super) fn renew(&mut self, stream: &StreamName) {
        if let Some(wish) = self.wanted.get_mut(stream) {
            wish.standing = Standing::Wanted;
            self.add.insert(stream.clone());
        }
    }

    /// Asks for one stream anew, since it has fallen mute, and may `leave` it before.
    pub(super) fn reopen(&mut self, stream: &StreamName, leave: bool) {
        if let Some(wish) = self.wanted.get_mut(stream)
            && wish.standing == Standing::Confirmed
        {
            if leave {
                wish.since = Mono::NEVER;
                self.remove.insert(stream.clone());
            }
            self.renew(stream);
        }
    }

    /// When the next unanswered request is overdue.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.pending.values().map(|pending| pending.deadline).min()
    }
}
