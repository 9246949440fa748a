//! When somebody is told, how often, and that one cause is one story.

use proptest::prelude::*;

use super::told::EVIDENCE;
use super::*;
use crate::rng::Rng;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Time {
    Time::default().later(secs(1_000.0 + seconds))
}

const TOPIC: Subject<'_> = Subject::part("toy", "toy:trade:A");
const VENUE: Subject<'_> = Subject::venue("toy");

/// Alerts with a clock: everything that was told, by the second.
struct Desk {
    alerts: Alerts,
    now: f64,
    told: Vec<(f64, Why, String, usize)>,
    /// Looks at everything every half second too, whatever the deadline says.
    eager: bool,
}

impl Desk {
    fn new() -> Self {
        Self { alerts: Alerts::new(Rules::default()), now: 0.0, told: Vec::new(), eager: false }
    }

    fn raise(&mut self, rule: Rule, subject: Subject<'_>, level: Level) {
        self.alerts.raise(at(self.now), rule, subject, level, || "figures".into());
    }

    fn clear(&mut self, rule: Rule, subject: Subject<'_>) {
        self.alerts.clear(at(self.now), rule, subject);
    }

    /// Lets `seconds` pass, ticking at every deadline.
    fn pass(&mut self, seconds: f64) {
        let end = self.now + seconds;
        loop {
            for told in self.alerts.tick(at(self.now)) {
                let worst = told.alerts.first().map_or(String::new(), |alert| alert.rule.name().to_owned());
                self.told.push((self.now, told.why, worst, told.count));
            }
            let mut due =
                self.alerts.deadline().map_or(f64::MAX, |due| due.since(at(0.0).mono).as_secs_f64());
            if self.eager && self.now + 0.5 < due {
                (due, self.alerts.next) = (self.now + 0.5, Mono::default());
            }
            if due > end {
                break;
            }
            assert!(due > self.now, "a deadline that has passed");
            self.now = due;
        }
        self.now = end;
    }

