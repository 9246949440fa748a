//! What was expected of venues and what came of it: the ledgers of a hub.

use serde::Serialize;
use tapeline_core::data::ledger::Counts;
use tapeline_core::data::topic::Topic;
use tapeline_core::feed::FeedLedger;

use crate::hub::Hub;
use crate::order::Order;
use crate::subscribe::SubscribeError;

/// The ledgers of a hub, or of the part of it that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// Everything since the start, of the venues asked for; topics that are gone are included.
    pub total: Counts,
    /// The share of what was expected that is here; none if nothing could be expected.
    pub completeness: Option<f64>,
    /// Each venue.
    pub venues: Vec<FeedLedger>,
}

impl Hub {
    /// What was expected and what came of it: of a venue (`one`), of a topic (`one:trade:A`, by the minute; its venue's
    /// total comes with it), or of all that runs (an empty text).
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`] if the venue named has no feed yet, or none any
    /// more; [`SubscribeError::Topic`] if the text is no topic.
    pub async fn ledger(&self, of: &str) -> Result<Ledger, SubscribeError> {
        let topic = of.contains(':').then(|| Topic::parse(of)).transpose()?;
        let venues = match of.split(':').next() {
            None | Some("") => self.running(),
            Some(venue) => vec![venue.to_owned()],
        };
        let (mut total, mut ledgers) = (Counts::default(), Vec::new());
        for venue in venues {
            match self.ask(&venue, |reply| Order::Ledger { only: topic.clone(), reply }).await {
                Ok(ledger) => {
                    total += ledger.total;
                    ledgers.push(ledger);
                }
                Err(_) if of.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Ledger { total, completeness: total.completeness(), venues: ledgers })
    }
}
