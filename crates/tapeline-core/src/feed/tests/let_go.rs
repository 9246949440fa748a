//! What was polled and is polled no more: nothing of it is called fresh.

use super::SECOND;
use super::pair::pair;
use super::toy::{Bench, book_of_a_cut_line, market, read};
use crate::feed::{Action, DialError, FetchId, Input, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::venue::{Decoded, Fetch, LineId, Refusal, TopicId};

fn fail(bench: &mut Bench, line: LineId) {
    let (stage, fault, detail) = (Stage::Tcp, Fault::Transient, "refused".into());
    bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
}

/// Passes so many seconds without a line. REST knows nothing new of trades; what is asked of anything else goes to
/// `answer`.
fn without_lines(bench: &mut Bench, seconds: u32, mut answer: impl FnMut(&mut Bench, FetchId, Fetch)) {
    for _ in 0..10 * seconds {
        bench.pass(SECOND / 10);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Fetch { id, topic, .. } if topic.as_str().contains("trade") => {
                    bench.input(Input::Fetched { id, result: Ok(Decoded::default()) });
                }
                Action::Fetch { id, why, .. } => answer(bench, id, why),
                Action::Dial { line, .. } => fail(bench, line),
                _ => {}
            }
        }
    }
}

/// A book that is polled, and a topic beside it for which REST always answers.
fn polled() -> (Bench, Outbox, [(Subscriber, Outbox); 1], Subscriber) {
    let (mut bench, who, mut outbox) = book_of_a_cut_line();
    let (other, trades) = Bench::reader(9, Overflow::Gap);
    bench.subscribe("toy:trade:R", &other);
    let mut last = 20;
    without_lines(&mut bench, 12, |bench, id, why| {
        if matches!(why, Fetch::Poll { .. }) {
            last += 1;
            bench.answer_with(id, last, (90, 110));
        }
    });
    assert!(market(&mut outbox).iter().any(|line| line.starts_with("snapshot 0 live")));
    (bench, outbox, [(other, trades)], who)
}

/// Whoever comes now is shown nothing that is called live, and the book is told to be old.
fn is_told_to_be_old(bench: &mut Bench, told: &[String]) {
    assert!(told.iter().any(|line| line.contains("stale")), "{told:?}");
    let (late, mut second) = Bench::reader(3, Overflow::Gap);
    bench.subscribe("toy:book:R", &late);
    let shown = read(&mut second);
    assert!(!shown.iter().any(|line| line.contains("live") && line.starts_with("snapshot")), "{shown:?}");
}

#[test]
fn a_book_that_rest_refuses_for_good_is_not_called_live_for_ever() {
    let (mut bench, mut outbox, _others, _who) = polled();
    without_lines(&mut bench, 20, |bench, id, _| {
        let refusal = Refusal::new(Fault::Configuration, "Invalid symbol.");
        bench.input(Input::Fetched { id, result: Err(refusal) });
    });
    let told = read(&mut outbox);
    is_told_to_be_old(&mut bench, &told);
}

#[test]
fn a_book_over_whose_replies_we_panic_is_not_called_live_while_it_is_set_aside() {
    let (mut bench, mut outbox, _others, _who) = polled();
    without_lines(&mut bench, 40, |bench, id, _| {
        let refusal = Refusal { panicked: true, ..Refusal::new(Fault::Local, "panicked") };
        bench.input(Input::Fetched { id, result: Err(refusal) });
    });
    assert_eq!(bench.feed.status(bench.now).topics[0].phase, "quarantined");
    let told = read(&mut outbox);
    is_told_to_be_old(&mut bench, &told);
}

#[test]
fn what_came_too_early_does_not_bring_a_book_to_life_that_the_venue_refuses() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(a, "d A 11 11 95 2");
    bench.hear(b, "d A 11 11 95 2");
    bench.cut(b);
    bench.pass(2 * SECOND);
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let again = bench.open();
    bench.accept(again, 2);
    bench.hear(again, "d A 11 11 95 2");
    bench.todo.clear();
    // A is ahead by one that nobody has brought when the venue lets nobody have the book any more.
    bench.hear(a, "d A 13 13 95 3");
    read(&mut outbox);
    bench.feed.reject(bench.now, TopicId(0), "no such toy");
    bench.collect();
    for _ in 0..500 {
        bench.pass(SECOND / 100);
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Fetch { id, .. } = action {
                bench.answer(id, 13);
            }
        }
    }
    let told = read(&mut outbox);
    let after = told.iter().skip_while(|line| !line.contains("rejected"));
    assert!(after.clone().count() > 0, "{told:?}");
    let mut after = after.filter(|line| line.starts_with("snapshot") && line.contains("live"));
    assert_eq!(after.next(), None, "{told:?}");
}
