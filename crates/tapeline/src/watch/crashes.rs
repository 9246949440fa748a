//! Parts of the program that crash, for alerts.

use tapeline_core::data::update::Level;
use tapeline_core::policy::alert::Rule;
use tapeline_core::time::Mono;

use super::machine::Strain;
use crate::parts::Parts;

/// A part that crashed once is in the log; so many times lately are worth telling somebody.
const LEAST: usize = 2;

/// What is to be told of the parts beside the feeds.
pub(super) fn crashes(parts: &Parts, now: Mono) -> Vec<Strain> {
    let often = parts.crashed_lately(now).into_iter().filter(|crashed| crashed.lately >= LEAST);
    let words: Vec<String> = often
        .map(|crashed| {
            format!("{} crashed {} times lately, {} in all", crashed.part, crashed.lately, crashed.all)
        })
        .collect();
    let mut all = Vec::new();
    if !words.is_empty() {
        let (rule, level) = (Rule::Restarts, Level::Unhealthy);
        all.push(Strain { rule, part: "", level, evidence: words.join("; ") });
    }
    if let Some(why) = parts.failure() {
        let (rule, level) = (Rule::CoreDown, Level::Critical);
        all.push(Strain { rule, part: "", level, evidence: why.to_string() });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_crashes_again_is_told_for_ten_minutes_and_one_that_cannot_go_on_for_ever() {
        let clock = Clock::new();
        let parts = Parts::new(Arc::default(), clock, CancellationToken::new());
        let mut kept = parts.vital("the listener");
        let told = || -> Vec<(Rule, String)> {
            let strains = crashes(&parts, clock.now().mono);
            strains.into_iter().map(|strain| (strain.rule, strain.evidence)).collect()
        };
        kept.crashed(&"it broke");
        assert_eq!(told(), Vec::new(), "once is nothing");
        kept.crashed(&"it broke");
        let restarts = (Rule::Restarts, "the listener crashed 2 times lately, 2 in all".to_owned());
        assert_eq!(told(), [restarts]);
        kept.crashed(&"it broke");
        assert_eq!(told().len(), 2);
        tokio::time::advance(std::time::Duration::from_secs(600)).await;
        let rules: Vec<Rule> = told().into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(rules, [Rule::CoreDown]);
    }
}