    #[track_caller]
    fn check(&self, expected: &[(f64, Why, &str, usize)]) {
        let told: Vec<_> = self.told.iter().map(|(at, why, rule, n)| (*at, *why, &**rule, *n)).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn each_level_has_its_hold() {
    for (level, hold) in
        [(Level::Warning, 30.0), (Level::Degraded, 15.0), (Level::Unhealthy, 5.0), (Level::Critical, 0.0)]
    {
        let mut desk = Desk::new();
        desk.raise(Rule::Stale, TOPIC, level);
        desk.pass(60.0);
        desk.check(&[(hold, Why::Firing, "stale", 1)]);
    }
}

#[test]
fn what_does_not_last_is_not_told() {
    let mut desk = Desk::new();
    desk.raise(Rule::Stale, TOPIC, Level::Degraded);
    desk.pass(14.0);
    desk.clear(Rule::Stale, TOPIC);
    desk.pass(9_999.0);
    desk.check(&[]);
    assert_eq!((desk.alerts.count, desk.alerts.deadline()), (0, None), "nothing is left of it");
}

#[test]
fn it_is_resolved_after_it_was_clear_for_thirty_seconds() {
    let mut desk = Desk::new();
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(10.0);
    desk.clear(Rule::Stale, TOPIC);
    desk.pass(20.0);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(10.0);
    desk.clear(Rule::Stale, TOPIC);
    desk.pass(100.0);
    desk.check(&[(0.0, Why::Firing, "stale", 1), (70.0, Why::Resolved, "", 0)]);
    let past: Vec<_> = desk.alerts.past().map(|alert| (alert.rule, alert.state)).collect();
    assert_eq!(past, [(Rule::Stale, State::Resolved)]);
}

#[test]
fn a_pending_alert_that_gets_worse_fires_by_its_new_level() {
    let mut desk = Desk::new();
    desk.raise(Rule::Stale, TOPIC, Level::Warning);
    desk.pass(6.0);
    desk.raise(Rule::Stale, TOPIC, Level::Unhealthy);
    desk.pass(60.0);
    desk.check(&[(6.0, Why::Firing, "stale", 1)]);
}

#[test]
fn what_persists_is_repeated_by_its_level() {
    for (level, first, every) in [(Level::Critical, 0.0, 1_800.0), (Level::Degraded, 15.0, 14_400.0)] {
        let mut desk = Desk::new();
        desk.raise(Rule::Stale, TOPIC, level);
        desk.pass(first + 2.0 * every + 1.0);
        desk.check(&[
            (first, Why::Firing, "stale", 1),
            (first + every, Why::Repeat, "stale", 1),
            (first + 2.0 * every, Why::Repeat, "stale", 1),
        ]);
    }
}

#[test]
fn what_fires_together_is_told_together() {
    let mut desk = Desk::new();
    for topic in ["a", "b", "c"] {
        desk.raise(Rule::Stale, Subject::part("toy", topic), Level::Degraded);
    }
    desk.raise(Rule::Stale, Subject::part("other", "a"), Level::Degraded);
    desk.pass(15.0);
    desk.check(&[(15.0, Why::Firing, "stale", 1), (15.0, Why::Firing, "stale", 3)]);
    desk.raise(Rule::Gaps, Subject::part("toy", "d"), Level::Degraded);
    desk.pass(400.0);
    assert_eq!(desk.told.last(), Some(&(315.0, Why::Firing, "gaps".into(), 1)), "what follows is gathered");
}

#[test]
fn the_first_critical_one_does_not_wait() {
    let mut desk = Desk::new();
    desk.raise(Rule::Stale, TOPIC, Level::Degraded);
    desk.pass(20.0);
    desk.raise(Rule::Banned, VENUE, Level::Critical);
    desk.pass(20.0);
    desk.check(&[(15.0, Why::Firing, "stale", 1), (20.0, Why::Firing, "banned", 1)]);
}

#[test]
fn a_venue_that_is_down_explains_its_symptoms_but_not_other_causes() {
    let mut desk = Desk::new();
    desk.raise(Rule::VenueDown, VENUE, Level::Critical);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.raise(Rule::BreakerOpen, VENUE, Level::Critical);
    desk.raise(Rule::Authentication, VENUE, Level::Critical);
    desk.raise(Rule::Stale, Subject::part("other", "a"), Level::Critical);
    desk.pass(1.0);
    desk.check(&[(0.0, Why::Firing, "stale", 1), (0.0, Why::Firing, "venue_down", 2)]);
    let muted: Vec<_> =
        desk.alerts.list(at(1.0).mono).into_iter().filter(|a| a.muted).map(|a| a.rule).collect();
    assert_eq!(muted, [Rule::BreakerOpen, Rule::Stale]);
}

#[test]
fn a_machine_without_network_explains_all_venues() {
    let mut desk = Desk::new();
    desk.raise(Rule::LocalNetwork, Subject::PROCESS, Level::Critical);
    for venue in ["a", "b", "c"] {
        desk.raise(Rule::VenueDown, Subject::venue(venue), Level::Critical);
        desk.raise(Rule::Authentication, Subject::venue(venue), Level::Critical);
    }
    desk.raise(Rule::Disk, Subject::PROCESS, Level::Critical);
    desk.pass(600.0);
    desk.check(&[(0.0, Why::Firing, "local_network", 2)]);
}

#[test]
fn what_outlives_its_explanation_is_told_after_a_grace() {
    let mut desk = Desk::new();
    desk.raise(Rule::VenueDown, VENUE, Level::Critical);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(100.0);
    desk.clear(Rule::VenueDown, VENUE);
    desk.pass(500.0);
    // Clear for 30 s, 30 s more as long as it explains others, and what it has explained has 330 s to heal.
    desk.check(&[(0.0, Why::Firing, "venue_down", 1), (490.0, Why::Firing, "stale", 1)]);
    desk.clear(Rule::Stale, TOPIC);
    desk.pass(40.0);
    assert_eq!(desk.told.last(), Some(&(630.0, Why::Resolved, String::new(), 0)), "not before all is over");
}

#[test]
fn what_begins_after_its_explanation_is_told_as_ever() {
    let mut desk = Desk::new();
    desk.raise(Rule::VenueDown, VENUE, Level::Critical);
    desk.pass(100.0);
    desk.clear(Rule::VenueDown, VENUE);
    desk.pass(70.0);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(40.0);
    desk.check(&[
        (0.0, Why::Firing, "venue_down", 1),
        (130.0, Why::Resolved, "", 0),
        (170.0, Why::Firing, "stale", 1),
    ]);
}

#[test]
fn what_comes_and_goes_five_times_in_ten_minutes_is_one_alert() {
    let mut desk = Desk::new();
    for _ in 0..60 {
        desk.raise(Rule::Stale, TOPIC, Level::Unhealthy);
        desk.pass(8.0);
        desk.clear(Rule::Stale, TOPIC);
        desk.pass(52.0);
    }
    let flaps = desk.told.iter().filter(|(_, _, rule, _)| rule == "flapping").count();
    assert_eq!(flaps, 1, "{:?}", desk.told);
    let first: Vec<_> = desk.told.iter().take_while(|(_, _, rule, _)| rule != "flapping").collect();
    assert!(first.len() <= 8, "four times it was an alert of its own: {first:?}");
    assert!(desk.told.len() <= first.len() + 1);
    desk.pass(700.0);
    assert_eq!(desk.told.last().map(|told| told.1), Some(Why::Resolved), "it rests");
}

#[test]
fn what_is_quicker_than_every_hold_is_found_by_its_flapping() {
    let mut desk = Desk::new();
    for _ in 0..30 {
        desk.raise(Rule::Unstable, TOPIC, Level::Degraded);
        desk.pass(3.0);
        desk.clear(Rule::Unstable, TOPIC);
        desk.pass(3.0);
    }
    desk.check(&[(24.0, Why::Firing, "flapping", 1)]);
    // The last five began from 150 s on; ten minutes later that is no flapping any more.
    desk.pass(900.0);
    desk.check(&[(24.0, Why::Firing, "flapping", 1), (780.0, Why::Resolved, "", 0)]);
}

#[test]
fn a_venue_that_flaps_is_told_though_it_is_down() {
    let mut desk = Desk::new();
    for _ in 0..6 {
        desk.raise(Rule::VenueDown, VENUE, Level::Critical);
        desk.raise(Rule::Stale, TOPIC, Level::Critical);
        desk.pass(5.0);
        desk.clear(Rule::VenueDown, VENUE);
        desk.pass(5.0);
    }
    desk.pass(340.0);
    desk.check(&[(0.0, Why::Firing, "venue_down", 1), (300.0, Why::Firing, "flapping", 1)]);
}

#[test]
fn what_heals_is_not_told_when_its_explanation_ends_and_is_when_it_breaks_again() {
    let mut desk = Desk::new();
    desk.raise(Rule::VenueDown, VENUE, Level::Critical);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(100.0);
    desk.clear(Rule::VenueDown, VENUE);
    desk.pass(50.0);
    desk.clear(Rule::Stale, TOPIC);
    desk.pass(40.0);
    let before = [(0.0, Why::Firing, "venue_down", 1), (180.0, Why::Resolved, "", 0)];
    desk.check(&before);
    desk.raise(Rule::Stale, TOPIC, Level::Critical);
    desk.pass(5.0);
    desk.check(&[before[0], before[1], (190.0, Why::Firing, "stale", 1)]);
}

#[test]
fn evidence_and_what_to_do_come_with_each() {
    let mut alerts = Alerts::new(Rules::default());
    let long = "ä".repeat(EVIDENCE);
    alerts.raise(at(0.0), Rule::Banned, VENUE, Level::Critical, || long.clone());
    let told = alerts.tick(at(0.0)).remove(0);
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(
        (&json["why"], &json["venue"], &json["level"]),
        (&"firing".into(), &"toy".into(), &"critical".into())
    );
    let alert = &json["alerts"][0];
    assert_eq!((&alert["rule"], &alert["kind"]), (&"banned".into(), &"connection".into()));
    assert_eq!(alert["evidence"], "ä".repeat(EVIDENCE / 2));
    assert_eq!(alert["action"], Rule::Banned.entry().action);
}

#[test]
fn the_table_of_alerts_stays_bounded_and_venues_keep_their_place() {
    let mut alerts = Alerts::new(Rules { most: 800, ..Rules::default() });
    for n in 0..5_000 {
        let topic = n.to_string();
        alerts.raise(at(0.0), Rule::Stale, Subject::part("toy", &topic), Level::Critical, String::new);
    }
    assert_eq!((alerts.count, alerts.refused()), (700, 4_300));
    alerts.raise(at(0.0), Rule::VenueDown, VENUE, Level::Critical, String::new);
    let told = alerts.tick(at(0.0));
    assert_eq!((told.len(), told[0].count, told[0].alerts[0].rule), (1, 1, Rule::VenueDown));
    for n in 0..5_000 {
        alerts.forget(at(1.0), Subject::part("toy", &n.to_string()));
    }
    drop(alerts.tick(at(31.0)));
    drop(alerts.tick(at(2_000.0)));
    assert_eq!((alerts.count, alerts.past().count()), (1, PAST));
}

#[test]
fn every_rule_has_its_row_and_its_word() {
    for (index, entry) in TABLE.iter().enumerate() {
        assert_eq!((entry.rule as usize, entry.rule.entry()), (index, entry));
        assert_eq!(Rule::from_name(entry.name), Some(entry.rule));
        assert!(entry.means.ends_with('.') && entry.action.ends_with('.'), "{}", entry.name);
    }
    let mut names: Vec<_> = TABLE.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TABLE.len());
}

/// A thousand topics of a venue; what befalls them, second by second, as the health of each would say it.
fn thousand(seed: u64, hour: impl Fn(&mut Desk, f64, bool)) -> Vec<(f64, Why, String, usize)> {
    let (mut desk, mut rng) = (Desk::new(), Rng::new(seed));
    // Each topic notices at its own time that nothing comes, and that it comes again.
    let topics: Vec<_> =
        (0..1_000).map(|n| (format!("t{n}"), 2.0 + 58.0 * rng.roll(), 3.0 * rng.roll())).collect();
    let (down, up) = (60.0, 420.0);
    for second in 0..600 {
        let now = f64::from(second);
        desk.now = now;
        hour(&mut desk, now, (down..up).contains(&now));
        for (name, notices, heals) in &topics {
            let subject = Subject::part("toy", name);
            if (down + notices..up + heals).contains(&now) {
                let silent = now - down;
                let worse = if silent > 5.0 * notices { Level::Critical } else { Level::Degraded };
                desk.raise(Rule::Stale, subject, worse);
            } else {
                desk.clear(Rule::Stale, subject);
            }
        }
        desk.pass(1.0);
    }
    // What flaps takes ten minutes to rest.
    desk.pass(700.0);
    assert!(desk.alerts.list(at(desk.now).mono).is_empty(), "all is well again");
    desk.told
}

/// What the venue's own condition is, from a while after its lines broke.
fn venue(desk: &mut Desk, rule: Rule, level: Level, holds: bool) {
    if holds { desk.raise(rule, VENUE, level) } else { desk.clear(rule, VENUE) }
}

#[test]
fn one_cause_over_a_thousand_topics_is_told_at_most_three_times() {
    for seed in 0..2 {
        let dead = thousand(seed, |desk, now, broken| {
            venue(desk, Rule::Fallback, Level::Degraded, broken && now > 65.0);
            venue(desk, Rule::VenueDown, Level::Critical, broken && now > 80.0);
            venue(desk, Rule::BreakerOpen, Level::Unhealthy, broken && now > 70.0);
        });
        assert!((2..=3).contains(&dead.len()), "dead: {dead:?}");
        let silent = thousand(seed, |_, _, _| {});
        assert!((2..=3).contains(&silent.len()), "silent, and nobody knows why: {silent:?}");
        let network = thousand(seed, |desk, _, broken| {
            venue(desk, Rule::VenueDown, Level::Critical, broken);
            if broken {
                desk.raise(Rule::LocalNetwork, Subject::PROCESS, Level::Critical);
            } else {
                desk.clear(Rule::LocalNetwork, Subject::PROCESS);
            }
        });
        assert_eq!(network.len(), 2, "the network: {network:?}");
        let flapping = thousand(seed, |desk, now, broken| {
            venue(desk, Rule::VenueDown, Level::Critical, broken && now % 10.0 < 5.0);
        });
        assert!(flapping.len() <= 3, "flapping: {flapping:?}");
    }
}

const SUBJECTS: [Subject<'_>; 6] = [
    TOPIC,
    VENUE,
    Subject::PROCESS,
    Subject::part("toy", "b"),
    Subject::venue("other"),
    Subject::part("other", "c"),
];

/// What comes and goes: (rule, subject, level, whether it holds, tenths of a second until the next).
type Steps = Vec<(u8, u8, u8, bool, u16)>;

fn steps() -> impl Strategy<Value = Steps> {
    proptest::collection::vec((0u8..6, 0u8..6, 0u8..5, any::<bool>(), 0u16..300), 0..80)
}

fn played(steps: &Steps, eager: bool) -> Desk {
    let mut desk = Desk { eager, ..Desk::new() };
    let levels = [Level::Warning, Level::Degraded, Level::Unhealthy, Level::Critical, Level::Critical];
    let rules =
        [Rule::Stale, Rule::VenueDown, Rule::LocalNetwork, Rule::Banned, Rule::Gaps, Rule::BreakerOpen];
    for (rule, subject, level, raise, wait) in steps {
        let (rule, subject) = (rules[usize::from(*rule)], SUBJECTS[usize::from(*subject)]);
        if *raise {
            desk.raise(rule, subject, levels[usize::from(*level)]);
        } else {
            desk.clear(rule, subject);
        }
        // Halves of a second, so that both meet at the same moments.
        desk.pass(f64::from(wait / 5) / 2.0);
    }
    desk.pass(700.0);
    desk
}

#[test]
fn what_begins_while_all_is_explained_is_so_although_nobody_looks_before_that_is_over() {
    let steps = vec![(2, 2, 0, true, 125), (0, 0, 0, false, 175), (2, 2, 0, false, 150), (4, 0, 0, true, 0)];
    for eager in [false, true] {
        let desk = played(&steps, eager);
        let gaps = desk.told.iter().find(|told| told.2 == "gaps").map(|told| told.0);
        assert_eq!(gaps, Some(420.0), "{eager}: {:?}", desk.told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes and goes: what fires is told at most once, all that was told is resolved in the end, and nothing
    /// is left.
    #[test]
    fn each_firing_is_told_at_most_once(steps in steps()) {
        let mut desk = played(&steps, false);
        let firings = desk.told.iter().filter(|told| told.1 == Why::Firing).map(|told| told.3).sum::<usize>();
        SUBJECTS.into_iter().for_each(|subject| desk.alerts.forget(at(desk.now), subject));
        desk.pass(9_999.0);
        prop_assert!(firings <= desk.alerts.past().count());
        prop_assert!(desk.alerts.list(at(desk.now).mono).is_empty());
        prop_assert_eq!((desk.alerts.count, desk.alerts.groups.len(), desk.alerts.deadline()), (0, 0, None));
        let told = desk.told.iter().any(|told| told.1 == Why::Firing);
        prop_assert_eq!(told, desk.told.last().is_some_and(|told| told.1 == Why::Resolved));
    }

    /// The deadlines are enough: who looks at everything twice a second tells the same at the same time.
    #[test]
    fn who_comes_at_the_deadlines_tells_all_in_time(steps in steps()) {
        let (lazy, eager) = (played(&steps, false), played(&steps, true));
        prop_assert_eq!(lazy.told, eager.told);
    }
}
