//! The trust horizon of one side: how far from the touch the venue's levels are known.

use super::super::decimal::Decimal;
use super::super::event::Level;
use super::ladder::Ladder;

/// Where the touch stands against the trusted range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Well inside.
    Inside,
    /// Inside, but close to the edge.
    Near,
    /// Outside: better levels may exist that were never told.
    Beyond,
}

/// How far a side can be trusted. Levels beyond the edge are those that deltas told of; others may
/// exist there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// The worst price covered; `None` = the whole side.
    edge: Option<Edge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    worst: Decimal,
    /// A touch worse than this is near the edge.
    near: Decimal,
}

impl Horizon {
    pub(super) const WHOLE: Self = Self { edge: None };

    /// What a snapshot of one side covers. A snapshot that holds all the levels it may hold says
    /// nothing about what lies beyond its worst one; a shorter one is the whole side.
    pub(super) fn of(side: &Ladder, snapshot: &[Level], most: usize, near_percent: u8) -> Self {
        if snapshot.len() < most {
            return Self::WHOLE;
        }
        let worst = snapshot
            .iter()
            .map(|level| level.price)
            .reduce(|worst, price| if side.is_better(worst, price) { price } else { worst });
        let best = snapshot
            .iter()
            .map(|level| level.price)
            .reduce(|best, price| if side.is_better(price, best) { price } else { best });
        let edge =
            worst.zip(best).map(|(worst, best)| Edge { worst, near: between(worst, best, near_percent) });
        Self { edge }
    }

    /// The worst price covered; `None` = the whole side.
    pub(super) fn worst(&self) -> Option<Decimal> {
        self.edge.map(|edge| edge.worst)
    }

    /// Whether the snapshot's word reaches `price`.
    pub(super) fn covers(&self, side: &Ladder, price: Decimal) -> bool {
        self.edge.is_none_or(|edge| !side.is_better(edge.worst, price))
    }

    /// The farther of two horizons of one unbroken stretch: deltas have kept the old range right.
    pub(super) fn or_farther(self, new: Self, side: &Ladder, near_percent: u8) -> Self {
        let (Some(old), Some(fresh)) = (self.edge, new.edge) else { return Self::WHOLE };
        if !side.is_better(fresh.worst, old.worst) {
            return new;
        }
        let near = side.best().map_or(old.worst, |best| between(old.worst, best.price, near_percent));
        Self { edge: Some(Edge { worst: old.worst, near }) }
    }

    /// Where the side's best level stands.
    pub(super) fn reach(&self, side: &Ladder) -> Reach {
        let Some(edge) = self.edge else { return Reach::Inside };
        match side.best_is_worse_than(edge.near) {
            Some(false) => Reach::Inside,
            Some(true) if side.best_is_worse_than(edge.worst) == Some(false) => Reach::Near,
            _ => Reach::Beyond,
        }
    }
}

/// The price `percent` of the way from `worst` to `best`; `worst` itself where the numbers are too large
/// to tell, which only means that the warning comes late.
fn between(worst: Decimal, best: Decimal, percent: u8) -> Decimal {
    let scale = worst.scale().max(best.scale());
    let at =
        |price: Decimal| 10i128.checked_pow(u32::from(scale - price.scale()))?.checked_mul(price.mantissa());
    let point = || {
        let (worst, best) = (at(worst)?, at(best)?);
        let part = best.checked_sub(worst)?.checked_mul(i128::from(percent))? / 100;
        Decimal::new(worst.checked_add(part)?, scale).ok()
    };
    point().unwrap_or(worst)
}
