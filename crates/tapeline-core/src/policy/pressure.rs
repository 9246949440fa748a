//! How short memory is, and what follows: four steps, taken at once on the way up and one at a time on the way down.

use std::time::Duration;

use serde::Serialize;

use crate::time::Mono;

/// What is done about memory that runs short. Each step does what the ones before it do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing.
    #[default]
    Calm,
    /// Logs give half of what they hold, and do not grow again.
    Shorten,
    /// Conflated updates come at the longest interval there is, queues hold a quarter, and nothing new is taken on.
    /// Whoever is here goes before whoever comes, so this stands before anybody is cut off: who was cut comes back at
    /// once, and must not find a free place.
    Refuse,
    /// Those for whom most waits are cut off.
    Cut,
}

impl Step {
    /// All of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Shorten, Self::Refuse, Self::Cut];

    /// Its word in events and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Shorten => "shorten",
            Self::Refuse => "refuse",
            Self::Cut => "cut",
        }
    }

    /// From which share of the memory on it is taken, in percent.
    pub const fn at(self) -> u64 {
        match self {
            Self::Calm => 0,
            Self::Shorten => 75,
            Self::Refuse => 90,
            Self::Cut => 95,
        }
    }

    /// The step for a share, in percent.
    pub fn of(percent: u64) -> Self {
        Self::ALL.into_iter().rev().find(|step| percent >= step.at()).unwrap_or_default()
    }

    /// The step of this place in [`Step::ALL`]; the last one for all that lie behind it.
    pub fn nth(place: u8) -> Self {
        Self::ALL.get(usize::from(place)).copied().unwrap_or(Self::Cut)
    }

    /// Least time between conflated updates of one topic, where it is `usual` otherwise.
    pub fn interval(self, usual: Duration) -> Duration {
        if self >= Self::Refuse { usual.max(LONGEST) } else { usual }
    }

    fn milder(self) -> Self {
        Self::nth((self as u8).saturating_sub(1))
    }
}

/// The longest interval that a reader may ask for.
const LONGEST: Duration = Duration::from_secs(1);
/// A step is left when so many percent less are used than it takes to reach it …
const SLACK: u64 = 5;
/// … for so long: what was let go of comes back at once otherwise, and everything with it.
const HOLD: Duration = Duration::from_secs(5);

/// The step that is taken now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pressure {
    step: Step,
    /// Since when less is used than it takes to stay.
    eased: Option<Mono>,
}

impl Pressure {
    /// The step that is taken now.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// So many percent are used now. The step before, if that changes it.
    pub fn look(&mut self, now: Mono, percent: u64) -> Option<Step> {
        let (before, reached) = (self.step, Step::of(percent));
        if reached > before {
            (self.step, self.eased) = (reached, None);
            return Some(before);
        }
        if before == Step::Calm || percent + SLACK >= before.at() {
            self.eased = None;
            return None;
        }
        let eased = *self.eased.get_or_insert(now);
        if now.since(eased) < HOLD {
            return None;
        }
        // The next one is left no sooner than after another while.
        (self.step, self.eased) = (before.milder(), Some(now));
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step: seconds since the start, percent used, and what is done from then on.
    #[track_caller]
    fn check(steps: &[(u64, u64, Step)]) {
        let mut pressure = Pressure::default();
        for (second, percent, expected) in steps {
            let before = pressure.step();
            let told = pressure.look(Mono(second * 1_000_000_000), *percent);
            assert_eq!(pressure.step(), *expected, "{second} s, {percent} %");
            assert_eq!(told, (before != *expected).then_some(before), "{second} s, {percent} %");
        }
    }

    #[test]
    fn each_step_has_its_share_and_is_taken_at_once() {
        use Step::{Calm, Cut, Refuse, Shorten};
        check(&[(0, 74, Calm), (0, 75, Shorten), (0, 89, Shorten), (0, 90, Refuse), (0, 94, Refuse)]);
        check(&[(0, 0, Calm), (0, 95, Cut), (1, 1_000, Cut)]);
    }

    #[test]
    fn a_step_is_left_when_less_is_used_for_a_while_and_one_at_a_time() {
        use Step::{Calm, Cut, Refuse, Shorten};
        check(&[
            (0, 95, Cut),
            (1, 90, Cut),
            (9, 90, Cut),
            (10, 10, Cut),
            (14, 10, Cut),
            (15, 10, Refuse),
            (19, 10, Refuse),
            (20, 10, Shorten),
            (25, 10, Calm),
            (26, 10, Calm),
        ]);
    }

    #[test]
    fn what_comes_back_meanwhile_starts_the_wait_anew() {
        use Step::{Refuse, Shorten};
        check(&[(0, 90, Refuse), (1, 80, Refuse), (5, 85, Refuse), (6, 80, Refuse), (10, 80, Refuse)]);
        check(&[(0, 90, Refuse), (1, 80, Refuse), (6, 80, Shorten), (7, 91, Refuse), (20, 86, Refuse)]);
    }

    #[test]
    fn conflation_is_harder_from_the_second_step_on() {
        let ms = Duration::from_millis;
        for (step, expected) in [(Step::Shorten, 100), (Step::Refuse, 1_000), (Step::Cut, 1_000)] {
            assert_eq!(step.interval(ms(100)), ms(expected), "{step:?}");
            assert_eq!(step.interval(ms(5_000)), ms(5_000), "{step:?}: it is never shorter than usual");
        }
    }

    #[test]
    fn names_and_places_belong_together() {
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!((step as usize, Step::nth(place as u8)), (place, step));
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
        assert_eq!(Step::nth(9), Step::Cut);
    }
}
