//! Which of several REST hosts is asked: the one that serves best, and none that has to prove itself for more than one
//! thing.

use std::time::Duration;

use super::SECOND;
use super::toy::{Bench, read};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, DialError, FetchId, Input, Memory, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::time::Mono;
use crate::venue::{Decoded, Refusal};

/// How a host answers: after how many milliseconds, and with which fault if it refuses.
type Manner = (u64, Option<Fault>);
const WELL: Manner = (100, None);
const SLOWLY: Manner = (2_500, None);
const BROKEN: Manner = (100, Some(Fault::Server));
const HANGING: Manner = (5_000, Some(Fault::Transient));

/// A feed without lines that polls four topics of two REST hosts, each of which answers in its manner.
struct Hosts {
    bench: Bench,
    manners: [Manner; 2],
    /// On their way: when they are answered, what with, and at which host they are.
    out: Vec<(Mono, FetchId, Option<Fault>, usize)>,
    /// So many were on their way to each host at once.
    most: [usize; 2],
    _who: Subscriber,
    outbox: Outbox,
}

impl Hosts {
    fn new(manners: [Manner; 2]) -> Self {
        Self::at(&["http://a", "http://b"], manners)
    }

    fn at(places: &[&str], manners: [Manner; 2]) -> Self {
        let rest = places.iter().map(ToString::to_string).collect();
        let mut bench = Bench::with(FeedConfig { rest, ..FeedConfig::default() }, Memory::default());
        let (who, outbox) = Bench::reader(1, Overflow::Gap);
        for symbol in ["R", "RA", "RB", "RC"] {
            bench.subscribe(&format!("toy:trade:{symbol}"), &who);
        }
        let mut hosts = Self { bench, manners, out: Vec::new(), most: [0; 2], _who: who, outbox };
        hosts.play(20);
        hosts
    }

    /// So many seconds; how many requests went to each host.
    fn play(&mut self, seconds: u64) -> [usize; 2] {
        let mut asked = [0; 2];
        self.most = [0; 2];
        for _ in 0..seconds * 10 {
            self.bench.pass(SECOND / 10);
            self.turn(&mut asked);
            read(&mut self.outbox);
        }
        asked
    }

    fn turn(&mut self, asked: &mut [usize; 2]) {
        loop {
            let now = self.bench.now.mono;
            while let Some(action) = self.bench.todo.pop_front() {
                match action {
                    Action::Fetch { id, request, .. } => {
                        let host = usize::from(request.url.starts_with("http://b"));
                        let (after, fault) = self.manners[host];
                        let (after, most) = (Duration::from_millis(after), request.timeout);
                        let fault = if after > most { Some(Fault::Transient) } else { fault };
                        self.out.push((now + after.min(most), id, fault, host));
                        asked[host] += 1;
                        let there = self.out.iter().filter(|out| out.3 == host).count();
                        self.most[host] = self.most[host].max(there);
                    }
                    Action::Dial { line, .. } => {
                        let (stage, fault) = (Stage::Tcp, Fault::Transient);
                        let why = DialError { stage, fault, detail: "blocked".into() };
                        self.bench.input(Input::Failed { line, why });
                    }
                    _ => {}
                }
            }
            let Some(at) = self.out.iter().position(|out| out.0 <= now) else { return };
            let (_, id, fault, _) = self.out.remove(at);
            let result = fault.map_or(Ok(Decoded::default()), |fault| Err(Refusal::new(fault, "no")));
            self.bench.input(Input::Fetched { id, result });
        }
    }

    fn scores(&mut self) -> [f64; 2] {
        let endpoints = self.bench.feed.status(self.bench.now).endpoints;
        let rest: Vec<f64> = endpoints
            .iter()
            .filter(|place| place.protocol == "rest")
            .filter_map(|place| place.score)
            .collect();
        [rest[0], rest[1]]
    }
}

#[test]
fn a_host_that_fails_is_left_at_once_and_taken_back_when_it_has_proven_itself() {
    let mut hosts = Hosts::new([WELL, WELL]);
    assert_eq!(hosts.play(600)[1], 0, "nothing is wrong with the first");
    hosts.manners[0] = BROKEN;
    let [first, second] = hosts.play(120);
    assert!(first <= 4 && second > 40, "what was on its way, and no more: {first} {second}");
    let [first, second] = hosts.play(600);
    assert!((1..=5).contains(&first) && second > 200, "it is tried now and then: {first} {second}");
    assert_eq!(hosts.most[0], 1, "with one thing at a time");
    let [score, other] = hosts.scores();
    assert!(score < other && other > 90.0, "{score} {other}");
    hosts.manners[0] = WELL;
    let found = (0..40).find(|_| hosts.play(60)[0] > 20);
    assert!(found.is_some_and(|minutes| minutes <= 4), "it had served well for long: {found:?}");
    assert_eq!(hosts.play(600)[1], 0, "it is kept");
}

#[test]
fn one_failure_of_a_good_host_sends_the_next_requests_elsewhere_for_a_minute() {
    let mut hosts = Hosts::new([WELL, WELL]);
    hosts.play(600);
    hosts.manners[0] = BROKEN;
    while hosts.play(1)[0] == 0 {}
    hosts.manners[0] = WELL;
    hosts.play(1);
    let [first, second] = hosts.play(55);
    assert!(first == 0 && second > 15, "{first} {second}");
    hosts.play(15);
    assert_eq!(hosts.play(60)[1], 0);
}

