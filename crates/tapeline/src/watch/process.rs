//! How well the process itself does: the worst of what it uses up, how late it is, and whether its own parts run.

use serde::Serialize;
use tapeline_core::data::update::Level;
use tapeline_core::policy::alert::Rule;
use tapeline_core::policy::health::{LevelFilter, Rules};
use tapeline_core::time::{Dated, Mono, Time, Unix};

use super::machine::Strain;

/// How well the process itself does, whatever its venues do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProcessStatus {
    /// How well: it worsens at once and improves step by step.
    pub level: Level,
    /// Since when.
    pub since: Unix,
    /// What is nearly used up or does not work, the worst first; for people.
    pub reasons: Vec<String>,
}

/// What is shown of it.
#[derive(Debug)]
pub(super) struct Shown(LevelFilter, Dated);

impl Default for Shown {
    fn default() -> Self {
        Self(LevelFilter::new(Level::Healthy, Mono::default()), Dated::default())
    }
}

impl Shown {
    /// Takes in what is strained now.
    pub(super) fn look(&mut self, now: Time, strains: &[Strain]) -> ProcessStatus {
        let mut counted: Vec<_> =
            strains.iter().filter_map(|strain| Some((counts(strain)?, strain))).collect();
        counted.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let raw = counted.first().map_or(Level::Healthy, |(level, _)| *level);
        self.0.update(now.mono, raw, &Rules::default());
        self.1.note(now, self.0.since());
        let words = |strain: &Strain| format!("{}: {}", strain.rule.name(), strain.evidence);
        ProcessStatus {
            level: self.0.level(),
            since: self.1.told(),
            reasons: counted.into_iter().map(|(_, strain)| words(strain)).collect(),
        }
    }
}

/// How bad a strain is for the whole; `None` = that is the affair of its alert alone.
fn counts(strain: &Strain) -> Option<Level> {
    match strain.rule {
        Rule::Memory | Rule::Descriptors | Rule::Latency | Rule::CoreDown => Some(strain.level),
        // A disk that is full keeps nobody from being served: nobody should be sent elsewhere for it.
        Rule::Disk => Some(strain.level.min(Level::Degraded)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn strain(rule: Rule, level: Level) -> Strain {
        Strain { rule, part: "", level, evidence: "figures".to_owned() }
    }

    #[track_caller]
    fn check(strains: &[(Rule, Level)], level: Level, reasons: &[&str]) {
        let strains: Vec<_> = strains.iter().map(|(rule, level)| strain(*rule, *level)).collect();
        let said = Shown::default().look(Time::default(), &strains);
        assert_eq!((said.level, said.reasons), (level, reasons.iter().map(|&why| why.to_owned()).collect()));
    }

    #[test]
    fn the_worst_resource_counts_and_a_full_disk_is_borne() {
        check(&[], Level::Healthy, &[]);
        check(&[(Rule::Descriptors, Level::Warning)], Level::Warning, &["descriptors: figures"]);
        let both = [(Rule::Descriptors, Level::Warning), (Rule::Memory, Level::Critical)];
        check(&both, Level::Critical, &["memory: figures", "descriptors: figures"]);
        check(&[(Rule::Latency, Level::Unhealthy)], Level::Unhealthy, &["latency: figures"]);
        check(&[(Rule::Disk, Level::Critical)], Level::Degraded, &["disk: figures"]);
        check(&[(Rule::Disk, Level::Warning)], Level::Warning, &["disk: figures"]);
        check(&[(Rule::Restarts, Level::Unhealthy)], Level::Healthy, &[]);
    }

    #[test]
    fn it_worsens_at_once_and_improves_step_by_step() {
        let mut shown = Shown::default();
        let start = Time::default().later(Duration::from_secs(100));
        let mut at = |seconds, strains: &[Strain]| {
            let said = shown.look(start.later(Duration::from_secs(seconds)), strains);
            (said.level, (said.since.0 - start.unix.0) / 1_000_000_000, said.reasons.len())
        };
        let short = [strain(Rule::Memory, Level::Critical)];
        assert_eq!(at(0, &short), (Level::Critical, 0, 1));
        assert_eq!(at(5, &[]), (Level::Critical, 0, 0));
        assert_eq!(at(36, &[]), (Level::Unhealthy, 35, 0));
        assert_eq!(at(300, &[]), (Level::Healthy, 105, 0));
    }

    #[test]
    fn since_when_does_not_move_with_the_readings_of_the_clocks() {
        let (mut shown, mut now) = (Shown::default(), Time::default().later(Duration::from_secs(100)));
        let short = [strain(Rule::Memory, Level::Critical)];
        let said = shown.look(now, &short).since;
        // The two clocks are read one after the other.
        now.unix.0 += 400;
        assert_eq!(shown.look(now, &short).since, said);
    }
}
