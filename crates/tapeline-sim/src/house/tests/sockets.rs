//! Troubles with connections and answers.

use super::*;

fn open(house: &mut House) -> SocketId {
    house.connect(house.now, HERE, "/stream?streams=btcusdt@trade").unwrap()
}

#[test]
fn connections_end_in_every_way_on_command() {
    for (line, expected) in [
        ("fin", Say::Fin),
        ("close", Say::Close { code: 1001, reason: "" }),
        ("close code=1012", Say::Close { code: 1012, reason: "" }),
    ] {
        let mut house = house(|_| {});
        let (first, second) = (open(&mut house), open(&mut house));
        order(&mut house, 0, &format!("at 5s {line} socket=1"));
        house.advance(5 * SECOND - 1);
        assert!(!said(&mut house, first).iter().any(Say::is_end));
        house.advance(10 * SECOND);
        let all = outputs(&mut house);
        let ends: Vec<_> = all.iter().filter(|(_, say)| say.is_end()).collect();
        assert_eq!(ends, [&(first, expected)], "{line}");
        assert!(all.iter().any(|(id, _)| *id == second), "the other goes on");
        assert_eq!(house.sockets().collect::<Vec<_>>(), [second]);
    }
}

#[test]
fn a_trouble_without_an_end_strikes_those_who_are_there_and_one_with_an_end_those_who_come() {
    let mut house = house(|_| {});
    let first = open(&mut house);
    order(&mut house, 0, "fin");
    assert_eq!(said(&mut house, first), [Say::Fin]);
    assert!(house.troubles().is_empty(), "it is over");
    let second = open(&mut house);
    order(&mut house, 0, "for 10s fin");
    assert_eq!(said(&mut house, second), [Say::Fin]);
    let third = open(&mut house);
    assert_eq!(said(&mut house, third), [Say::Fin]);
    house.advance(10 * SECOND);
    let fourth = open(&mut house);
    assert!(said(&mut house, fourth).is_empty() && house.troubles().is_empty());
    assert_eq!(house.report().troubles["fin"], 3);
}

#[test]
fn a_reset_comes_in_the_middle_of_the_frame_that_sets_it_off() {
    let mut house = house(|_| {});
    let socket = open(&mut house);
    order(&mut house, 0, "reset nth=4");
    house.advance(10 * SECOND);
    let said = said(&mut house, socket);
    let Say::Reset(text) = &said[3] else { panic!("{said:?}") };
    assert!(text.starts_with(b"{\"stream\":\"btcusdt@trade\"") && said.len() == 4);
}

#[test]
fn a_frozen_socket_is_told_nothing_more_and_never_ends() {
    let mut house = house(|_| {});
    let socket = open(&mut house);
    order(&mut house, 0, "at 2s freeze");
    house.advance(300 * SECOND);
    let heard = said(&mut house, socket);
    assert_eq!(heard.iter().position(|say| *say == Say::Stall), Some(heard.len() - 1));
    house.receive(300 * SECOND, socket, Said::Text(LIST));
    house.receive(300 * SECOND, socket, Said::Close);
    assert!(said(&mut house, socket).is_empty());
    assert_eq!(house.report().open, 1);
}

#[test]
fn a_shutdown_is_announced_before_the_cut() {
    let mut house = house(|_| {});
    let socket = open(&mut house);
    order(&mut house, 0, "shutdown by=3s");
    assert!(texts(&mut house, socket)[0].starts_with(b"{\"stream\":\"!serverShutdown\""));
    house.advance(3 * SECOND - 1);
    assert!(!said(&mut house, socket).contains(&Say::Fin));
    house.advance(3 * SECOND);
    assert_eq!(said(&mut house, socket), [Say::Fin]);
}

#[test]
fn connects_are_refused_with_any_status_for_a_while_and_on_one_host_only() {
    let mut house = house(|_| {});
    order(&mut house, 0, "for 10s refuse code=451 host=a.example");
    let at = |house: &mut House, now, url: &str| house.connect(now, HERE, url).map_err(|reply| reply.status);
    assert_eq!(at(&mut house, 1, "ws://a.example/ws"), Err(451));
    assert!(at(&mut house, 1, "ws://b.example/ws").is_ok());
    assert!(at(&mut house, 10 * SECOND, "ws://a.example/ws").is_ok());
    order(&mut house, 10 * SECOND, "refuse code=0 times=1");
    assert_eq!(at(&mut house, 10 * SECOND, "/ws"), Err(Reply::NO_CONNECTION));
    assert!(at(&mut house, 10 * SECOND, "/ws").is_ok());
    assert_eq!(house.report().refused, 2);
}

#[test]
fn flapping_connects_are_let_in_and_cut_soon_after() {
    let mut house = house(|_| {});
    order(&mut house, 0, "flap");
    let mut lives = Vec::new();
    for _ in 0..20 {
        let opened = house.now;
        let socket = house.connect(opened, HERE, "/ws").unwrap();
        while !said(&mut house, socket).contains(&Say::Fin) {
            house.advance(house.deadline().unwrap());
        }
        lives.push((house.now - opened) / 1_000_000);
    }
    assert!(lives.iter().all(|ms| (100..=10_000).contains(ms)), "{lives:?}");
    assert!(lives.iter().any(|ms| *ms != lives[0]), "{lives:?}");
}

#[test]
fn a_venue_may_send_no_pings_and_no_pongs() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws").unwrap();
    order(&mut house, 0, "for 50s no-ping");
    order(&mut house, 0, "for 50s no-pong");
    house.receive(1, socket, Said::Ping(b"x"));
    house.advance(45 * SECOND);
    assert!(said(&mut house, socket).is_empty());
    house.receive(50 * SECOND, socket, Said::Ping(b"x"));
    house.advance(60 * SECOND);
    assert!(matches!(said(&mut house, socket)[..], [Say::Pong(_), Say::Ping(_)]));
}

const SUBSCRIBE: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":3}"#;

/// What follows a SUBSCRIBE in the next ten seconds: texts with their moments.
fn after_subscribe(line: &str) -> Vec<(u64, Value)> {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws").unwrap();
    order(&mut house, 0, line);
    house.receive(0, socket, Said::Text(SUBSCRIBE));
    let mut all = Vec::new();
    while house.now < 10 * SECOND {
        all.extend(texts(&mut house, socket).iter().map(|text| (house.now, json(text))));
        house.advance(house.deadline().unwrap());
    }
    all
}

fn is_ack(value: &Value) -> bool {
    value.get("result").is_some()
}

#[test]
fn answers_come_late_after_data_wrong_or_never() {
    let late = after_subscribe("late-ack");
    assert!(!is_ack(&late[0].1));
    assert_eq!(late.iter().find(|(_, value)| is_ack(value)).unwrap().0, 5 * SECOND);
    let lost = after_subscribe("lost-ack");
    assert!(lost.len() > 5 && lost.iter().all(|(_, value)| !is_ack(value)));
    let after = after_subscribe("ack-after-data");
    assert!(!is_ack(&after[0].1) && is_ack(&after[1].1));
    let wrong = after_subscribe("wrong-id");
    assert_eq!(wrong[0].1["id"], 987_654_321);
    assert!(wrong.len() > 5);
    let error = after_subscribe("error-without-id");
    assert_eq!((error.len(), error[0].1["error"]["code"].as_u64()), (1, Some(2)));
    assert!(error[0].1.get("id").is_none());
}
