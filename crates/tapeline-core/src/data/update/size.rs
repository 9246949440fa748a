//! How much memory an update holds, for the bounds of logs and queues.

use std::mem::{size_of, size_of_val};

use super::{Data, Keyed, Update};
use crate::data::event::{Account, Change, Level, Logs, News, Transaction};

/// What a boxed event of the smaller kinds holds, rounded up: most are one allocation of this order.
const BOXED: usize = 256;

impl Update {
    /// About how many bytes it holds in memory: itself and what its content owns. The cached envelope
    /// is not counted, so that the figure never changes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + content(&self.data)
    }
}

fn content(data: &Data) -> usize {
    match data {
        Data::Trade(_)
        | Data::AggTrade(_)
        | Data::Quote(_)
        | Data::Slot(_)
        | Data::Root(_)
        | Data::Empty {} => 0,
        Data::Book(book) => book.levels.len() * size_of::<Level>(),
        Data::Keyed(keyed) => keyed_content(keyed),
        Data::Account(account) => size_of::<Account>() + account.data.len(),
        Data::Program(program) => BOXED + program.account.data.len(),
        Data::Logs(logs) => size_of::<Logs>() + texts(&logs.logs),
        Data::News(news) => news_content(news),
        Data::Transaction(transaction) => {
            size_of::<Transaction>() + transaction.changes.len() * (size_of::<Change>() + 128)
        }
        Data::TokenStats(stats) => BOXED + size_of_val(&*stats.windows),
        Data::IndexPrice(index) => BOXED + size_of_val(&*index.components),
        _ => BOXED,
    }
}

fn keyed_content(keyed: &Keyed) -> usize {
    let entry = size_of::<(Box<str>, Data)>();
    size_of::<Keyed>() + keyed.0.iter().map(|(key, data)| entry + key.len() + content(data)).sum::<usize>()
}

fn news_content(news: &News) -> usize {
    let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    size_of::<News>()
        + news.headline.len()
        + length(&news.summary)
        + length(&news.content)
        + texts(&news.symbols)
}

fn texts(list: &[Box<str>]) -> usize {
    list.iter().map(|text| size_of::<Box<str>>() + text.len()).sum()
}
