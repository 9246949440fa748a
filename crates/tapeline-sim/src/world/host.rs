//! One process with one feed: its connections, its requests on their way, its pauses and its crashes.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_core::feed::{Feed, FeedStatus, Memory};
use tapeline_core::time::Time;
use tapeline_core::venue::{Keys, LineId, Venue};

use super::brittle::Poisoned;
use super::pipe::Pipe;
use super::weather::Weather;
use crate::house::{Said, Say, SocketId};

/// What goes up a connection.
#[derive(Debug)]
pub(crate) enum Up {
    Text(String),
    Ping([u8; 8]),
    Pong(Box<[u8]>),
    /// A close frame, and then nothing.
    Bye,
    /// The socket is gone.
    Gone,
}

impl Up {
    /// What the venue hears of it; `None` if it only finds the socket gone.
    pub(crate) fn said(&self) -> Option<Said<'_>> {
        Some(match self {
            Self::Text(text) => Said::Text(text),
            Self::Ping(payload) => Said::Ping(payload),
            Self::Pong(payload) => Said::Pong(payload),
            Self::Bye => Said::Close,
            Self::Gone => return None,
        })
    }

    /// Whether nothing follows it.
    pub(crate) const fn is_last(&self) -> bool {
        matches!(self, Self::Bye | Self::Gone)
    }
}

/// What comes down a connection.
#[derive(Debug)]
pub(crate) enum Down {
    Said(Say),
    /// The way broke it.
    Broken(&'static str),
}

/// One connection, from the dial to the last word.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) line: LineId,
    pub(crate) life: u32,
    /// Where it was dialled.
    pub(crate) url: String,
    /// When it was dialled.
    pub(crate) since: u64,
    /// Larger messages end it.
    pub(crate) largest: usize,
    /// The key that it shows.
    pub(crate) key: Option<String>,
    /// Whether it shows one, at the door or later.
    pub(crate) keyed: bool,
    /// The house's end, while it holds one.
    pub(crate) socket: Option<SocketId>,
    /// The feed has been told that it is open.
    pub(crate) open: bool,
    /// The feed still counts on it.
    pub(crate) wanted: bool,
    pub(crate) up: Pipe<Up>,
    pub(crate) down: Pipe<Down>,
    /// A blocking reader keeps it from being read.
    pub(crate) blocked: bool,
}

impl Link {
    pub(crate) const fn new(line: LineId, life: u32, since: u64, largest: usize) -> Self {
        Self {
            line,
            life,
            url: String::new(),
            since,
            largest,
            key: None,
            keyed: false,
            socket: None,
            open: false,
            wanted: true,
            up: Pipe::new(),
            down: Pipe::new(),
            blocked: false,
        }
    }
}

/// One process.
pub(crate) struct Host {
    pub(crate) house: usize,
    pub(crate) venue: Arc<dyn Venue>,
    pub(crate) config: FeedConfig,
    /// What stands where its keys come from.
    pub(crate) vault: Option<Keys>,
    /// How many keys were put there since, and how many the venue has given out.
    pub(crate) issued: u32,
    pub(crate) taken: u32,
    /// Where it may dial, best first.
    pub(crate) streams: Vec<String>,
    pub(crate) feed: Option<Feed>,
    /// What a crashed feed left, until it is rebuilt.
    pub(crate) memory: Option<Memory>,
    /// How many feeds there were before.
    pub(crate) life: u32,
    pub(crate) seed: u64,
    pub(crate) links: BTreeMap<u64, Link>,
    next_link: u64,
    pub(crate) weather: Weather,
    pub(crate) paused_until: u64,
    /// Something was put into the feed since it was last driven.
    pub(crate) dirty: bool,
    /// When the feed wants to be looked at.
    pub(crate) deadline: u64,
    /// What it last panicked with.
    pub(crate) panic: Option<String>,
    /// What is known of the panics of its translation, if that is a brittle one.
    pub(crate) brittle: Option<Poisoned>,
    /// What is read by whom.
    pub(crate) wishes: BTreeMap<Topic, Wish>,
    /// When that last changed.
    pub(crate) changed: u64,
}

/// Who reads one topic.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) readers: BTreeSet<usize>,
    /// When the last of them left.
    pub(crate) left: u64,
}

