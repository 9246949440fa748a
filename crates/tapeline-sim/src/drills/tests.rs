//! The drills held against what they must show, and the faults against what shows them.
#![allow(clippy::disallowed_methods, reason = "pages and sources are files")]

use super::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::drills::must::Must;

/// A few of the most telling ones; `tapeline drill run --all` takes all of them, in seconds if it is optimised.
const QUICK: [&str; 4] = ["reset", "stall-ab", "missing-trades", "all-endpoints-down"];

#[test]
fn the_most_telling_drills_pass_with_three_seeds() {
    for (name, seed) in QUICK.iter().flat_map(|name| [1, 2, 3].map(|seed| (name, seed))) {
        let report = run(name, seed).unwrap();
        assert!(report.passed, "{name} with seed {seed}: {}", report.failures.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let first = run("reset", 7).unwrap();
    assert_eq!(first, run("reset", 7).unwrap());
    assert_ne!(first.hash, run("reset", 8).unwrap().hash);
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_one() {
    let told = run("swizle", 1).unwrap_err().to_string();
    assert_eq!(told, "\"swizle\" is no drill; did you mean \"swizzle\"?");
    assert_eq!(run("nope", 1).unwrap_err().to_string(), "\"nope\" is no drill", "nothing is near to it");
}

#[test]
fn what_a_drill_orders_can_be_ordered_and_comes_in_its_order() {
    let mut names = BTreeSet::new();
    for entry in DRILLS {
        assert!(names.insert(entry.name), "{} stands twice", entry.name);
        let times: Vec<u64> = entry.acts.iter().map(|(at, _)| *at).collect();
        assert!(times.is_sorted() && times.iter().all(|at| at + 20 < entry.seconds), "{}", entry.name);
        for (_, act) in entry.acts {
            assert!(kind_of(*act).is_some(), "{}: {act:?} is nothing that can be ordered", entry.name);
        }
    }
}

#[test]
fn every_fault_has_a_drill_or_a_test_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut ids = BTreeSet::new();
    for fault in faults() {
        assert!(ids.insert(fault.id), "{} stands twice", fault.id);
        assert!(fault.drills().next().is_some() || !fault.tests.is_empty(), "nothing shows {}", fault.id);
        for test in fault.tests {
            let (file, name) = test.split_once("::").expect("file::function");
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{}: there is no {test}", fault.id);
        }
    }
    let expected = (1..=53).map(|n| format!("FU{n}"));
    let expected = expected.chain((1..=13).map(|n| format!("FP{n}")));
    // FO12 is about a server of its own.
    let expected = expected.chain((1..=15).filter(|n| *n != 12).map(|n| format!("FO{n}")));
    for id in expected {
        assert!(ids.remove(&*id), "{id} is not there");
    }
    assert!(ids.is_empty(), "{ids:?} are no faults");
    for entry in DRILLS {
        let known = |id: &&str| faults().iter().any(|fault| fault.id == *id);
        assert!(!entry.faults.is_empty() && entry.faults.iter().all(known), "{}", entry.name);
    }
}

#[test]
fn the_page_lists_every_drill_and_every_fault() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/drills.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page.contains("FO12,"), "what is left out is named");
    assert!(page.contains(&markdown()), "docs/drills.md should hold this:\n{}", markdown());
}

fn entry(name: &str) -> &'static Entry {
    find(name).unwrap()
}

#[test]
fn what_does_not_hold_is_said() {
    let entry = Entry { acts: &[], must: &[Must::BeFelt, Must::Reach("poll")], ..*entry("reset") };
    let judge = |seen: Seen| entry.judge(&seen).join("; ");
    let said = judge(Seen { lost: 3, duplicated: 2, elsewhere: 1, ..Seen::default() });
    for words in ["3 events lost", "2 events delivered twice", "1 outages of the feed beside", "poll is not"]
    {
        assert!(said.contains(words), "{said}");
    }
    assert!(said.contains("outages: 0, not 1 to more"), "{said}");
    let said = judge(Seen { unserved: vec!["a".to_owned()], ..Seen::default() });
    assert!(said.contains("not served in the end: a"), "{said}");
}

#[test]
fn who_is_set_aside_is_so_alone_and_for_its_time() {
    let entry = Entry { acts: &[], must: &[Must::SetAside("a", &[60, 120])], ..*entry("reset") };
    let judge = |interrupted: &[(&str, &[Option<f64>])]| {
        let interrupted =
            interrupted.iter().map(|(name, seconds)| ((*name).to_owned(), seconds.to_vec())).collect();
        entry.judge(&Seen { interrupted, ..Seen::default() }).join("; ")
    };
    assert_eq!(judge(&[("a", &[Some(60.2), Some(124.9)])]), "");
    for seconds in [&[][..], &[Some(60.2)], &[Some(59.9), Some(120.1)], &[Some(60.1), Some(126.0)]] {
        assert!(judge(&[("a", seconds)]).starts_with("a is set aside for "), "{seconds:?}");
    }
    let endless = judge(&[("a", &[Some(60.2), None])]);
    assert!(endless.contains("[\"60.200 s\", \"ever\"]"), "{endless}");
    let said = judge(&[("a", &[Some(60.2), Some(120.3)]), ("b", &[Some(1.0)])]);
    assert_eq!(said, "interrupted, besides a: b");
}

