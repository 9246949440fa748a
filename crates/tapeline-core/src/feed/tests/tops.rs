//! The top of a book as a topic of its own.

use super::toy::{Bench, live, market};
use crate::outbox::Overflow;

#[test]
fn a_top_is_cut_from_the_book_that_runs_anyway() {
    let (mut bench, line, _who, mut books) = live("toy:book:A");
    let (other, mut tops) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:depth:A@levels=1", &other);
    bench.hear(line, "d A 10 10 95 1");
    let asked = bench.todo.iter().position(|action| matches!(action, crate::feed::Action::Fetch { .. }));
    bench.todo.rotate_left(asked.unwrap());
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    assert_eq!(market(&mut tops), ["snapshot 0 live 1+1"]);
    bench.hear(line, "d A 11 11 80 1");
    assert!(market(&mut tops).is_empty(), "what lies deeper does not matter");
    bench.hear(line, "d A 12 12 95 2");
    assert_eq!(market(&mut tops), ["delta 1 live 2+0"], "the new best bid, and the old one goes");
    bench.cut(line);
    assert_eq!(market(&mut tops), ["delta 2 stale 0+0"]);
    assert!(market(&mut books).last().unwrap().contains("stale"));
}

#[test]
fn an_array_begins_each_epoch_with_a_snapshot_and_forgets_what_was_before() {
    let (mut bench, line, _who, mut outbox) = live("toy:mark_price:!all");
    bench.hear(line, "k 1 X Y");
    bench.hear(line, "k 2 X");
    assert_eq!(market(&mut outbox), ["snapshot 0 x y", "delta 1 x"]);
    bench.cut(line);
    bench.pass(super::SECOND * 2);
    let line = bench.open();
    bench.accept(line, 2);
    bench.hear(line, "k 3 Y");
    assert_eq!(market(&mut outbox), ["snapshot 0 y"]);
    let (late, mut second) = Bench::reader(3, Overflow::Gap);
    bench.subscribe("toy:mark_price:!all", &late);
    assert_eq!(market(&mut second), ["snapshot 0 y"], "what was told before the break is not known any more");
}