impl Host {
    pub(crate) fn new(
        house: usize,
        venue: Arc<dyn Venue>,
        config: FeedConfig,
        seed: u64,
        way: Weather,
    ) -> Self {
        let streams = if config.streams.is_empty() {
            venue.profile().streams.iter().map(ToString::to_string).collect()
        } else {
            config.streams.clone()
        };
        let feed = Feed::new(Arc::clone(&venue), config.clone(), Memory::default(), seed);
        Self {
            house,
            venue,
            vault: config.keys.clone(),
            issued: 0,
            taken: 0,
            config,
            streams,
            feed: Some(feed),
            memory: None,
            life: 0,
            seed,
            links: BTreeMap::new(),
            next_link: 0,
            weather: way,
            paused_until: 0,
            dirty: true,
            deadline: 0,
            panic: None,
            brittle: None,
            wishes: BTreeMap::new(),
            changed: 0,
        }
    }

    /// A reader reads a topic.
    pub(crate) fn wants(&mut self, now: u64, topic: &Topic, reader: usize) {
        self.changed = now;
        self.wishes.entry(topic.clone()).or_default().readers.insert(reader);
    }

    /// A reader reads a topic no longer.
    pub(crate) fn leaves(&mut self, now: u64, topic: &Topic, reader: usize) {
        if let Some(wish) = self.wishes.get_mut(topic) {
            wish.readers.remove(&reader);
            (wish.left, self.changed) = (now, now);
        }
    }

    /// What a reader reads.
    pub(crate) fn read_by(&self, reader: usize) -> Vec<Topic> {
        let read = self.wishes.iter().filter(|(_, wish)| wish.readers.contains(&reader));
        read.map(|(topic, _)| topic.clone()).collect()
    }

    /// Its address: the venue counts by it.
    pub(crate) const fn address(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1 + self.house as u8))
    }

    /// Whether it takes anything in now.
    pub(crate) const fn is_awake(&self, now: u64) -> bool {
        self.feed.is_some() && self.paused_until <= now
    }

    /// Calls the feed; a panic is kept, the feed is not called again.
    pub(crate) fn with<R>(&mut self, call: impl FnOnce(&mut Feed) -> R) -> Option<R> {
        if self.panic.is_some() {
            return None;
        }
        let feed = self.feed.as_mut()?;
        self.dirty = true;
        match catch_unwind(AssertUnwindSafe(|| call(feed))) {
            Ok(answer) => Some(answer),
            Err(payload) => {
                self.panic = Some(words(payload.as_ref()));
                None
            }
        }
    }

    /// A reading of the feed.
    pub(crate) fn status(&mut self, now: Time) -> Option<FeedStatus> {
        let dirty = self.dirty;
        let status = self.with(|feed| feed.status(now));
        self.dirty = dirty;
        status
    }

    /// A new link; its number.
    pub(crate) fn add_link(&mut self, link: Link) -> u64 {
        self.next_link += 1;
        self.links.insert(self.next_link, link);
        self.next_link
    }

    /// The link of a line that the feed counts on.
    pub(crate) fn link_of(&self, line: LineId) -> Option<u64> {
        let found =
            self.links.iter().find(|(_, link)| link.line == line && link.wanted && link.life == self.life);
        found.map(|(number, _)| *number)
    }

    /// The open links that the feed counts on.
    pub(crate) fn open_links(&self) -> impl Iterator<Item = (u64, &Link)> {
        self.links.iter().filter(|(_, link)| link.open && link.wanted).map(|(number, link)| (*number, link))
    }

    /// Another link of a slot that is open.
    pub(crate) fn beside(&self, line: LineId) -> Option<LineId> {
        let other = |link: &Link| link.line.slot == line.slot && link.line != line;
        self.open_links().map(|(_, link)| link).find(|link| other(link)).map(|link| link.line)
    }

    /// The link of a socket of the house.
    pub(crate) fn link_of_socket(&self, socket: SocketId) -> Option<u64> {
        self.links.iter().find(|(_, link)| link.socket == Some(socket)).map(|(number, _)| *number)
    }

    /// Forgets a link that neither side holds any more.
    pub(crate) fn tidy(&mut self, number: u64) {
        let over = |link: &Link| !link.wanted && link.socket.is_none();
        if self.links.get(&number).is_some_and(over) {
            self.links.remove(&number);
        }
    }
}

/// What somebody panicked with.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// The bytes of a text that the house said, whole.
pub(crate) fn text_of(say: &Say) -> Option<&Bytes> {
    match say {
        Say::Text(bytes) | Say::Fragments(bytes, _) | Say::Binary(bytes) => Some(bytes),
        _ => None,
    }
}
