//! What an operator may ask of a hub: each command for every venue, for one, for one of its lines or for a topic.
//! Whatever else takes orders, as the gateway does, calls these.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::feed::{Command, FeedStatus};
use tapeline_core::policy::breaker::Override;
use tapeline_core::policy::ladder::Rung;
use tapeline_core::policy::recovery::Recovery;
use tokio::time::timeout;

use crate::hub::{Hub, STATUS_WITHIN};
use crate::order::Order;
use crate::subscribe::SubscribeError;

/// What a command is about. Written as `VENUE`, `VENUE/LINE`, a topic, or nothing at all for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Every venue that runs.
    #[default]
    All,
    /// One venue.
    Venue(String),
    /// One line of a venue, by its slot.
    Line(String, u32),
    /// A topic that runs, in any spelling that its venue accepts: the lines that carry it are meant.
    Topic(Topic),
}

/// What a text names instead of a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// It has none of the forms.
    #[error(
        "`{0}` is no target: it is VENUE, VENUE/LINE, or nothing for everything; a line is VENUE/NUMBER, a topic \
         VENUE:CHANNEL:SYMBOL"
    )]
    Form(String),
    /// It has the form of a topic, and is none.
    #[error(transparent)]
    Topic(#[from] TopicError),
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        if text.contains(':') {
            return Ok(Self::Topic(Topic::parse(text)?));
        }
        // As people and event logs write it, too.
        let text = text.replacen("/line ", "/", 1);
        let wrong = || NoTarget::Form(text.clone());
        match text.split_once('/') {
            None if text.is_empty() || text == "*" => Ok(Self::All),
            None => Ok(Self::Venue(text)),
            Some(("", _)) => Err(wrong()),
            Some((venue, slot)) => Ok(Self::Line(venue.to_owned(), slot.parse().map_err(|_| wrong())?)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Venue(venue) => f.write_str(venue),
            Self::Line(venue, slot) => write!(f, "{venue}/{slot}"),
            Self::Topic(topic) => f.write_str(topic.as_str()),
        }
    }
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nobody knows the venue.
    #[error("there is no venue `{venue}`; there are {known}")]
    NoVenue {
        /// The word that stands where a venue should.
        venue: String,
        /// What could stand there.
        known: String,
    },
    /// The venue runs, and has no such line.
    #[error("{venue} has no line {slot}")]
    NoLine {
        /// The venue's id.
        venue: String,
        /// The line's number.
        slot: u32,
    },
    /// Nobody reads the topic.
    #[error("{0} does not run")]
    NoTopic(Topic),
    /// A line was named for what is done to whole venues only.
    #[error("this concerns a whole venue; leave the line out")]
    NotOfLine,
    /// A topic was named for what is done to whole venues only.
    #[error("this concerns a whole venue, not a topic: name `{venue}`")]
    NotOfTopic {
        /// The topic's venue.
        venue: String,
    },
    /// The venue's feed does not say in time how it stands.
    #[error("{venue} does not say how it stands; try again")]
    Stuck {
        /// The venue's id.
        venue: String,
    },
    /// The venue's feed is not there, or its adapter knows no such topic.
    #[error(transparent)]
    Feed(#[from] SubscribeError),
}

impl From<TopicError> for OrderError {
    fn from(error: TopicError) -> Self {
        Self::Feed(error.into())
    }
}

/// What a command did at one venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The venue's id.
    pub venue: String,
    /// How many things it touched; zero is an answer, not an error.
    pub touched: usize,
}

/// What [`Hub::reset`] makes of breakers, those of streams and of REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Breakers {
    /// Closed, with every hold lifted and every failure forgotten.
    #[default]
    Closed,
    /// Held open: nothing new is dialled or asked until they are closed. What is connected stays connected.
    Open,
    /// Disabled: nothing is refused until they are closed.
    Disabled,
}

/// The rung of a name (`poll`) or a number (`2`).
pub fn rung(text: &str) -> Option<Rung> {
    Rung::ALL.into_iter().find(|rung| rung.name() == text || rung.number().to_string() == text)
}

/// The way to recover of a name: `immediate`, `progressive`, `delayed`, `manual`.
pub fn recovery(text: &str) -> Option<Recovery> {
    match text {
        "immediate" => Some(Recovery::Immediate),
        "progressive" => Some(Recovery::Progressive),
        "delayed" => Some(Recovery::Delayed),
        "manual" => Some(Recovery::Manual),
        _ => None,
    }
}

/// What becomes of breakers, of a name: `closed`, `open`, `disabled`.
pub fn breakers(text: &str) -> Option<Breakers> {
    match text {
        "closed" => Some(Breakers::Closed),
        "open" => Some(Breakers::Open),
        "disabled" => Some(Breakers::Disabled),
        _ => None,
    }
}

