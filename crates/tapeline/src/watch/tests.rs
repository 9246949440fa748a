//! What is told, and when; what is kept of it.

use tapeline_core::feed::Finding;
use tapeline_core::policy::alert::{NOT_FED, TABLE};

use super::*;

fn at(seconds: u64) -> Time {
    Time::default().later(Duration::from_secs(100_000 + seconds))
}

fn look(found: &[(Rule, &str, Level)]) -> Look {
    let one = |(rule, part, level): &(Rule, &str, Level)| Finding {
        rule: *rule,
        part: (*part).into(),
        level: *level,
        evidence: "figures".into(),
    };
    let level = found.iter().map(|(.., level)| *level).max().unwrap_or_default();
    let all = found.iter().map(one).collect();
    let findings = Findings { level, all, wanted: true, ..Findings::default() };
    Look { venue: "one".into(), findings: Some(findings), ..Look::default() }
}

/// Looks every second; what was told, as (second, why, rule of the worst).
fn run(
    watch: &Watch,
    seconds: std::ops::Range<u64>,
    look: impl Fn(u64) -> Look,
) -> Vec<(u64, Why, &'static str)> {
    let mut told = Vec::new();
    for second in seconds {
        for notification in watch.look(at(second), &[look(second)]) {
            let rule = notification.alerts.first().map_or("", |alert| alert.rule.name());
            told.push((second, notification.why, rule));
        }
    }
    told
}

#[test]
fn what_lasts_is_told_once_and_its_end_too() {
    let watch = Watch::default();
    let told = run(&watch, 0..200, |second| match second {
        10..70 => look(&[(Rule::VenueDown, "", Level::Critical), (Rule::LineLost, "line 1", Level::Warning)]),
        _ => look(&[]),
    });
    assert_eq!(told, [(10, Why::Firing, "venue_down"), (100, Why::Resolved, "")]);
    assert_eq!(watch.desk().told.len(), 2);
    assert_eq!(watch.desk().alerts.past().count(), 2);
}

#[test]
fn one_cause_over_a_thousand_topics_is_told_in_at_most_three_messages() {
    let watch = Watch::default();
    let topics: Vec<String> = (0..1_000).map(|n| format!("one:trade:{n}")).collect();
    let told = run(&watch, 0..600, |second| match second {
        60..300 => {
            let mut found: Vec<_> =
                topics.iter().map(|topic| (Rule::Stale, topic.as_str(), Level::Unhealthy)).collect();
            if second >= 75 {
                found.push((Rule::VenueDown, "", Level::Critical));
            }
            look(&found)
        }
        _ => look(&[]),
    });
    assert!((2..=3).contains(&told.len()), "{told:?}");
}

#[test]
fn what_is_counted_tells_something_when_it_rises() {
    let watch = Watch::default();
    let with = |crossed: u64, restarts: u64| {
        let mut look = look(&[]);
        look.restarts = restarts;
        if let Some(findings) = &mut look.findings {
            findings.counts.crossed = crossed;
        }
        look
    };
    assert_eq!(run(&watch, 0..100, |_| with(1, 1)), []);
    let told = run(&watch, 100..200, |_| with(2, 1));
    assert_eq!(
        told.iter().map(|(_, why, rule)| (*why, *rule)).collect::<Vec<_>>(),
        [(Why::Firing, "book_broken")]
    );
    let halted = |_| Look { venue: "one".into(), restarts: 6, halted: true, ..Look::default() };
    assert_eq!(run(&watch, 200..203, halted), [(200, Why::Firing, "core_down")]);
}

#[test]
fn what_two_lines_told_of_one_event_is_the_evidence() {
    let watch = Watch::default();
    let (content, topic) = ("x".repeat(200), "one:agg_trade:1000000MOGUSDT");
    let told = format!("{topic} 18446744073709551615: first {content}, then from line 1 {content}.");
    let disagreed = |second| {
        let mut look = look(&[]);
        if let Some(findings) = look.findings.as_mut().filter(|_| second > 0) {
            (findings.counts.mismatches, findings.mismatch) = (1, told.clone().into());
        }
        look
    };
    run(&watch, 0..30, disagreed);
    let list = watch.desk().alerts.list(at(30).mono);
    let evidence: Vec<&str> = list.iter().map(|alert| &*alert.evidence).collect();
    assert_eq!(evidence, [format!("1 in all, 1 lately; {told}")], "nothing is cut off");
}