#[test]
fn one_line_is_late_and_the_other_is_not() {
    let entry = Entry { acts: &[], must: &[Must::Lag(0.5)], ..*entry("reset") };
    let judge =
        |lags: &[Option<f64>]| entry.judge(&Seen { lags: lags.to_vec(), ..Seen::default() }).join("; ");
    assert_eq!(judge(&[None, Some(0.49)]), "");
    assert_eq!(judge(&[Some(0.55), Some(0.001)]), "");
    for lags in [[None, None], [None, Some(0.2)], [Some(0.5), Some(0.5)], [None, Some(0.9)]] {
        assert!(judge(&lags).starts_with("lines are behind by "), "{lags:?}");
    }
}

#[test]
fn what_falls_mute_is_asked_for_again_and_nothing_else() {
    let judge = |must: &'static [Must], again: &[(&str, u64)]| {
        let again = Some(again.iter().map(|(stream, times)| ((*stream).to_owned(), *times)).collect());
        let entry = Entry { acts: &[], must, ..*entry("reset") };
        entry.judge(&Seen { again, dials: 2, ..Seen::default() }).join("; ")
    };
    let (one, all): (&[Must], &[Must]) = (&[Must::Anew("a")], &[Must::AllAnew]);
    assert_eq!((judge(one, &[("a", 3), ("b", 0)]), judge(all, &[("a", 1), ("b", 2)])), <_>::default());
    for wrong in [&[][..], &[("a", 0), ("b", 0)], &[("a", 1), ("b", 1)]] {
        assert!(judge(one, wrong).starts_with("asked for again "), "{wrong:?}");
    }
    for wrong in [&[][..], &[("a", 1), ("b", 0)], &[("a", 3), ("b", 1)]] {
        assert!(judge(all, wrong).starts_with("asked for again "), "{wrong:?}");
    }
}

#[test]
fn a_fault_that_does_nothing_is_no_drill() {
    let idle = [(0, Act::Venue("for 10s drop stream=nobody@trade"))];
    let scene = Scene { acts: &idle, ..entry("duplicates").scene(1) };
    let entry = Entry { acts: &[(0, Act::Venue("drop"))], must: &[], ..*entry("duplicates") };
    assert_eq!(entry.judge(&play(&scene)), ["drop did nothing"]);
}

#[test]
fn the_control_without_repair_shows_what_the_others_are_spared() {
    let scene = Scene { setup: entry("reset-unrepaired").setup, ..entry("reset").scene(1) };
    let said = entry("reset").judge(&play(&scene)).join("; ");
    assert!(said.contains("declared missing"), "{said}");
}

#[test]
fn all_reports_together_tell_the_worst() {
    let items = vec![run("reset", 1).unwrap(), run("late-line", 1).unwrap()];
    let (slowest, outages) = (items[0].ttr_max_s, items[0].outages);
    let Summary { summary, items } = sum_up(1, items);
    assert_eq!((summary.drills, summary.passed, summary.failed), (2, 2, 0));
    assert_eq!((summary.ttr_max_s, summary.outages, summary.recovery), (slowest, outages, Some(1.0)));
    assert!(items[0].log.iter().any(|line| line.contains("\"kind\":\"service\"")), "{:?}", items[0].log);
}

#[cfg(feature = "defects")]
#[test]
fn a_planted_mistake_fails_a_drill() {
    let mistakes = [
        (Defect::DeliverDuplicate, "duplicates"),
        (Defect::SkipOneId, "missing-trades"),
        (Defect::IgnoreRetryAfter, "ban"),
        (Defect::ForgetResubscribe, "reset"),
        (Defect::ReleaseBeforeFill, "reset"),
        (Defect::RotateBothLines, "rotate"),
        (Defect::PollOn, "all-endpoints-down"),
        (Defect::ServeCacheAsLive, "everything-down"),
        (Defect::OutageFromNotice, "stall"),
        (Defect::OutageToReconnect, "fin"),
        (Defect::NeverRenewKeys, "keys-renewed"),
        (Defect::NeverRenewKeys, "keys-followed"),
        (Defect::CutToRenewKeys, "keys-renewed"),
        (Defect::CutToRenewKeys, "keys-followed-ab"),
        (Defect::LostUnentered, "reset-unrepaired"),
        (Defect::FetchedAsReceived, "missing-trades"),
        (Defect::EndlessQuarantine, "poison"),
        (Defect::TrustTheUnproven, "zombie-second"),
    ];
    for (defect, name) in mistakes {
        let scene = Scene { defect: Some(defect), ..entry(name).scene(1) };
        assert!(!entry(name).judge(&play(&scene)).is_empty(), "{name} does not notice {defect:?}");
    }
    for defect in Defect::IN_DRILLS {
        assert!(failed_by(defect, 1).is_some(), "no drill notices {defect:?}");
    }
}
