//! What an operator may ask of a hub: each command for every venue, for one, or for one of its lines.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use tapeline_core::feed::Command;
use tapeline_core::policy::breaker::Override;
use tapeline_core::policy::ladder::Rung;
use tapeline_core::policy::recovery::Recovery;

use crate::hub::Hub;
use crate::subscribe::SubscribeError;

/// What a command is about. Written as `VENUE`, `VENUE/LINE`, or nothing at all for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Every venue that runs.
    #[default]
    All,
    /// One venue.
    Venue(String),
    /// One line of a venue, by its slot.
    Line(String, u32),
}

/// What a text names instead of a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no target: it is VENUE, VENUE/LINE, or nothing for everything")]
pub struct NoTarget(pub String);

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let wrong = || NoTarget(text.to_owned());
        match text.split_once('/') {
            None if text.is_empty() || text == "*" => Ok(Self::All),
            None => Ok(Self::Venue(text.to_owned())),
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
        }
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

/// The rung of a name (`poll`) or a number (`2`).
pub fn rung(text: &str) -> Option<Rung> {
    Rung::ALL.into_iter().find(|rung| rung.name() == text || rung.number().to_string() == text)
}

/// The way to recover of a name: `immediate`, `progressive`, `delayed`.
pub fn recovery(text: &str) -> Option<Recovery> {
    match text {
        "immediate" => Some(Recovery::Immediate),
        "progressive" => Some(Recovery::Progressive),
        "delayed" => Some(Recovery::Delayed),
        "manual" => Some(Recovery::Manual),
        _ => None,
    }
}

/// Every command fails only with [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: a venue that was
/// named has no feed yet, or none any more.
impl Hub {
    /// Puts lines that wait or are halted, topics that were refused, and a venue that crashed too often on their way
    /// again.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn recover(&self, target: &Target, how: Recovery) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |slot| Command::Recover { slot, how }).await
    }

    /// Closes and redials lines.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn reconnect(&self, target: &Target) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |slot| Command::Reconnect { slot }).await
    }

    /// Lets another line follow one, or each of them in turn, without a break.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn rotate(&self, target: &Target) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |slot| Command::Rotate { slot }).await
    }

    /// Serves from a rung of the fallback ladder now; from there on the rules decide.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn fallback(&self, target: &Target, rung: Rung) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |_| Command::Fallback { rung }).await
    }

    /// Serves from a rung of the fallback ladder until [`Hub::unpin`].
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn pin(&self, target: &Target, rung: Rung) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |_| Command::Pin { rung }).await
    }

    /// Lets the rules decide again where data comes from.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn unpin(&self, target: &Target) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |_| Command::Unpin).await
    }

    /// Closes every breaker, also those of [`Hub::override_breakers`], lifts every hold and forgets every failure.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn reset(&self, target: &Target) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |_| Command::Reset).await
    }

    /// Holds every breaker of streams and REST open, so that nothing new is dialled or asked, or disables them, so that
    /// nothing is refused; until [`Hub::reset`]. What is connected stays connected.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn override_breakers(
        &self,
        target: &Target,
        how: Override,
    ) -> Result<Vec<Done>, SubscribeError> {
        self.order(target, |_| Command::Breakers { how }).await
    }

    /// Gives a command to every venue concerned. One that has gone meanwhile was not named, so it is left out.
    async fn order(
        &self,
        target: &Target,
        command: impl Fn(Option<u32>) -> Command,
    ) -> Result<Vec<Done>, SubscribeError> {
        let (venues, slot) = match target {
            Target::All => (self.running(), None),
            Target::Venue(venue) => (vec![venue.clone()], None),
            Target::Line(venue, slot) => (vec![venue.clone()], Some(*slot)),
        };
        let mut done = Vec::new();
        for venue in venues {
            match self.command(&venue, command(slot)).await {
                Ok(touched) => done.push(Done { venue, touched }),
                Err(_) if *target == Target::All => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_venue_a_line_or_everything() {
        let read = |text: &str| text.parse::<Target>();
        assert_eq!(read(""), Ok(Target::All));
        assert_eq!(read("*"), Ok(Target::All));
        assert_eq!(read("one"), Ok(Target::Venue("one".into())));
        assert_eq!(read("one/3"), Ok(Target::Line("one".into(), 3)));
        for wrong in ["/3", "one/", "one/x", "one/-1", "one/99999999999"] {
            assert_eq!(read(wrong), Err(NoTarget(wrong.into())));
        }
    }

    #[test]
    fn rungs_and_ways_to_recover_have_names() {
        assert_eq!((rung("poll"), rung("2"), rung("5")), (Some(Rung::Poll), Some(Rung::Poll), None));
        assert_eq!((recovery("delayed"), recovery("soon")), (Some(Recovery::Delayed), None));
    }
}