/// What a target comes to.
pub(crate) enum Found {
    /// Whole venues.
    Venues(Vec<String>),
    /// A line of a venue.
    Line(String, u32),
    /// A topic as its venue spells it, and the lines that carry it: none, if the venue has refused it.
    Topic(Topic, Vec<u32>),
}

/// The orders of an operator. Whatever names a venue, line or topic that is not there is refused; what is done to whole
/// venues refuses lines and topics, so that nothing more is touched than was named. To drain is [`Hub::shutdown`]: it
/// concerns all of a hub.
impl Hub {
    /// Puts lines that wait or are halted, topics that were refused, and a venue that crashed too often on their way
    /// again. Of a topic: the lines that carry it, and a book is fetched anew; if none does, since it was refused, all of
    /// its venue.
    ///
    /// # Errors
    /// [`OrderError`]: there is no such thing, or the venue's feed is not there.
    pub async fn recover(&self, target: &Target, how: Recovery) -> Result<Vec<Done>, OrderError> {
        let found = self.find(target).await?;
        let resync = match &found {
            Found::Topic(topic, slots)
                if topic.channel() == Channel::Book && !slots.is_empty() && how != Recovery::Manual =>
            {
                Some(Command::Resync { topic: topic.clone(), how })
            }
            _ => None,
        };
        let found = match found {
            // It is tried again with all that was refused.
            Found::Topic(topic, slots) if slots.is_empty() => Found::Venues(vec![topic.venue().to_owned()]),
            found => found,
        };
        let mut orders = found.orders(|slot| Command::Recover { slot, how });
        if let Some((_, commands)) = orders.first_mut() {
            commands.splice(0..0, resync);
        }
        self.give(target, orders).await
    }

    /// Closes and redials lines.
    ///
    /// # Errors
    /// [`OrderError`]: there is no such thing, or the venue's feed is not there.
    pub async fn reconnect(&self, target: &Target) -> Result<Vec<Done>, OrderError> {
        let found = self.find(target).await?;
        self.give(target, found.orders(|slot| Command::Reconnect { slot })).await
    }

    /// Lets another line follow one, or each of them in turn, without a break.
    ///
    /// # Errors
    /// [`OrderError`]: there is no such thing, or the venue's feed is not there.
    pub async fn rotate(&self, target: &Target) -> Result<Vec<Done>, OrderError> {
        let found = self.find(target).await?;
        self.give(target, found.orders(|slot| Command::Rotate { slot })).await
    }

    /// Serves whole venues from a rung of the fallback ladder now; from there on the rules decide.
    ///
    /// # Errors
    /// [`OrderError`]: no whole venue was named, there is no such thing, or the venue's feed is not there.
    pub async fn fallback(&self, target: &Target, rung: Rung) -> Result<Vec<Done>, OrderError> {
        self.order(target, Command::Fallback { rung }).await
    }

    /// Serves whole venues from a rung of the fallback ladder until [`Hub::unpin`].
    ///
    /// # Errors
    /// [`OrderError`]: no whole venue was named, there is no such thing, or the venue's feed is not there.
    pub async fn pin(&self, target: &Target, rung: Rung) -> Result<Vec<Done>, OrderError> {
        self.order(target, Command::Pin { rung }).await
    }

    /// Lets the rules decide again where the data of whole venues comes from.
    ///
    /// # Errors
    /// [`OrderError`]: no whole venue was named, there is no such thing, or the venue's feed is not there.
    pub async fn unpin(&self, target: &Target) -> Result<Vec<Done>, OrderError> {
        self.order(target, Command::Unpin).await
    }

    /// Closes every breaker of whole venues, lifts every hold and forgets every failure; or takes the breakers over
    /// until they are closed by another reset.
    ///
    /// # Errors
    /// [`OrderError`]: no whole venue was named, there is no such thing, or the venue's feed is not there.
    pub async fn reset(&self, target: &Target, breakers: Breakers) -> Result<Vec<Done>, OrderError> {
        let command = match breakers {
            Breakers::Closed => Command::Reset,
            Breakers::Open => Command::Breakers { how: Override::Open },
            Breakers::Disabled => Command::Breakers { how: Override::Disabled },
        };
        self.order(target, command).await
    }

    /// Drops all topics of whole venues without subscribers now, instead of after their linger.
    ///
    /// # Errors
    /// [`OrderError`]: no whole venue was named, there is no such thing, or the venue's feed is not there.
    pub async fn sweep(&self, target: &Target) -> Result<Vec<Done>, OrderError> {
        self.order(target, Command::Sweep).await
    }

    /// Gives a command to whole venues, and to nothing less.
    async fn order(&self, target: &Target, command: Command) -> Result<Vec<Done>, OrderError> {
        let found = match self.find(target).await? {
            Found::Line(..) => return Err(OrderError::NotOfLine),
            Found::Topic(topic, _) => {
                return Err(OrderError::NotOfTopic { venue: topic.venue().to_owned() });
            }
            found @ Found::Venues(_) => found,
        };
        self.give(target, found.orders(|_| command.clone())).await
    }

