//! Polling where not everything goes well: topics that REST refuses, readers that come and go, holds, and prices that
//! cannot be believed.

use super::poll::{fallen, turn};
use super::toy::{Bench, SECOND, live, market, read};
use crate::data::topic::Topic;
use crate::feed::{Command, FetchId, Input};
use crate::outbox::{Outbox, Overflow, SubscriberId};
use crate::policy::fault::Fault;
use crate::venue::{Fetch, Refusal};

fn refuse(bench: &mut Bench, id: FetchId, fault: Fault) {
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "no such symbol")) });
}

fn rung(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).fallback.rung
}

#[test]
fn dials_that_fail_do_not_break_what_is_polled() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    let mut epochs = Vec::new();
    for _ in 0..300 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.quote(id, 5);
        }
        read(&mut outbox);
        epochs.push(bench.feed.status(bench.now).topics[0].position.epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 2, "the one before the cut, and that of what is polled");
}
