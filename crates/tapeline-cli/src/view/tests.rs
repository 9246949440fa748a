//! Whole pictures of a board, as text.

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, BookState, Level as BookLevel, Quote, Side, Trade};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Gap, GapKind, Level, Source, Status};
use tapeline_core::time::Unix;

use super::row::News;
use super::text::{Line, Tone};
use super::{Board, Frame, Grouping};

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn take(board: &mut Board, now: u64, name: &str, data: &Data, whole: bool) {
    take_received(board, now, now, (name, data, whole));
}

/// Takes at `now` what the feed received at another time.
fn take_received(board: &mut Board, now: u64, received: u64, (name, data, whole): (&str, &Data, bool)) {
    let (topic, received) = (topic(name), Unix(received as i64 * 1_000_000));
    board.take(now, News { topic: &topic, data, whole, source: Source::Live, count: 1, received });
}

fn trade(price: &str, size: &str) -> Data {
    Data::Trade(Trade { id: 1, price: decimal(price), size: decimal(size), side: Side::Buy })
}

fn book(bid: &str, ask: &str, state: BookState) -> Data {
    let level = |price: &str| BookLevel { price: decimal(price), size: decimal("1.5") };
    let levels = vec![level(bid), level(ask)].into_boxed_slice();
    Data::Book(Book { levels, bids: 1, venue_id: Some(7), state })
}

fn status(level: Level, phase: &'static str) -> Data {
    Data::Status(Box::new(Status {
        level,
        phase,
        source: Source::Cache,
        reason: "refused".into(),
        since: Unix(0),
    }))
}

fn picture(board: &mut Board, now: u64, size: (usize, usize), frame: &Frame) -> Vec<String> {
    board.draw(now, size, frame).iter().map(|line| line.render(size.0, false).trim_end().to_owned()).collect()
}

fn frame() -> Frame {
    let line = |text: &str| Line::new().with(Tone::Plain, text);
    Frame {
        title: "watch".to_owned(),
        panel: Vec::new(),
        footer: vec![line("q quit")],
        help: vec![line("help 1"), line("help 2")],
        page: vec![line("page 1"), line("page 2")],
    }
}

#[test]
fn what_is_only_said_again_does_not_look_fresh() {
    let name = "binance:book:BTCUSDT";
    let mut board = Board::new(Grouping::Topics, [topic(name)]);
    let live = book("1", "2", BookState::Live);
    take(&mut board, 1_000, name, &live, true);
    // Its line was doubted and answers: the same book is right again, but nothing new has come.
    take(&mut board, 4_000, name, &Data::Empty {}, false);
    take_received(&mut board, 4_000, 1_000, (name, &live, true));
    let row = |board: &mut Board| {
        let frame = Frame { title: "watch".to_owned(), ..Frame::default() };
        picture(board, 4_000, (100, 14), &frame)[2].clone()
    };
    assert!(row(&mut board).contains("3.0s"), "{}", row(&mut board));
    take_received(&mut board, 4_000, 3_900, (name, &live, true));
    assert!(row(&mut board).contains("now"), "{}", row(&mut board));
}

#[test]
fn a_topic_is_one_row_and_a_book_is_also_a_ladder() {
    let topics = ["binance:trade:BTCUSDT", "binance:book:BTCUSDT"];
    let mut board = Board::new(Grouping::Topics, topics.map(topic));
    take(&mut board, 1_000, topics[0], &trade("43210.5", "0.25"), false);
    take(&mut board, 1_000, topics[1], &book("43210.4", "43210.6", BookState::Live), true);
    let lines =
        picture(&mut board, 1_300, (100, 14), &Frame { title: "watch".to_owned(), ..Frame::default() });
    assert!(
        lines[0].starts_with("tapeline watch · binance") && lines[0].ends_with("2 topics · 6.7/s"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("TOPIC") && lines[1].ends_with("SOURCE"), "{}", lines[1]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&lines[2]), ["trade:BTCUSDT", "43210.5", "0.25", "3.3", "0.3s", "●", "live", "live"]);
    assert_eq!(words(&lines[3])[..4], ["book:BTCUSDT", "43210.4", "43210.6", "1.5"]);
    assert!(lines[5].starts_with("binance:book:BTCUSDT") && lines[5].ends_with("● live"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("── spread 0.2")), "{lines:?}");
}

