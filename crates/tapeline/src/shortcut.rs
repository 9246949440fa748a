//! What is asked for most, without writing a topic.

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;

use crate::hub::Hub;
use crate::order::Wish;
use crate::subscribe::Subscribe;

impl Hub {
    /// Every trade of a symbol.
    pub fn trades(&self, venue: &str, symbol: &str) -> Subscribe {
        self.shortcut(venue, Channel::Trade, symbol, &[])
    }

    /// The rolling statistics of a symbol.
    pub fn ticker(&self, venue: &str, symbol: &str) -> Subscribe {
        self.shortcut(venue, Channel::Ticker, symbol, &[])
    }

    /// The verified book of a symbol: a snapshot, then its changes.
    pub fn book(&self, venue: &str, symbol: &str) -> Subscribe {
        self.shortcut(venue, Channel::Book, symbol, &[])
    }

    /// The top `levels` of a symbol's book.
    pub fn depth(&self, venue: &str, symbol: &str, levels: u16) -> Subscribe {
        self.shortcut(venue, Channel::Depth, symbol, &[("levels", &levels.to_string())])
    }

    /// The candles of a symbol, by the venue's word for their length (`1m`).
    pub fn candles(&self, venue: &str, symbol: &str, interval: &str) -> Subscribe {
        self.shortcut(venue, Channel::Candle, symbol, &[("interval", interval)])
    }

    fn shortcut(&self, venue: &str, channel: Channel, symbol: &str, params: &[(&str, &str)]) -> Subscribe {
        let wishes = Topic::new(venue, channel, symbol, params).map(|topic| vec![Wish::Topic(topic)]);
        Subscribe { hub: self.clone(), wishes, choices: self.choices("subscription") }
    }
}
