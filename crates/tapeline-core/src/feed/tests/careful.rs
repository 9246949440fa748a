//! What is asked of REST when it may refuse: one thing, until it has answered.

use std::time::Duration;

use super::SECOND;
use super::poll::turn;
use super::toy::{Bench, live};
use crate::feed::{FetchId, Input};
use crate::outbox::{Outbox, Subscriber};
use crate::policy::fault::Fault;
use crate::venue::{Decoded, Refusal};

/// Four topics whose line is cut and cannot be dialled again, until the first of them is asked for over REST.
fn falling() -> (Bench, Vec<FetchId>, Subscriber, Outbox) {
    let (mut bench, line, who, outbox) = live("toy:trade:R");
    ["RA", "RB", "RC"].iter().for_each(|symbol| drop(bench.subscribe(&format!("toy:trade:{symbol}"), &who)));
    bench.hear(line, "t R 1 1");
    bench.cut(line);
    for _ in 0..200 {
        bench.pass(SECOND / 10);
        let asked: Vec<_> = turn(&mut bench, true).into_iter().map(|(id, _)| id).collect();
        if !asked.is_empty() {
            return (bench, asked, who, outbox);
        }
    }
    panic!("nothing is polled");
}

fn answer(bench: &mut Bench, id: FetchId, result: Result<Decoded, Refusal>) -> Vec<FetchId> {
    bench.input(Input::Fetched { id, result });
    turn(bench, true).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn when_polling_begins_one_request_goes_before_the_others() {
    let (mut bench, asked, _who, _outbox) = falling();
    assert_eq!(asked.len(), 1);
    let more = answer(&mut bench, asked[0], Ok(Decoded::default()));
    assert_eq!(more.len(), 3, "it has answered");
}

#[test]
fn a_request_that_hangs_does_not_keep_the_others_back_for_long() {
    let (mut bench, _asked, _who, _outbox) = falling();
    let mut more = 0;
    for _ in 0..12 {
        bench.pass(SECOND / 10);
        more += turn(&mut bench, true).len();
    }
    assert_eq!(more, 1, "one a second goes beside those that hang");
}

#[test]
fn after_it_was_held_off_rest_is_asked_for_one_thing_until_it_answers() {
    let (mut bench, asked, _who, _outbox) = falling();
    let more = answer(&mut bench, asked[0], Ok(Decoded::default()));
    let busy = || {
        let fault = Fault::RateLimited { retry_after: Some(Duration::from_secs(4)), banned: false };
        Err(Refusal::new(fault, "HTTP 429"))
    };
    let next: Vec<_> = more.into_iter().flat_map(|id| answer(&mut bench, id, busy())).collect();
    assert!(next.is_empty(), "nothing is asked while it is held");
    for round in 0..3 {
        let mut again = Vec::new();
        for _ in 0..400 {
            bench.pass(SECOND / 10);
            again.extend(turn(&mut bench, true).into_iter().map(|(id, _)| id));
            if !again.is_empty() {
                break;
            }
        }
        assert_eq!(again.len(), 1, "round {round}");
        let more = answer(&mut bench, again[0], busy());
        assert!(more.is_empty(), "round {round}");
    }
}
