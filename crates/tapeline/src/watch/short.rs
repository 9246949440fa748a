//! How short memory is, as an alert: by its share, and critical while nobody new is taken on. And who should tell what
//! it holds and does not.

use tapeline_core::data::update::Level;
use tapeline_core::policy::alert::Rule;
use tapeline_core::policy::pressure::Step;

use super::machine::{Strain, at_share};
use crate::memory::MemoryStatus;

/// What is to be told of it, if anything.
pub(super) fn short(memory: &MemoryStatus) -> Option<Strain> {
    let refuses = (memory.step >= Step::Refuse).then_some(Level::Critical);
    let level = refuses.or_else(|| at_share(memory.percent))?;
    let MemoryStatus { step, percent, resident, buffers, buffers_most, .. } = memory;
    let mib = |bytes: u64| bytes >> 20;
    let resident = resident.zip(memory.resident_most);
    let resident = resident.map(|(used, most)| format!("{} of {} MiB resident, ", mib(used), mib(most)));
    let (held, most, resident) = (mib(*buffers), mib(*buffers_most), resident.unwrap_or_default());
    let evidence = format!("{percent} %: {resident}{held} of {most} MiB in logs and queues; {}", done(*step));
    Some(Strain { rule: Rule::Memory, part: "", level, evidence })
}

/// Parts of the program that tell all the time what they hold, and have been silent.
pub(super) fn hanging(silent: Option<(usize, &'static str)>) -> Option<Strain> {
    let (count, part) = silent?;
    let evidence = format!("{count} of the threads that serve {part} have not run for five seconds");
    Some(Strain { rule: Rule::CoreDown, part: "", level: Level::Critical, evidence })
}

const fn done(step: Step) -> &'static str {
    match step {
        Step::Calm => "nothing is done about it yet",
        Step::Shorten => "logs are shortened",
        Step::Refuse => "nobody new is taken on",
        Step::Cut => "those for whom most waits are cut off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(step: Step, percent: u64, expected: Option<(Level, &str)>) {
        let memory = MemoryStatus { step, percent, buffers_most: 64 << 20, ..MemoryStatus::default() };
        let told = short(&memory);
        assert_eq!(told.as_ref().map(|strain| strain.level), expected.map(|(level, _)| level));
        if let (Some(Strain { evidence, .. }), Some((_, word))) = (told, expected) {
            assert!(evidence.contains(word), "{evidence}");
        }
    }

    #[test]
    fn who_hangs_is_told_at_once() {
        let told = hanging(Some((2, "clients"))).map(|strain| (strain.rule, strain.level, strain.evidence));
        let evidence = "2 of the threads that serve clients have not run for five seconds".to_owned();
        assert_eq!(told, Some((Rule::CoreDown, Level::Critical, evidence)));
        assert_eq!(hanging(None), None);
    }

    #[test]
    fn the_share_is_told_and_who_takes_nobody_on_is_critical() {
        check(Step::Calm, 69, None);
        check(Step::Calm, 70, Some((Level::Warning, "nothing is done")));
        check(Step::Shorten, 86, Some((Level::Degraded, "shortened")));
        check(Step::Refuse, 90, Some((Level::Critical, "nobody new")));
        check(Step::Cut, 97, Some((Level::Critical, "cut off")));
        check(Step::Calm, 96, Some((Level::Unhealthy, "nothing is done")));
        check(Step::Refuse, 40, Some((Level::Critical, "nobody new")));
    }
}