    /// Gives commands to every venue concerned. One that has gone meanwhile was not named, so it is left out.
    async fn give(
        &self,
        target: &Target,
        orders: Vec<(String, Vec<Command>)>,
    ) -> Result<Vec<Done>, OrderError> {
        let mut done = Vec::new();
        'venues: for (venue, commands) in orders {
            let mut touched = 0;
            for command in commands {
                match self.command(&venue, command).await {
                    Ok(more) => touched += more,
                    Err(_) if *target == Target::All => continue 'venues,
                    Err(error) => return Err(error.into()),
                }
            }
            done.push(Done { venue, touched });
        }
        Ok(done)
    }

    /// What a target comes to, if there is such a thing.
    pub(crate) async fn find(&self, target: &Target) -> Result<Found, OrderError> {
        match target {
            Target::All => Ok(Found::Venues(self.running())),
            Target::Venue(venue) => {
                self.known(venue)?;
                Ok(Found::Venues(vec![venue.clone()]))
            }
            Target::Line(venue, slot) => {
                self.known(venue)?;
                // That a venue does not run is said by whatever is asked of it.
                if let Some(feed) = self.feed(venue).await?
                    && !feed.lines.iter().any(|line| line.id == *slot)
                {
                    return Err(OrderError::NoLine { venue: venue.clone(), slot: *slot });
                }
                Ok(Found::Line(venue.clone(), *slot))
            }
            Target::Topic(topic) => {
                let topic = self.adapter(topic.venue())?.canonical(topic.clone())?;
                let feed = self.feed(topic.venue()).await?;
                let mut running = feed.into_iter().flat_map(|feed| feed.topics);
                match running.find(|running| running.topic == topic) {
                    Some(running) => Ok(Found::Topic(topic, running.lines)),
                    None => Err(OrderError::NoTopic(topic)),
                }
            }
        }
    }

    fn known(&self, venue: &str) -> Result<(), OrderError> {
        let known = self.venues();
        if known.iter().any(|known| known == venue) {
            return Ok(());
        }
        Err(OrderError::NoVenue { venue: venue.to_owned(), known: known.join(", ") })
    }

    /// How a venue's feed stands; none if it does not run or is halted.
    async fn feed(&self, venue: &str) -> Result<Option<FeedStatus>, OrderError> {
        let asked = self.ask(venue, |reply| Order::Status { reply });
        match timeout(STATUS_WITHIN, asked).await {
            Ok(reading) => Ok(reading.ok().and_then(|reading| reading.feed)),
            Err(_) => Err(OrderError::Stuck { venue: venue.to_owned() }),
        }
    }
}

impl Found {
    /// What is to be told to which venue: of whole venues without a slot.
    fn orders(self, command: impl Fn(Option<u32>) -> Command) -> Vec<(String, Vec<Command>)> {
        match self {
            Self::Venues(venues) => venues.into_iter().map(|venue| (venue, vec![command(None)])).collect(),
            Self::Line(venue, slot) => vec![(venue, vec![command(Some(slot))])],
            Self::Topic(topic, slots) => {
                let commands = slots.into_iter().map(|slot| command(Some(slot))).collect();
                vec![(topic.venue().to_owned(), commands)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_venue_a_line_a_topic_or_everything_and_is_read_as_it_is_written() {
        let read = |text: &str| text.parse::<Target>();
        assert_eq!(read(""), Ok(Target::All));
        assert_eq!(read("*"), Ok(Target::All));
        assert_eq!(read("one/line 3"), Ok(Target::Line("one".into(), 3)));
        for (text, target) in [
            ("one", Target::Venue("one".into())),
            ("one/3", Target::Line("one".into(), 3)),
            ("one:trade:A", Target::Topic(Topic::parse("one:trade:A").unwrap())),
            ("one:trade:A/3", Target::Topic(Topic::parse("one:trade:A/3").unwrap())),
        ] {
            assert_eq!(target.to_string(), text);
            assert_eq!(read(text), Ok(target));
        }
        for wrong in ["/3", "one/", "one/x", "one/-1", "one/99999999999"] {
            assert_eq!(read(wrong), Err(NoTarget::Form(wrong.into())));
        }
        assert!(matches!(read("one:tade:A"), Err(NoTarget::Topic(TopicError::Channel { .. }))));
    }

    #[test]
    fn rungs_ways_to_recover_and_what_becomes_of_breakers_have_names() {
        assert_eq!((rung("poll"), rung("2"), rung("5")), (Some(Rung::Poll), Some(Rung::Poll), None));
        assert_eq!((recovery("delayed"), recovery("soon")), (Some(Recovery::Delayed), None));
        assert_eq!((breakers("open"), breakers("ajar")), (Some(Breakers::Open), None));
    }
}
