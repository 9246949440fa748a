//! What ends an outage: the next event on a line, or an answer over REST that leaves nothing open.

use std::sync::Arc;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Side, Trade};
use tapeline_core::data::update::{Epoch, Kind, Position, Update};
use tapeline_core::time::Unix;

use super::super::super::clock::MS;
use super::*;

const TOPIC: &str = "binance:trade:BTCUSDT";
const STREAM: &str = "btcusdt@trade";
const NEWS: &str = "Poll { after: Some(5) }";

/// What the world logs of one topic, line by line.
struct Log {
    honest: Honest,
    now: u64,
}

impl Log {
    /// A line stands, and brought trades 0 to 5 in as many seconds.
    fn standing(brittle: bool) -> Self {
        let topics = [(TOPIC.parse().unwrap(), Box::from(STREAM))];
        let honest = Honest::new(0, 0, topics.into_iter()).reading(brittle);
        let mut log = Self { honest, now: 0 };
        log.honest.begin(0, |_, _| false);
        log.say("reader 0 reads binance:trade:BTCUSDT (new)");
        log.line(1);
        log.agree(1);
        for second in 0..6 {
            log.at(second * SEC + MS);
            log.frame(1, STREAM, second);
            log.reader(second);
        }
        log.at(10 * SEC);
        log
    }

    /// A line is cut at 10 s after trade 5, and back at 11 s with data of another topic; trades 6 and 7 were missed.
    fn cut(brittle: bool) -> Self {
        let mut log = Self::standing(brittle);
        log.say("host 0 line 0.1 closed: None Transient reset");
        log.at(11 * SEC);
        log.line(2);
        log
    }

    fn at(&mut self, now: u64) {
        self.now = now;
    }

    fn take(&mut self, deed: &Deed) {
        self.honest.take(self.now, deed, |_, _| false);
    }

    fn say(&mut self, text: &str) {
        self.take(&Deed::Told(text.to_owned()));
    }

