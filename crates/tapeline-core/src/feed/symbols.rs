//! The state of many symbols in one topic: each has its own time, since the venue tells of them one by one or in lists
//! of those that changed, and two lines do not share a pace.

use std::collections::BTreeMap;

use crate::data::sequence::Verdict;
use crate::data::update::{Data, Keyed};
use crate::time::Unix;

use super::topics::{Entry, State};

/// The newest of each symbol, with the venue's time of what told it.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<Box<str>, (Option<Unix>, Data)>);

impl Symbols {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes what a message tells.
    pub(super) fn take(&mut self, time: Option<Unix>, keyed: &Keyed) {
        for (key, data) in &keyed.0 {
            self.0.insert(key.clone(), (time, data.clone()));
        }
    }

    /// All of it, in the order of the symbols.
    pub(super) fn whole(&self) -> Keyed {
        Keyed(self.0.iter().map(|(key, (_, data))| (key.clone(), data.clone())).collect())
    }

    fn is_newer(&self, key: &str, time: Unix) -> bool {
        self.0.get(key).and_then(|(held, _)| *held).is_some_and(|held| held > time)
    }
}

impl Entry {
    /// Of several lines the slower one tells what is old of some symbols: that is left out, and what tells nothing else
    /// is a copy.
    #[inline]
    pub(super) fn sift(&self, verdict: Verdict, time: Option<Unix>, data: &mut Option<Data>) -> Verdict {
        match (data, &self.state, time) {
            (Some(Data::Keyed(keyed)), State::Keyed(held), Some(time)) if self.carriers.several() => {
                keyed.0.retain(|(key, _)| !held.is_newer(key, time));
                if keyed.0.is_empty() { Verdict::Duplicate } else { verdict }
            }
            _ => verdict,
        }
    }
}