#[test]
fn a_symbol_is_one_row_over_its_topics() {
    let mut board = Board::new(
        Grouping::Symbols,
        ["book", "quote", "trade"].map(|channel| topic(&format!("v:{channel}:X"))),
    );
    let quote = Quote {
        bid: decimal("1"),
        bid_size: decimal("2"),
        ask: decimal("3"),
        ask_size: decimal("4"),
        venue_id: None,
    };
    take(&mut board, 0, "v:quote:X", &Data::Quote(quote), false);
    take(&mut board, 0, "v:trade:X", &trade("2", "9"), false);
    let words =
        |board: &mut Board| board.summaries(100).remove(0).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(&mut board),
        "X bid 1 ask 3 size 2 × 4 last 2 size 9 trades 1 updates 2 gaps 0 book waiting"
    );
    take(&mut board, 0, "v:book:X", &book("1.5", "2.5", BookState::Live), true);
    // The verified book is the better quote.
    assert!(words(&mut board).starts_with("X bid 1.5 ask 2.5 "), "{}", words(&mut board));
    assert_eq!(
        board.draw(100, (80, 20), &Frame::default())[2].render(80, false).split_whitespace().nth(1),
        Some("1.5")
    );
}

#[test]
fn trouble_shows_in_the_state_and_gaps_as_a_notice() {
    let name = "v:book:X";
    let mut board = Board::new(Grouping::Topics, [topic(name)]);
    take(&mut board, 0, name, &book("1", "2", BookState::Live), true);
    take(&mut board, 0, name, &book("1", "2", BookState::Stale), false);
    assert!(picture(&mut board, 0, (100, 12), &frame())[2].contains("● stale"));
    take(&mut board, 0, name, &status(Level::Unhealthy, "waiting"), false);
    assert!(picture(&mut board, 0, (100, 12), &frame())[2].contains("● waiting"));
    let gap = Gap { kind: GapKind::Venue, from: 5, to: 9, reason: "ids jumped".into() };
    take(&mut board, 0, name, &Data::Gap(Box::new(gap)), false);
    let lines = picture(&mut board, 0, (100, 12), &frame());
    assert!(
        lines[0].contains("· 1 gap") && lines.iter().any(|line| line.contains("gap 5–9, ids jumped")),
        "{lines:?}"
    );
    assert!(!picture(&mut board, 60_000, (100, 12), &frame()).iter().any(|line| line.contains("ids jumped")));
}

#[test]
fn the_help_is_shown_where_there_is_room_and_the_page_of_keys_on_request() {
    let mut board = Board::new(Grouping::Topics, [topic("v:trade:X")]);
    let helps =
        |board: &mut Board, lines| picture(board, 0, (80, lines), &frame()).contains(&"help 2".to_owned());
    assert!(helps(&mut board, 40));
    assert!(!helps(&mut board, 16));
    for (columns, lines) in [(80, 24), (120, 40)] {
        board.toggle_help();
        assert_eq!(picture(&mut board, 0, (columns, lines), &frame()), ["page 1", "page 2"]);
        board.toggle_help();
        assert!(picture(&mut board, 0, (columns, lines), &frame()).len() == lines);
    }
}

#[test]
fn a_board_whose_gateway_is_away_does_not_look_alive() {
    let names = ["v:trade:X", "v:book:X", "v:trade:Y"];
    let mut board = Board::new(Grouping::Topics, names.map(topic));
    take(&mut board, 0, names[0], &trade("2", "9"), false);
    take(&mut board, 0, names[1], &book("1.5", "2.5", BookState::Live), true);
    let words = |board: &mut Board, now| picture(board, now, (110, 20), &Frame::default()).join("\n");
    assert_eq!(words(&mut board, 0).matches("● live").count(), 3);
    board.leave(0, Some("the gateway is away".to_owned()));
    let shown = words(&mut board, 60_000);
    // The rows, the ladder, and the words for as long as it lasts.
    assert_eq!((shown.matches("● away").count(), shown.matches("● live").count()), (4, 0), "{shown}");
    assert_eq!(shown.matches("cache").count(), 2, "{shown}");
    assert!(shown.ends_with("the gateway is away"), "{shown}");
    board.rejoin(60_000, Some("back".to_owned()), &[names[0].to_owned()]);
    let shown = words(&mut board, 60_000);
    // Of the trades nothing is missing; the book is right again with its snapshot.
    assert_eq!((shown.matches("● live").count(), shown.matches("● stale").count()), (1, 2), "{shown}");
    take(&mut board, 60_000, names[1], &book("1.5", "2.5", BookState::Live), true);
    assert_eq!(words(&mut board, 60_000).matches("● live").count(), 3);
}