#[test]
fn messages_that_make_the_adapter_panic_are_told() {
    let watch = Watch::default();
    let told = run(&watch, 0..30, |second| {
        let mut look = look(&[]);
        if let Some(findings) = &mut look.findings {
            findings.counts.panics = u64::from(second >= 10);
        }
        look
    });
    assert_eq!(told, [(15, Why::Firing, "quarantined")]);
}

#[test]
fn each_count_that_rises_tells_its_own_rule() {
    type Count = fn(&mut Tally) -> &mut u64;
    let cases: [(Rule, Count, u64); 5] = [
        (Rule::LineMismatch, |counts| &mut counts.mismatches, 1),
        (Rule::BookBroken, |counts| &mut counts.crossed, 2),
        (Rule::RotationFailed, |counts| &mut counts.failed_rotations, 1),
        (Rule::Starved, |counts| &mut counts.pauses, 3),
        (Rule::Quarantined, |counts| &mut counts.panics, 1),
    ];
    for (rule, count, least) in cases {
        let risen = |to: u64| {
            let watch = Watch::default();
            run(&watch, 0..120, |second| {
                let mut look = look(&[]);
                if let (Some(findings), 10..) = (&mut look.findings, second) {
                    *count(&mut findings.counts) = to;
                }
                look
            });
            let alerts = watch.desk().alerts.list(at(120).mono);
            alerts.iter().map(|alert| (alert.rule, alert.part.is_empty())).collect::<Vec<_>>()
        };
        assert_eq!(risen(least), [(rule, true)]);
        assert_eq!(risen(least - 1), [], "{rule:?} is not told too early");
    }
}

#[test]
fn what_is_used_up_of_the_machine_is_told_of_the_process_and_its_end_too() {
    let watch = Watch::default();
    let strain = |rule, part, level| Strain { rule, part, level, evidence: "figures".to_owned() };
    watch.strained(vec![
        strain(Rule::Memory, "", Level::Unhealthy),
        strain(Rule::Descriptors, "", Level::Degraded),
        strain(Rule::Latency, "", Level::Warning),
        disk("event log", "no space left on device"),
    ]);
    let told = run(&watch, 0..60, |_| look(&[]));
    assert_eq!(told.len(), 1, "{told:?}");
    let fires = |rule: Rule| watch.desk().alerts.list(at(60).mono).iter().any(|alert| alert.rule == rule);
    assert!([Rule::Memory, Rule::Descriptors, Rule::Latency, Rule::Disk].into_iter().all(fires));
    watch.strained(Vec::new());
    let told = run(&watch, 60..120, |_| look(&[]));
    assert_eq!(told.last().map(|(_, why, _)| *why), Some(Why::Resolved));
}

/// A rule that nobody raises would be a promise that is not kept.
#[test]
#[allow(clippy::disallowed_methods, reason = "sources are files")]
fn every_rule_that_is_told_of_as_working_is_raised_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "src/watch.rs",
        "src/watch/machine.rs",
        "../tapeline-core/src/feed/findings.rs",
        "../tapeline-core/src/policy/alert.rs",
    ];
    let text: String = files.iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap()).collect();
    for entry in TABLE {
        let raised = text.contains(&format!("Rule::{:?}", entry.rule));
        assert_eq!(raised, !NOT_FED.contains(&entry.rule), "{}", entry.name);
    }
}

#[test]
fn of_a_feed_that_does_not_answer_nothing_is_over_and_that_itself_is_told() {
    let watch = Watch::default();
    let ill = |restarts: u64| {
        let mut look =
            look(&[(Rule::Fallback, "", Level::Unhealthy), (Rule::LineLost, "line 1", Level::Warning)]);
        look.restarts = restarts;
        if let Some(findings) = &mut look.findings {
            findings.counts.crossed = 7;
        }
        look
    };
    let told = run(&watch, 0..196, |_| ill(3));
    assert!(!told.is_empty(), "{told:?}");
    // One that takes its time is as it was, and nothing is told of that.
    let kept = |_| Look { venue: "one".into(), kept: Some(Level::Unhealthy), ..Look::default() };
    assert_eq!(run(&watch, 196..200, kept), []);
    let mute = |_| Look { venue: "one".into(), mute: true, ..Look::default() };
    assert_eq!(run(&watch, 200..400, mute), [(200, Why::Firing, "core_down")], "nothing is over");
    let firing: BTreeSet<Rule> =
        watch.desk().alerts.list(at(400).mono).iter().map(|alert| alert.rule).collect();
    for rule in [Rule::Fallback, Rule::LineLost, Rule::CoreDown] {
        assert!(firing.contains(&rule), "{rule:?} of {firing:?}");
    }
    // It answers again, and has counted nothing meanwhile.
    let told = run(&watch, 400..600, |_| ill(3));
    assert_eq!(told, [], "no restart, no broken book that was not there before");
    let told = run(&watch, 600..700, |_| look(&[]));
    assert_eq!(told.iter().filter(|(_, why, _)| *why == Why::Resolved).count(), 1, "{told:?}");
}

