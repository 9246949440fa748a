//! Paces that are right, and those that are not.

use super::*;

const LINE: LineId = LineId { slot: 0, dial: 1 };

fn asks(pace: &mut Pace, at: u64) -> bool {
    let found = pace.fetched(at * SEC, Fetch::Snapshot, 1, 100);
    pace.came_back(Fetch::Snapshot);
    found.is_ok()
}

#[test]
fn five_messages_within_a_second_are_one_too_many() {
    let mut pace = Pace::default();
    let found: Vec<bool> = [0, 1, 2, 3, SEC, SEC].iter().map(|at| pace.said(10 + at, LINE).is_ok()).collect();
    assert_eq!(found, [true, true, true, true, true, false]);
}

#[test]
fn a_dial_or_a_request_inside_a_hold_is_seen() {
    let mut pace = Pace::default();
    pace.hold(0, Plea { wait: 60 * SEC, banned: false }, true);
    assert!(!asks(&mut pace, 59) && asks(&mut pace, 60));
    assert!(pace.dialled(1, LINE, 0, false).is_ok());
    pace.hold(0, Plea { wait: 120 * SEC, banned: true }, false);
    assert!(pace.dialled(119 * SEC, LINE, 0, false).is_err() && !asks(&mut pace, 119));
    assert!(pace.dialled(120 * SEC, LINE, 0, false).is_ok());
}

#[test]
fn a_request_inside_a_ban_is_seen_also_after_an_operator_forgave() {
    let mut pace = Pace::default();
    pace.hold(0, Plea { wait: 60 * SEC, banned: true }, true);
    pace.hold(0, Plea { wait: 90 * SEC, banned: false }, true);
    pace.hold(0, Plea { wait: 90 * SEC, banned: false }, false);
    pace.forgive();
    assert!(!asks(&mut pace, 59) && asks(&mut pace, 60), "of a longer pause only the ban is left");
    assert!(pace.dialled(1, LINE, 0, false).is_ok());
}

#[test]
fn too_many_requests_at_a_time_or_in_a_minute_are_seen() {
    let mut pace = Pace::default();
    let asked = |pace: &mut Pace, why| (0..4).map(|_| pace.fetched(0, why, 1, 100).is_ok()).collect();
    let found: Vec<bool> = asked(&mut pace, Fetch::Snapshot);
    assert_eq!(found, [true, true, true, false]);
    let found: Vec<bool> = asked(&mut pace, Fetch::Backfill { from: 1, to: 2 });
    assert_eq!(found, [true, true, false, false], "each kind by itself");
    pace.restart(0);
    let mut heavy = |at: u64| {
        let found = pace.fetched(at * SEC, Fetch::Snapshot, 40, 100);
        pace.came_back(Fetch::Snapshot);
        found.is_ok()
    };
    assert_eq!([heavy(60), heavy(61), heavy(119), heavy(120)], [true, true, false, true]);
}

#[test]
fn a_dial_on_an_open_breaker_is_seen() {
    let mut pace = Pace::default();
    for n in 0..5 {
        assert!(pace.dialled(n * 20 * SEC, LINE, 0, true).is_ok());
        pace.ended(n * 20 * SEC, LINE, Fault::Transient, true);
    }
    assert!(pace.dialled(109 * SEC, LINE, 0, true).is_err());
    assert!(pace.dialled(109 * SEC, LINE, 1, true).is_ok());
    assert!(pace.dialled(110 * SEC, LINE, 0, true).is_ok());
    pace.ended(111 * SEC, LINE, Fault::Transient, true);
    assert!(pace.dialled(139 * SEC, LINE, 0, true).is_err());
    assert!(pace.dialled(140 * SEC, LINE, 0, true).is_ok(), "it had paused since it began");
}

#[test]
fn what_the_feed_gave_up_itself_may_have_opened_a_breaker_before() {
    let mut pace = Pace::default();
    assert!(pace.dialled(0, LINE, 0, false).is_ok());
    pace.opened(0, LINE);
    pace.data(0, LINE);
    pace.let_go(SEC, LINE.slot);
    for n in 1..=5 {
        assert!(pace.dialled(n * 20 * SEC, LINE, 0, true).is_ok());
        pace.ended(n * 20 * SEC, LINE, Fault::Transient, true);
    }
    assert!(pace.dialled(109 * SEC, LINE, 0, true).is_err());
    assert!(pace.dialled(110 * SEC, LINE, 0, true).is_ok(), "since the fourth, not the fifth");
}

#[test]
fn a_line_that_stands_after_its_data_has_proved_its_endpoint() {
    let mut pace = Pace::default();
    let fails = |pace: &mut Pace, seconds: std::ops::Range<u64>| {
        for at in seconds {
            let _ = pace.dialled(at * SEC, LINE, 0, true);
            pace.ended(at * SEC, LINE, Fault::Transient, true);
        }
    };
    fails(&mut pace, 0..5);
    // The probe brings one message and stands.
    assert!(pace.dialled(40 * SEC, LINE, 0, true).is_ok());
    pace.opened(40 * SEC, LINE);
    pace.data(41 * SEC, LINE);
    fails(&mut pace, 47..51);
    assert!(pace.dialled(52 * SEC, LINE, 0, true).is_ok(), "four failures open nothing");
}

#[test]
fn what_a_line_proved_is_remembered_over_a_crash() {
    for (crash, proved) in [(45, false), (46, true)] {
        let mut pace = Pace::default();
        for at in 0..5 {
            let _ = pace.dialled(at * SEC, LINE, 0, true);
            pace.ended(at * SEC, LINE, Fault::Transient, true);
        }
        assert!(pace.dialled(40 * SEC, LINE, 0, true).is_ok());
        pace.opened(40 * SEC, LINE);
        pace.data(41 * SEC, LINE);
        pace.restart(crash * SEC);
        let _ = pace.dialled(50 * SEC, LINE, 0, true);
        pace.ended(51 * SEC, LINE, Fault::Transient, true);
        assert_eq!(
            pace.dialled(52 * SEC, LINE, 0, true).is_ok(),
            proved,
            "one failure after a crash at {crash}"
        );
    }
}

#[test]
fn delays_grow_and_an_opened_socket_forgives_nothing() {
    let mut pace = Pace::default();
    let mut now = SEC;
    for wait in [1, 2, 4] {
        assert!(pace.dialled(now, LINE, 0, false).is_ok());
        pace.opened(now, LINE);
        pace.data(now, LINE);
        pace.ended(now, LINE, Fault::Transient, false);
        assert!(pace.dialled(now + wait * SEC / 2, LINE, 0, false).is_err(), "{wait}");
        now += wait * SEC;
    }
}

#[test]
fn service_makes_failures_good() {
    let mut pace = Pace::default();
    pace.opened(0, LINE);
    pace.data(0, LINE);
    pace.ended(70 * SEC, LINE, Fault::Transient, false);
    assert!(pace.dialled(70 * SEC, LINE, 0, false).is_ok());
}

#[test]
fn too_many_dials_in_five_minutes_are_seen() {
    let mut pace = Pace::default();
    let refused = (0..160).filter(|n| pace.dialled(n * SEC, LINE, 0, true).is_err()).count();
    assert_eq!(refused, 10);
}

#[test]
fn a_ping_without_an_answer_is_seen() {
    let mut pace = Pace::default();
    pace.pinged(0, LINE, b"x");
    assert!(pace.inspect(ANSWER).is_ok() && pace.inspect(ANSWER + 1).is_err());
    pace.ponged(LINE, b"x");
    assert!(pace.inspect(ANSWER + 1).is_ok());
}