    /// A line opens and asks for the stream.
    fn line(&mut self, dial: u32) {
        self.say(&format!("host 0 line 0.{dial} open as socket {dial}"));
        let asked = format!(r#"{{"method":"SUBSCRIBE","params":["{STREAM}","ethusdt@trade"],"id":{dial}}}"#);
        self.say(&format!("host 0 line 0.{dial} > {asked}"));
    }

    fn hear(&mut self, dial: u32, text: String) {
        self.take(&Deed::Frame(0, tapeline_core::venue::LineId { slot: 0, dial }, text.into()));
    }

    /// The venue says that it will bring what was asked for.
    fn agree(&mut self, dial: u32) {
        self.hear(dial, format!(r#"{{"result":null,"id":{dial}}}"#));
    }

    fn frame(&mut self, dial: u32, stream: &str, id: u64) {
        self.hear(dial, format!(r#"{{"stream":"{stream}","data":{{"e":"trade","t":{id}}}}}"#));
    }

    fn reader(&mut self, id: u64) {
        let trade = Trade { id, price: Decimal::ZERO, size: Decimal::ZERO, side: Side::Buy };
        let at = Position { epoch: Epoch::new(1), offset: id + 1 };
        let data = Data::Trade(trade);
        let update = Update::new(TOPIC.parse().unwrap(), at, Kind::Event, Unix(0), data);
        self.take(&Deed::Delivered(0, Arc::new(update)));
    }

    /// News are asked for, and come half a second later with what the reader then gets.
    fn ask(&mut self, at: u64, why: &str, newest: u64, brought: impl Iterator<Item = u64>) {
        self.at(at);
        self.say(&format!("host 0 fetches {TOPIC} as 9 {why}"));
        self.at(at + SEC / 2);
        self.say(&format!("host 0 fetch 9 brought 2 things, the venue was at {newest}"));
        brought.for_each(|id| self.reader(id));
    }

    /// When the outages ended, in milliseconds.
    fn ends(self) -> Vec<Option<u64>> {
        let (outages, _) = self.honest.end(20 * SEC, |_, _| false);
        outages
            .into_values()
            .flatten()
            .map(|one| one.end.filter(|_| one.repaired).map(|end| end / MS))
            .collect()
    }
}

#[test]
fn the_next_event_on_a_line_ends_an_outage_once_nothing_is_missing() {
    let mut log = Log::cut(false);
    log.agree(2);
    log.at(12 * SEC);
    log.frame(2, STREAM, 8);
    log.at(13 * SEC);
    (6..=8).for_each(|id| log.reader(id));
    assert_eq!(log.ends(), [Some(13_000)]);
}

#[test]
fn who_is_set_aside_is_back_when_a_line_brings_it_again_and_nothing_is_missing() {
    let again = format!(r#"host 0 line 0.1 > {{"method":"SUBSCRIBE","params":["{STREAM}"],"id":9}}"#);
    let back = |promised: bool, told: bool| {
        let mut log = Log::standing(true);
        log.say("host 0 must set aside btcusdt@trade until 0:01:10.000000");
        log.at(70 * SEC);
        log.say(&again);
        if promised {
            log.hear(1, r#"{"result":null,"id":9}"#.to_owned());
        }
        log.at(71 * SEC);
        log.frame(1, STREAM, 8);
        log.at(72 * SEC);
        (6..=8).filter(|id| told || *id != 7).for_each(|id| log.reader(id));
        log.ends()
    };
    let ends = [back(true, true), back(true, false), back(false, true)];
    assert_eq!(ends, [[Some(72_000)], [None], [None]]);
}

#[test]
fn a_message_that_cannot_be_borne_tells_of_nothing() {
    let mut log = Log::cut(true);
    log.agree(2);
    log.at(12 * SEC);
    log.hear(2, format!(r#"{{"stream":"{STREAM}","data":{{"ß":"☃","e":"trade","t":8}}}}"#));
    (6..=8).for_each(|id| log.reader(id));
    assert_eq!(log.ends(), [None], "the line has shown nothing");
}

#[test]
fn an_answer_ends_an_outage_if_the_reader_has_all_there_was() {
    let mut log = Log::cut(false);
    log.agree(2);
    log.frame(2, "ethusdt@trade", 1);
    log.ask(12 * SEC, NEWS, 7, 6..=7);
    assert_eq!(log.ends(), [Some(12_500)]);
}

#[test]
fn an_answer_that_leaves_something_out_ends_nothing_until_that_has_come() {
    let mut log = Log::cut(false);
    log.agree(2);
    log.frame(2, "ethusdt@trade", 1);
    log.ask(12 * SEC, NEWS, 7, 6..=6);
    log.at(15 * SEC);
    log.reader(7);
    assert_eq!(log.ends(), [Some(15_000)]);
}

#[test]
fn an_answer_to_what_was_asked_too_early_or_for_something_else_ends_nothing() {
    // The line has brought nothing, has not agreed, is another one by then; what fills a hole tells nothing of the rest.
    let mut unproven = Log::cut(false);
    unproven.agree(2);
    unproven.ask(12 * SEC, NEWS, 7, 6..=7);
    unproven.frame(2, "ethusdt@trade", 1);
    let mut unagreed = Log::cut(false);
    unagreed.frame(2, "ethusdt@trade", 1);
    unagreed.ask(12 * SEC, NEWS, 7, 6..=7);
    unagreed.agree(2);
    let mut again = Log::cut(false);
    again.agree(2);
    again.frame(2, "ethusdt@trade", 1);
    again.at(12 * SEC);
    again.say(&format!("host 0 fetches {TOPIC} as 9 {NEWS}"));
    again.say("host 0 line 0.2 closed: None Transient reset");
    again.line(3);
    again.agree(3);
    again.frame(3, "ethusdt@trade", 2);
    again.at(13 * SEC);
    again.say("host 0 fetch 9 brought 2 things, the venue was at 7");
    (6..=7).for_each(|id| again.reader(id));
    let mut hole = Log::cut(false);
    hole.agree(2);
    hole.frame(2, "ethusdt@trade", 1);
    hole.ask(12 * SEC, "Backfill { from: 6, to: 7 }", 7, 6..=7);
    for (name, log) in [("unproven", unproven), ("unagreed", unagreed), ("again", again), ("hole", hole)] {
        assert_eq!(log.ends(), [None], "{name}");
    }
}
