//! Outages held against what the feed's log of transitions tells of them, one by one and in sum.

use std::collections::BTreeMap;

use tapeline_core::data::topic::Topic;
use tapeline_core::policy::uptime::{State, Transition};

use super::super::super::clock::{MS, SEC};
use super::super::seen::Service;
use super::Outage;

/// How far the feed's word may be from ours, in nanoseconds, for either end of an outage.
const NEAR: u64 = 20 * MS;
/// So many differences are told.
const TOLD: usize = 6;

impl Outage {
    /// How long it was; `None` if no repair ended it.
    pub(in super::super) fn seconds(&self) -> Option<f64> {
        self.end.filter(|_| self.repaired).map(|end| (end - self.begin) as f64 / SEC as f64)
    }
}

/// Those that took some time after the beginning of the record.
pub(super) fn felt(outages: Vec<Outage>, start: u64) -> Vec<Outage> {
    outages.into_iter().filter(|one| one.end.is_none_or(|end| end > start.max(one.begin))).collect()
}

/// How the promise was kept in a stretch, by its outages.
pub(super) fn kept<'a>(
    (start, now): (u64, u64),
    observed: u64,
    outages: impl Iterator<Item = &'a Outage>,
) -> Service {
    let seconds = |nanos: u64| nanos as f64 / SEC as f64;
    let (mut down, mut count, mut repairs) = (0, 0, Vec::new());
    for outage in outages {
        let end = outage.end.unwrap_or(now);
        (down, count) = (down + (end - outage.begin.max(start)), count + 1);
        repairs.extend(outage.repaired.then_some(end - outage.begin));
    }
    let share = |whole: u64, parts: u64| (parts > 0).then(|| seconds(whole) / parts as f64);
    Service {
        observed_s: seconds(observed),
        down_s: seconds(down),
        availability: (observed > 0).then(|| 1.0 - down as f64 / observed as f64),
        outages: count,
        repaired: repairs.len() as u64,
        mttr_s: share(repairs.iter().sum(), repairs.len() as u64),
        mtbf_s: share(observed, count),
        ..Service::default()
    }
}

/// The outages that a log of transitions tells of, by topic.
fn told(log: &[Transition]) -> BTreeMap<&str, Vec<Outage>> {
    let mut all: BTreeMap<&str, (Vec<Outage>, u64)> = BTreeMap::new();
    for Transition { entity, from, to, since, at, .. } in log {
        let (outages, last) = all.entry(entity).or_default();
        *last = if *from == State::None { at.0 } else { since.0.max(*last) };
        let open = outages.last_mut().filter(|outage| outage.end.is_none());
        match (open, to) {
            (Some(outage), State::Full | State::None) => {
                (outage.end, outage.repaired) = (Some(*last), *to == State::Full);
            }
            (None, State::Any | State::Down) => {
                outages.push(Outage { begin: *last, end: None, repaired: false, noticed: at.0 });
            }
            _ => {}
        }
    }
    all.into_iter().map(|(entity, (outages, _))| (entity, outages)).collect()
}

/// Where the feed's word differs from what the world logged, in words.
pub(in super::super) fn differences(
    ours: &BTreeMap<Topic, Vec<Outage>>,
    log: &[Transition],
    (start, now): (u64, u64),
) -> Vec<String> {
    let mut theirs = told(log);
    let (mut words, at) = (Vec::new(), |nanos: u64| nanos as f64 / SEC as f64);
    let near = |a: u64, b: u64| a.abs_diff(b) <= NEAR;
    // The first as the world logged it, the second as it is told.
    let is_same = |a: &Outage, b: &Outage| {
        let ends = match (a.end, b.end) {
            (Some(a), Some(b)) => near(a, b),
            (a, b) => a == b,
        };
        // Who does not run or read can notice it at its end only.
        let noticed = near(a.noticed, b.noticed) || b.end == Some(b.noticed) && b.noticed > a.noticed;
        near(a.begin, b.begin) && noticed && ends && a.repaired == b.repaired
    };
    let say = |one: Option<&Outage>| {
        one.map_or("none".to_owned(), |Outage { begin, end, noticed, .. }| {
            format!("{:.3} to {:.3}, noticed {:.3}", at(*begin), at(end.unwrap_or(now)), at(*noticed))
        })
    };
    for (topic, ours) in ours {
        let theirs = felt(theirs.remove(topic.as_str()).unwrap_or_default(), start);
        for n in 0..ours.len().max(theirs.len()) {
            let (ours, theirs) = (ours.get(n), theirs.get(n));
            if !ours.zip(theirs).is_some_and(|(ours, theirs)| is_same(ours, theirs)) {
                words.push(format!("{}: outage {}, told {}", topic.as_str(), say(ours), say(theirs)));
                break;
            }
        }
    }
    words.truncate(TOLD);
    words
}