#[test]
fn a_machine_without_a_network_explains_all_venues() {
    let watch = Watch::default();
    let told = run(&watch, 0..60, |_| {
        let mut look = look(&[(Rule::VenueDown, "", Level::Critical)]);
        if let Some(findings) = &mut look.findings {
            findings.local = true;
        }
        look
    });
    assert_eq!(told, [(0, Why::Firing, "local_network")]);
    // Nor is that over when nobody answers any more.
    assert_eq!(run(&watch, 60..200, |_| Look { venue: "one".into(), mute: true, ..Look::default() }), []);
}

#[test]
fn a_want_of_descriptors_says_nothing_of_the_network() {
    let watch = Watch::default();
    let told = run(&watch, 0..60, |_| {
        let mut look = look(&[]);
        if let Some(findings) = &mut look.findings {
            (findings.local, findings.spent) = (true, true);
        }
        look
    });
    assert_eq!(told, [(0, Why::Firing, "descriptors")]);
}

#[test]
fn a_venue_weighs_in_the_history_as_much_as_is_read_of_it() {
    let of = |venue: &str, level, topics: &[(usize, Level)]| Look {
        venue: venue.into(),
        findings: Some(Findings { level, wanted: true, ..Findings::default() }),
        topics: topics.to_vec(),
        ..Look::default()
    };
    let well = of("one", Level::Healthy, &[(60, Level::Healthy), (39, Level::Healthy)]);
    let level = |other: Look| {
        let watch = Watch::default();
        watch.look(
            at(0),
            &[Look { findings: well.findings.clone(), ..of("one", Level::Healthy, &well.topics) }, other],
        );
        let history = watch.desk().past.read();
        history.minutes[0].system
    };
    assert_eq!(level(of("two", Level::Critical, &[(1, Level::Critical)])), Level::Warning);
    assert_eq!(level(of("two", Level::Critical, &[(99, Level::Critical)])), Level::Critical);
    assert_eq!(level(of("two", Level::Critical, &[(11, Level::Unhealthy)])), Level::Degraded);
    assert_eq!(level(of("two", Level::Warning, &[])), Level::Warning, "what no topic shows");
    let halted = Look { venue: "two".into(), halted: true, ..Look::default() };
    assert_eq!(level(halted), Level::Critical, "a feed is down");
    // One that has not answered yet weighs what it weighed before.
    let late = Look {
        kept: Some(Level::Critical),
        findings: None,
        ..of("two", Level::Critical, &[(99, Level::Critical)])
    };
    assert_eq!(level(late), Level::Critical);
}

#[test]
fn a_day_is_kept_and_what_comes_at_a_steady_pace_is_named() {
    let watch = Watch::default();
    for second in (0..90_000).step_by(10) {
        let ill = second % 3_600 < 20;
        let rules: &[_] = if ill { &[(Rule::Unstable, "line 0", Level::Degraded)] } else { &[] };
        watch.look(at(second), &[look(rules)]);
    }
    let history = watch.desk().past.read();
    assert_eq!(history.minutes.len(), 1_440);
    let ill = history.minutes.iter().filter(|minute| minute.venues["one"] == Level::Degraded).count();
    assert_eq!(ill, 23, "once an hour, and the first two hours are forgotten");
    let [trend] = &history.trends[..] else { panic!("{:?}", history.trends) };
    assert_eq!((&*trend.venue, trend.direction), ("one", Direction::Steady));
    let [pattern] = &history.patterns[..] else { panic!("{:?}", history.patterns) };
    assert_eq!((pattern.rule, pattern.every_s, pattern.times), (Rule::Unstable, 3_600, 12));
    watch.look(at(91_800), &[look(&[(Rule::Unstable, "line 0", Level::Degraded)])]);
    assert_eq!(watch.desk().past.read().patterns, [], "one that does not fit");
}