#[test]
fn a_rejected_topic_and_one_that_brings_nothing_say_so_in_the_table() {
    let names = ["v:book:NOPE", "v:trade:NONE"];
    let mut board = Board::new(Grouping::Topics, names.map(topic));
    take(&mut board, 0, names[0], &book("1", "2", BookState::Syncing), true);
    take(&mut board, 0, names[0], &status(Level::Warning, "rejected"), false);
    take(&mut board, 0, names[1], &status(Level::Warning, "live"), false);
    let early = picture(&mut board, 9_000, (90, 20), &Frame::default()).join("\n");
    assert!(!early.contains("nothing has come yet"), "{early}");
    let shown = picture(&mut board, 10_000, (90, 20), &Frame::default());
    assert!(shown[3].contains("rejected; is the symbol right? refused"), "{shown:?}");
    assert!(shown[5].contains("nothing has come yet; is the symbol right?"), "{shown:?}");
    assert_eq!(shown.join("\n").matches("● rejected").count(), 2, "{shown:?}");
}

#[test]
fn the_last_three_events_stand_with_their_times_where_a_panel_is() {
    let mut board = Board::new(Grouping::Symbols, [topic("v:trade:X")]);
    board.begin(3_600);
    for (at, text) in
        [(0, "one"), (1_000, "two"), (2_000, "three"), (9_000, "four after 9 s"), (60_000, "four after 1 s")]
    {
        board.notice(at, text.to_owned());
    }
    let with_panel = Frame { panel: vec![Line::new().with(Tone::Plain, "panel")], ..frame() };
    let shown = picture(&mut board, 90_000, (80, 24), &with_panel).join("\n");
    assert!(!shown.contains("one"), "{shown}");
    assert!(shown.contains("01:00:01Z  two\n01:00:02Z  three\n01:01:00Z  four after 1 s"), "{shown}");
}

#[test]
fn a_busy_topic_that_pauses_has_a_marked_age() {
    let mut board = Board::new(Grouping::Topics, [topic("v:trade:X")]);
    for now in 0..50 {
        take(&mut board, now * 100, "v:trade:X", &trade("2", "9"), false);
    }
    let drawn = |board: &mut Board, now| board.draw(now, (100, 9), &Frame::default())[2].render(100, true);
    assert!(!drawn(&mut board, 5_800).contains("\u{1b}[33m"));
    assert!(drawn(&mut board, 6_000).contains("\u{1b}[33m1.1s"));
}

#[test]
fn a_picture_never_exceeds_its_window() {
    let names: Vec<String> =
        (0..30).flat_map(|n| [format!("v:trade:S{n}"), format!("v:book:S{n}")]).collect();
    for grouping in [Grouping::Topics, Grouping::Symbols] {
        let mut board = Board::new(grouping, names.iter().map(|name| topic(name)));
        for name in &names {
            let data = if name.contains("book") {
                book("1", "2", BookState::Live)
            } else {
                trade("123456.789", "5")
            };
            take(&mut board, 0, name, &data, true);
        }
        for helping in [false, true] {
            for (columns, lines) in
                (0..130).step_by(13).flat_map(|columns| (0..60).map(move |lines| (columns, lines)))
            {
                let drawn = board.draw(0, (columns, lines), &frame());
                assert!(drawn.len() <= lines, "{columns}x{lines}");
            }
            if !helping {
                board.toggle_help();
            }
        }
        board.toggle_help();
        let lines = picture(&mut board, 0, (80, 10), &frame());
        assert!(lines.iter().any(|line| line.contains("more; a taller window shows them")), "{lines:?}");
    }
}