/// Where the figures told differ from those of the outages that the world logged.
pub(in super::super) fn apart(ours: &Service, told: &Service) -> Vec<String> {
    let near = NEAR as f64 / SEC as f64;
    let most = near * ours.outages.max(1) as f64;
    let far = |a: Option<f64>, b: Option<f64>, most: f64| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() > most,
        (a, b) => a != b,
    };
    let share = most / ours.observed_s.max(1.0);
    let figures = [
        ("outages", Some(ours.outages as f64), Some(told.outages as f64), 0.0),
        ("outages repaired", Some(ours.repaired as f64), Some(told.repaired as f64), 0.0),
        ("MTTR", ours.mttr_s, told.mttr_s, near),
        ("MTBF", ours.mtbf_s, told.mtbf_s, near),
        ("availability", ours.availability, told.availability, share),
    ];
    let wrong = figures.into_iter().filter(|(_, ours, told, most)| far(*ours, *told, *most));
    let words = |value: Option<f64>| value.map_or("none".to_owned(), |value| value.to_string());
    wrong.map(|(name, ours, told, _)| format!("{name}: {}, told {}", words(ours), words(told))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapeline_core::time::Mono;

    fn at(seconds: f64) -> u64 {
        (seconds * SEC as f64) as u64
    }

    fn transition(seq: u64, (noticed, since): (f64, f64), from: State, to: State) -> Transition {
        Transition {
            seq,
            at: Mono(at(noticed)),
            entity: "toy:trade:A".into(),
            kind: "service".into(),
            from,
            to,
            since: Mono(at(since)),
            cause: "made up".into(),
        }
    }

    /// Down from 10 s, noticed at 12 s, up again at 15 s; as told, and as logged with these shifts.
    fn compared(begin: f64, noticed: f64, end: f64) -> Vec<String> {
        let log = [
            transition(1, (1.0, 1.0), State::None, State::Full),
            transition(2, (12.0, 10.0), State::Full, State::Down),
            transition(3, (15.0, 15.0), State::Down, State::Full),
        ];
        let one = Outage {
            begin: at(10.0 + begin),
            end: Some(at(15.0 + end)),
            repaired: true,
            noticed: at(12.0 + noticed),
        };
        let topic: Topic = "toy:trade:A".parse().unwrap();
        differences(&BTreeMap::from([(topic, vec![one])]), &log, (at(5.0), at(20.0)))
    }

    #[test]
    fn twenty_milliseconds_are_borne_and_no_more() {
        assert_eq!(compared(0.0, 0.0, 0.0), [""; 0]);
        assert_eq!(compared(0.019, -0.019, 0.019), [""; 0]);
        for (begin, noticed, end) in [(0.021, 0.0, 0.0), (0.0, 0.021, 0.0), (0.0, 0.0, -0.021)] {
            assert_eq!(compared(begin, noticed, end).len(), 1, "{begin} {noticed} {end}");
        }
    }

    #[test]
    fn an_outage_too_many_or_too_few_is_told() {
        let topic: Topic = "toy:trade:A".parse().unwrap();
        let log = [
            transition(1, (1.0, 1.0), State::None, State::Full),
            transition(2, (12.0, 10.0), State::Full, State::Down),
        ];
        let stretch = (at(5.0), at(20.0));
        let silent = differences(&BTreeMap::from([(topic.clone(), Vec::new())]), &log, stretch);
        assert_eq!(silent, ["toy:trade:A: outage none, told 10.000 to 20.000, noticed 12.000"]);
        let open = Outage { begin: at(10.0), end: None, repaired: false, noticed: at(12.0) };
        let ours = BTreeMap::from([(topic, vec![open])]);
        assert_eq!(differences(&ours, &log, stretch), [""; 0]);
        assert_eq!(differences(&ours, &log[..1], stretch).len(), 1);
    }

    #[test]
    fn figures_that_are_apart_are_told() {
        let stretch = (0, at(100.0));
        let down = |seconds: f64| {
            let (begin, end) = (at(10.0), Some(at(10.0 + seconds)));
            let outages = [Outage { begin, end, repaired: true, noticed: begin }];
            kept(stretch, at(100.0), outages.iter())
        };
        assert_eq!(apart(&down(5.0), &down(5.01)), [""; 0]);
        let told = apart(&down(5.0), &down(5.1)).join("; ");
        assert!(told.contains("MTTR: 5, told 5.1") && told.contains("availability"), "{told}");
        assert_eq!(apart(&down(5.0), &kept(stretch, at(100.0), [].iter())).len(), 5);
    }
}
