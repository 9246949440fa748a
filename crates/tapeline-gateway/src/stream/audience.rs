//! Who reads what over the network, counted without asking for more of each client than its number.

use std::collections::BTreeMap;

use tapeline_core::data::topic::Topic;

use super::shard::State;

/// The name under which the shards read the hub: what they read is read by their clients, or by nobody.
pub(crate) const OWN: &str = "gateway";
/// So many clients of a topic are named; all are counted.
pub(crate) const NAMED: usize = 100;

/// The network clients that read anything.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    /// How many there are.
    pub(crate) clients: usize,
    /// How many read anything of a venue.
    pub(crate) venues: BTreeMap<String, usize>,
    /// Who reads a topic.
    pub(crate) topics: BTreeMap<Topic, Readers>,
}

/// The readers of one topic.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    pub(crate) count: usize,
    /// The numbers of the first of them.
    pub(crate) named: Vec<u64>,
}

impl Audience {
    /// Adds those of another shard.
    pub(super) fn add(&mut self, other: Self) {
        self.clients += other.clients;
        for (venue, count) in other.venues {
            *self.venues.entry(venue).or_default() += count;
        }
        for (topic, more) in other.topics {
            let readers = self.topics.entry(topic).or_default();
            readers.count += more.count;
            let room = NAMED.saturating_sub(readers.named.len());
            readers.named.extend(more.named.into_iter().take(room));
        }
    }

    /// How many read a topic.
    pub(crate) fn of(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |readers| readers.count)
    }
}

impl State {
    pub(super) fn audience(&self) -> Audience {
        let (mut clients, mut venues) = (0, BTreeMap::<&str, usize>::new());
        let mut shelves = BTreeMap::<usize, Readers>::new();
        for (_, client) in &self.clients {
            clients += usize::from(!client.subs.is_empty() || !client.patterns.is_empty());
            let mut seen: Vec<&str> = Vec::new();
            for (_, sub) in &client.subs {
                let Some(shelf) = self.shelves.get(sub.shelf) else { continue };
                let readers = shelves.entry(sub.shelf).or_default();
                readers.count += 1;
                if readers.named.len() < NAMED {
                    readers.named.push(client.id);
                }
                if !seen.contains(&shelf.topic.venue()) {
                    seen.push(shelf.topic.venue());
                }
            }
            for venue in seen {
                *venues.entry(venue).or_default() += 1;
            }
        }
        let topic = |(key, readers)| Some((self.shelves.get(key)?.topic.clone(), readers));
        Audience {
            clients,
            venues: venues.into_iter().map(|(venue, count)| (venue.to_owned(), count)).collect(),
            topics: shelves.into_iter().filter_map(topic).collect(),
        }
    }
}