#[test]
fn a_host_that_hangs_keeps_one_request_waiting_when_it_is_tried_again() {
    let mut hosts = Hosts::new([WELL, WELL]);
    hosts.play(600);
    hosts.manners[0] = HANGING;
    hosts.play(60);
    let [first, second] = hosts.play(1_200);
    assert!((1..=8).contains(&first) && second > 400, "{first} {second}");
    assert_eq!(hosts.most[0], 1);
}

#[test]
fn a_slow_host_is_left_for_a_quick_one_after_a_while_and_for_long() {
    let mut hosts = Hosts::new([SLOWLY, WELL]);
    assert_eq!(hosts.play(40)[1], 0, "it serves, so it is not left in a hurry");
    assert!(hosts.play(120)[1] > 20);
    let [slow, quick] = hosts.scores();
    assert!(slow < 75.0 && quick > 95.0, "{slow} {quick}");
    let [first, _] = hosts.play(1_200);
    assert_eq!(first, 0, "a choice that was made is kept");
    let moved = (0..240).filter(|_| hosts.play(60)[0] > 0).count();
    assert!((1..=30).contains(&moved), "in four hours it is tried now and then: {moved} minutes");
}

#[test]
fn two_slow_hosts_do_not_swing() {
    let mut hosts = Hosts::new([SLOWLY, SLOWLY]);
    hosts.play(600);
    let (mut at, mut changes) = (None, 0);
    for _ in 0..120 {
        let [first, second] = hosts.play(60);
        let now = first < second;
        changes += usize::from(at.is_some_and(|at| at != now));
        at = Some(now);
    }
    assert!(changes <= 8, "{changes} in two hours");
}

#[test]
fn what_concerns_us_or_the_symbol_says_nothing_of_the_host() {
    let held = |banned| Fault::RateLimited { retry_after: Some(SECOND), banned };
    for fault in [held(false), held(true), Fault::Authentication, Fault::Configuration, Fault::Local] {
        let mut hosts = Hosts::new([WELL, WELL]);
        hosts.play(60);
        let before = hosts.scores();
        hosts.manners[0].1 = Some(fault);
        let asked = hosts.play(30);
        assert!(asked[0] > 0 && asked[1] == 0, "{fault:?}: {asked:?}");
        let after = hosts.scores();
        assert!(
            (before[0] - after[0]).abs() <= 1.0 && after[1] == before[1],
            "{fault:?} {before:?} {after:?}"
        );
    }
}

#[test]
fn no_request_is_made_for_the_sake_of_a_host_and_none_beyond_the_budget() {
    let asked = |manners: [Manner; 2]| {
        let mut hosts = Hosts::new(manners);
        (0..60).map(|_| hosts.play(60).iter().sum::<usize>()).max().unwrap()
    };
    let (well, broken) = (asked([WELL, WELL]), asked([BROKEN, WELL]));
    assert!(well <= 50 && broken <= 50, "a hundred of weight a minute, each weighs two: {well} {broken}");
}

#[test]
fn an_operator_forgives_hosts_too() {
    let mut hosts = Hosts::new([BROKEN, WELL]);
    hosts.play(60);
    assert!(hosts.scores()[0] < 85.0, "{:?}", hosts.scores());
    hosts.bench.feed.command(hosts.bench.now, Command::Reset);
    hosts.bench.collect();
    assert_eq!(hosts.scores(), [90.0, 90.0]);
}

#[test]
fn which_host_serves_survives_a_crash() {
    let mut hosts = Hosts::new([BROKEN, WELL]);
    hosts.play(60);
    let old = std::mem::replace(&mut hosts.bench, Bench::new());
    let rest = vec!["http://a".into(), "http://b".into()];
    hosts.bench = Bench::with(FeedConfig { rest, ..FeedConfig::default() }, old.feed.into_memory());
    hosts.bench.now = old.now.later(SECOND);
    hosts.out.clear();
    let [first, second] = hosts.play(60);
    assert!(first == 0 && second > 0, "{first} {second}");
}

#[test]
fn what_the_chosen_host_does_not_offer_goes_to_the_best_of_those_that_do() {
    let places = ["http://a", "http://b", "http://c/without"];
    let mut hosts = Hosts::at(&places, [WELL, WELL]);
    hosts.manners = [BROKEN, BROKEN];
    while hosts.play(1)[1] == 0 {}
    // Each has failed: the third is chosen, and has nothing of what is polled.
    hosts.manners[1] = WELL;
    hosts.play(6);
    let [first, second] = hosts.play(40);
    assert!(first == 0 && second >= 15, "{first} {second}");
}

#[test]
fn a_host_that_hangs_on_trial_keeps_nobody_waiting_while_another_serves() {
    let mut hosts = Hosts::new([HANGING, WELL]);
    hosts.play(300);
    let mut tried = 0;
    for _ in 0..600 {
        hosts.bench.pass(SECOND);
        for action in &hosts.bench.todo {
            if let Action::Fetch { request, .. } = action
                && request.url.starts_with("http://a")
            {
                assert_eq!(request.timeout, SECOND);
                tried += 1;
            }
        }
        hosts.turn(&mut [0; 2]);
    }
    assert!(tried > 0, "it is never tried");
}
