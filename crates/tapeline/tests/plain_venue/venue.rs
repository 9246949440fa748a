//! The plain venue: `trade BTC 5 100.5` is a frame, `sub 1 trade.BTC,quote.BTC` a request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tapeline::core::data::decimal::Decimal;
use tapeline::core::data::event::{Quote, Side, Trade};
use tapeline::core::policy::fault::Fault;
use tapeline::core::venue::{
    Change, Confirm, DecodeError, Decoded, DialRequest, Fetch, Group, HttpReply, HttpRequest, Item, Keys,
    LineId, Login, Names, Profile, Promise, Rate, Refusal, Request, RestLimit, Route, Sequencing,
};
use tapeline::{Channel, Data, Topic, TopicError, Venue};

/// The adapter, with a fuse for tests of crashes.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// Making a request panics while this is set, outside of what a feed guards itself.
    pub(crate) crash: AtomicBool,
    /// Then so does the next look at the profile, in the midst of the restart, if this is set.
    pub(crate) again: AtomicBool,
    armed: AtomicBool,
    /// The word `hang` in a frame waits for this.
    pub(crate) gate: Mutex<()>,
}

const MINUTE: Duration = Duration::from_secs(60);

static PROFILE: Profile = Profile {
    id: "plain",
    streams: &["ws://127.0.0.1:1"],
    rest: &[],
    groups: &[Group {
        name: "all",
        streams_per_line: 1_024,
        batch: 100,
        messages: Rate { count: 1_000, per: Duration::from_secs(1) },
        confirm: Confirm::ByRequest,
        lifetime: None,
        overlap: true,
        max_message: 64 << 10,
        deflate: false,
        login: Login::AtTheDoor,
    }],
    channels: &[
        Promise { channel: Channel::Trade, sequence: Sequencing::Contiguous, period: None },
        Promise { channel: Channel::Quote, sequence: Sequencing::None, period: None },
    ],
    book: None,
    rest_limit: RestLimit { weight: 1_000, per: MINUTE },
    dials: Rate { count: 1_000, per: MINUTE },
};

impl Venue for Plain {
    fn profile(&self) -> &Profile {
        assert!(!self.armed.swap(false, Ordering::SeqCst), "the second fuse is set");
        &PROFILE
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        topic.with(&topic.symbol().to_uppercase(), &[])
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        match topic.channel() {
            Channel::Trade | Channel::Quote => {
                Ok(Route { group: 0, stream: format!("{}.{}", topic.channel(), topic.symbol()).into() })
            }
            _ => Err(TopicError::NotOffered {
                venue: "plain",
                topic: topic.to_string(),
                reason: "ask for trade or quote".to_owned(),
            }),
        }
    }

    fn dial(&self, _: u8, origin: &str, _: &[&str], _: Option<&Keys>) -> DialRequest {
        DialRequest {
            url: format!("{origin}/feed?key=hunter2"),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            deflate: false,
            max_message: 64 << 10,
            keyed: true,
        }
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        let crash = self.crash.load(Ordering::SeqCst);
        self.armed.store(crash && self.again.load(Ordering::SeqCst), Ordering::SeqCst);
        assert!(!crash, "the fuse is set");
        let words = [("sub", change.added), ("unsub", change.removed)];
        let said = words.into_iter().filter(|(_, streams)| !streams.is_empty());
        for ((word, streams), id) in said.zip(change.first_id..) {
            let named = |which: &str| {
                if which == word { streams.iter().map(|s| (*s).into()).collect() } else { Vec::new() }
            };
            out.push(Request {
                id,
                text: format!("{word} {id} {}", streams.join(",")),
                added: named("sub"),
                removed: named("unsub"),
            });
        }
    }

    fn decode(&self, _: LineId, frame: &[u8], names: &Names, out: &mut Decoded) -> Result<(), DecodeError> {
        let text = std::str::from_utf8(frame).map_err(|_| DecodeError::Syntax("text"))?;
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(DecodeError::Missing("word"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| DecodeError::Syntax("number"));
        let decimal = |text: &str| text.parse::<Decimal>().map_err(|_| DecodeError::Syntax("decimal"));
        let one = Decimal::from(1);
        match word()? {
            "ok" => out.items.push(Item::Accepted { request: number(word()?)?, handle: None }),
            "no" => {
                let request = Some(number(word()?)?);
                out.items.push(Item::Rejected {
                    request,
                    fault: Fault::Configuration,
                    reason: "not traded".into(),
                });
            }
            "panic" => panic!("a frame that cannot be borne"),
            "hang" => drop(self.gate.lock()),
            "trade" => {
                let Some(topic) = names.get(format!("trade.{}", word()?).as_bytes()) else { return Ok(()) };
                let (id, price) = (number(word()?)?, word()?);
                assert!(price != "boom", "a trade that cannot be borne");
                let price = decimal(price)?;
                let data = Data::Trade(Trade { id, price, size: one, side: Side::Unknown });
                out.items.push(Item::Market { topic, id, time: None, data });
            }
            "quote" => {
                let Some(topic) = names.get(format!("quote.{}", word()?).as_bytes()) else { return Ok(()) };
                let (bid, ask) = (decimal(word()?)?, decimal(word()?)?);
                let data = Data::Quote(Quote { bid, bid_size: one, ask, ask_size: one, venue_id: None });
                out.items.push(Item::Market { topic, id: 0, time: None, data });
            }
            other => return Err(DecodeError::Unknown(other.to_owned())),
        }
        Ok(())
    }

    fn fetch(&self, _: Fetch, _: &str, _: &Topic) -> Option<HttpRequest> {
        None
    }

    fn decode_fetch(&self, _: Fetch, _: &Topic, _: &HttpReply<'_>, _: &mut Decoded) -> Result<(), Refusal> {
        Err(Refusal::new(Fault::Configuration, "there is no REST"))
    }
}
