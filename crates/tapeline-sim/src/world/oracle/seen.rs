//! An update as the judges see it, and made-up ones for their tests.

use tapeline_core::data::update::{Data, Epoch, Kind, Source, Update};

/// What of an update matters to a judge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) offset: u64,
    pub(crate) kind: Kind,
    pub(crate) merged: u32,
    pub(crate) source: Source,
    pub(crate) late: bool,
    pub(crate) data: &'a Data,
}

impl<'a> From<&'a Update> for Seen<'a> {
    fn from(update: &'a Update) -> Self {
        let Update { epoch, offset, kind, merged, source, late, data, .. } = update;
        let (epoch, offset, kind, merged) = (*epoch, *offset, *kind, *merged);
        Self { epoch, offset, kind, merged, source: *source, late: *late, data }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use tapeline_core::data::event::{Side, Trade};
    use tapeline_core::data::update::{Gap, GapKind};

    /// A made-up update.
    #[derive(Debug, Clone)]
    pub(crate) struct Sample {
        pub(crate) epoch: u128,
        pub(crate) offset: u64,
        pub(crate) kind: Kind,
        pub(crate) merged: u32,
        pub(crate) source: Source,
        pub(crate) late: bool,
        pub(crate) data: Data,
    }

    impl Sample {
        pub(crate) fn seen(&self) -> Seen<'_> {
            let Self { epoch, offset, kind, merged, source, late, data } = self;
            let (epoch, offset, kind, merged) = (Epoch::new(*epoch), *offset, *kind, *merged);
            Seen { epoch, offset, kind, merged, source: *source, late: *late, data }
        }
    }

    pub(crate) fn sample(epoch: u128, offset: u64, kind: Kind, data: Data) -> Sample {
        Sample { epoch, offset, kind, merged: 0, source: Source::Live, late: false, data }
    }

    pub(crate) fn trade(id: u64) -> Sample {
        let trade = Trade { id, price: 1.into(), size: 2.into(), side: Side::Buy };
        sample(1, id, Kind::Event, Data::Trade(trade))
    }

    pub(crate) fn late(id: u64) -> Sample {
        Sample { late: true, ..repaired(id) }
    }

    pub(crate) fn repaired(id: u64) -> Sample {
        Sample { source: Source::Repair, ..trade(id) }
    }

    fn lost(kind: GapKind, from: u64, to: u64) -> Data {
        Data::Gap(Box::new(Gap { kind, from, to, reason: "made up".into() }))
    }

    /// Ids that never came from the venue.
    pub(crate) fn missing(from: u64, to: u64) -> Sample {
        sample(1, to, Kind::Gap, lost(GapKind::Venue, from, to))
    }

    /// Offsets that never reached the reader.
    pub(crate) fn gap(epoch: u128, from: u64, to: u64) -> Sample {
        sample(epoch, to, Kind::Gap, lost(GapKind::Delivery, from, to))
    }

    pub(crate) fn event(epoch: u128, offset: u64, merged: u32) -> Sample {
        Sample { merged, ..sample(epoch, offset, Kind::Event, Data::Empty {}) }
    }

    pub(crate) fn snapshot(epoch: u128, offset: u64) -> Sample {
        sample(epoch, offset, Kind::Snapshot, Data::Empty {})
    }

    pub(crate) fn tick(epoch: u128, offset: u64) -> Sample {
        sample(epoch, offset, Kind::Tick, Data::Empty {})
    }
}
