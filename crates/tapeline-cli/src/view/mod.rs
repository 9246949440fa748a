//! The terminal view: a board that takes updates and draws itself as lines of text. It knows neither a
//! terminal nor a clock; time comes in as milliseconds.

pub(crate) mod ladder;
pub(crate) mod live;
mod market;
pub(crate) mod number;
pub(crate) mod rate;
pub(crate) mod row;
pub(crate) mod screen;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::collections::{HashMap, VecDeque};

use tapeline_core::data::channel::Shape;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;

use number::{age, count, rate};
use rate::Rate;
use row::{News, Row};
use table::{Column, Field};
use text::{Line, Tone};

/// How topics become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// One row per topic.
    Topics,
    /// One row per symbol, put together from its quote, trade and book topics.
    Symbols,
}

/// What is shown above and below the figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    /// The first line.
    pub(crate) title: String,
    /// Lines below the figures.
    pub(crate) panel: Vec<Line>,
    /// Lines below everything, kept at the bottom.
    pub(crate) footer: Vec<Line>,
    /// Shown above the footer where there is room.
    pub(crate) help: Vec<Line>,
    /// Shown in place of everything on request.
    pub(crate) page: Vec<Line>,
}

/// Everything shown.
#[derive(Debug)]
pub(crate) struct Board {
    grouping: Grouping,
    rows: Vec<Row>,
    index: HashMap<Topic, usize>,
    total: Rate,
    /// The last things worth a line, the oldest first.
    notices: VecDeque<(u64, String)>,
    /// The second of the day at which the board's time began, for the times of notices.
    began: u64,
    /// What is to be said while whoever feeds the board is away.
    away: Option<String>,
    /// Whether the page of keys was asked for.
    helping: bool,
}

/// So many notices are kept.
const NOTICES: usize = 3;
/// A notice stays for so long.
const NOTICED: u64 = 15_000;
/// Lines that a title and a ladder of some depth want.
const SPARE: usize = 17;
/// A wider ladder would only have longer bars.
const WIDEST: usize = 60;
/// The narrowest ladder that can be read.
const LADDER: usize = 36;

impl Board {
    /// A board on which nothing stands yet; `topics` get their rows at once, in this order.
    pub(crate) fn new(grouping: Grouping, topics: impl IntoIterator<Item = Topic>) -> Self {
        let mut board = Self {
            grouping,
            rows: Vec::new(),
            index: HashMap::new(),
            total: Rate::default(),
            notices: VecDeque::new(),
            began: 0,
            away: None,
            helping: false,
        };
        for topic in topics {
            board.row(&topic);
        }
        board
    }

    fn row(&mut self, topic: &Topic) -> &mut Row {
        let next = self.rows.len();
        let at = *self.index.entry(topic.clone()).or_insert(next);
        if at == next {
            self.rows.push(Row::new(topic.clone()));
        }
        &mut self.rows[at]
    }

    /// Takes one update that came at `now`.
    pub(crate) fn take<'a>(&mut self, now: u64, update: impl Into<News<'a>>) {
        let news = update.into();
        self.total.add(now, news.count);
        // A market of many symbols has its gaps counted: told one by one they would hide all else.
        if let Data::Gap(gap) = news.data
            && self.grouping == Grouping::Topics
        {
            let text = format!("{}: gap {}–{}, {}", news.topic, gap.from, gap.to, gap.reason);
            self.notice(now, text);
        }
        self.row(news.topic).take(now, news);
    }

    /// Shows a line of text for a while.
    pub(crate) fn notice(&mut self, now: u64, text: String) {
        // What happens again and again takes one place.
        let what = |text: &str| text.split_once(" after ").map(|(what, _)| what.to_owned());
        if self.notices.back().is_some_and(|(_, last)| what(last).is_some() && what(last) == what(&text)) {
            self.notices.pop_back();
        }
        if self.notices.len() >= NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back((now, text));
    }

    /// Whoever feeds the board is away: nothing on it is known to be so still.
    pub(crate) fn leave(&mut self, now: u64, said: Option<String>) {
        self.rows.iter_mut().for_each(Row::leave);
        if let Some(said) = said {
            self.notice(now, said.clone());
            self.away = Some(said);
        }
    }

    /// Whoever feeds the board is back; of the topics in `whole` nothing is missing.
    pub(crate) fn rejoin(&mut self, now: u64, said: Option<String>, whole: &[String]) {
        for row in &mut self.rows {
            row.rejoin(whole.iter().any(|topic| topic == row.topic.as_str()));
        }
        if let Some(away) = self.away.take() {
            self.notices.retain(|(_, text)| *text != away);
        }
        if let Some(said) = said {
            self.notice(now, said);
        }
    }

    /// Tells the second of the day at which the board's time began.
    pub(crate) const fn begin(&mut self, second_of_day: u64) {
        self.began = second_of_day;
    }

    /// Shows the page of keys, or no longer.
    pub(crate) const fn toggle_help(&mut self) {
        self.helping = !self.helping;
    }

    /// Whether the page of keys is shown.
    pub(crate) const fn is_helping(&self) -> bool {
        self.helping
    }

    /// The whole screen: at most `size.1` lines of `size.0` columns.
    pub(crate) fn draw(&mut self, now: u64, size: (usize, usize), frame: &Frame) -> Vec<Line> {
        let (columns, lines) = size;
        if self.helping && !frame.page.is_empty() {
            return frame.page.iter().take(lines).cloned().collect();
        }
        let mut top = vec![self.title(now, columns, &frame.title)];
        let rows = match self.grouping {
            Grouping::Topics => self.by_topic(now, columns),
            Grouping::Symbols => self.by_symbol(now, columns),
        };
        let bottom = self.bottom(now, size, rows.len(), frame);
        let room = lines.saturating_sub(top.len() + bottom.len());
        let ladders = self.ladders(columns, room.saturating_sub(rows.len() + 1));
        let for_rows = if ladders.is_empty() { room } else { room.saturating_sub(ladders.len() + 1) };
        top.extend(clipped(rows, for_rows));
        if !ladders.is_empty() {
            top.push(Line::new());
            top.extend(ladders);
        }
        let gap = lines.saturating_sub(top.len() + bottom.len());
        top.extend(std::iter::repeat_n(Line::new(), gap));
        top.extend(bottom);
        top.truncate(lines);
        top
    }

    /// Notices, help and the footer, as far as there is room for them beside the figures.
    fn bottom(&self, now: u64, (columns, lines): (usize, usize), rows: usize, frame: &Frame) -> Vec<Line> {
        let mut bottom = Vec::new();
        if frame.panel.is_empty() {
            bottom.extend(self.latest(now, columns));
        } else {
            // Always as many lines, so that nothing moves when something is told.
            let taken = rows + frame.panel.len() + frame.footer.len() + 1;
            let reserved = if lines > taken + NOTICES { NOTICES + 1 } else { 2 };
            let told = self.events(now, columns, reserved);
            let blank = reserved - told.len();
            bottom.extend(told);
            bottom.extend(std::iter::repeat_n(Line::new(), blank));
            bottom.extend(frame.panel.iter().cloned());
        }
        // The help takes no more than what the figures and a readable ladder leave.
        let taken = rows + frame.help.len() + frame.panel.len() + frame.footer.len();
        let spare = lines.saturating_sub(taken) > SPARE;
        if !frame.help.is_empty() && spare {
            bottom.push(Line::new());
            bottom.extend(frame.help.iter().cloned());
        }
        bottom.extend(frame.footer.iter().cloned());
        let most = lines.saturating_sub(4);
        bottom.split_off(bottom.len().saturating_sub(most))
    }

    /// What was told lately, whole.
    fn latest(&self, now: u64, columns: usize) -> Vec<Line> {
        let recent = self.notices.iter().filter(|(at, _)| now.saturating_sub(*at) < NOTICED);
        let mut texts: Vec<&str> = recent.map(|(_, text)| text.as_str()).collect();
        if let Some(away) = self.away.as_deref().filter(|away| !texts.contains(away)) {
            texts.push(away);
        }
        let lines = texts.into_iter().flat_map(|text| text::wrapped(text, columns));
        lines.map(|line| Line::new().with(Tone::Warning, line)).collect()
    }

    /// The last things told, each with its time, in at most `most` lines: the newest whole, the others cut.
    fn events(&self, now: u64, columns: usize, most: usize) -> Vec<Line> {
        const TIME: usize = 11;
        let mut out: VecDeque<Line> = VecDeque::new();
        for (place, (at, text)) in self.notices.iter().rev().enumerate() {
            let second = (self.began + at / 1_000) % 86_400;
            let time = format!("{:02}:{:02}:{:02}Z  ", second / 3_600, second / 60 % 60, second % 60);
            let fresh = now.saturating_sub(*at) < NOTICED;
            let tone = if place == 0 && fresh { Tone::Warning } else { Tone::Dim };
            let lines = text::wrapped(text, columns.saturating_sub(TIME).max(1));
            let lines = &lines[..lines.len().min(if place == 0 { 2 } else { 1 })];
            if out.len() + lines.len() > most {
                break;
            }
            for (row, line) in lines.iter().enumerate().rev() {
                let lead = if row == 0 { time.clone() } else { " ".repeat(TIME) };
                out.push_front(Line::new().with(Tone::Dim, lead).with(tone, *line));
            }
        }
        out.into()
    }

    fn title(&mut self, now: u64, columns: usize, title: &str) -> Line {
        let gaps: u64 = self.rows.iter().map(|row| row.gaps).sum();
        let topics = plural(self.rows.len() as u64, "topic");
        let mut figures = format!("{topics} · {}/s", rate(self.total.per_second(now)));
        if gaps > 0 {
            figures.push_str(&format!(" · {}", plural(gaps, "gap")));
        }
        let mut line = Line::new().with(Tone::Accent, "tapeline ");
        let title = match (self.grouping, self.venue()) {
            (Grouping::Topics, Some(venue)) => format!("{title} · {venue}"),
            _ => title.to_owned(),
        };
        let room = columns.saturating_sub(line.width() + text::width(&figures) + 2);
        line.push(Tone::Strong, text::cut(&title, room));
        line.fill_to(columns.saturating_sub(text::width(&figures)));
        line.with(Tone::Dim, figures)
    }

    /// The venue, if all topics are of one.
    fn venue(&self) -> Option<&str> {
        let first = self.rows.first()?.topic.venue();
        self.rows.iter().all(|row| row.topic.venue() == first).then_some(first)
    }

    fn by_topic(&mut self, now: u64, columns: usize) -> Vec<Line> {
        const COLUMNS: &[Column] = &[
            Column { name: "TOPIC", right: false, spare: 0, least: 16 },
            Column { name: "PRICE / BID", right: true, spare: 0, least: 12 },
            Column { name: "ASK", right: true, spare: 1, least: 0 },
            Column { name: "SIZE", right: true, spare: 3, least: 8 },
            Column { name: "NOTE", right: false, spare: 5, least: 0 },
            Column { name: "RATE/S", right: true, spare: 2, least: 6 },
            Column { name: "AGE", right: true, spare: 0, least: 4 },
            Column { name: "STATE", right: false, spare: 0, least: 9 },
            Column { name: "SOURCE", right: false, spare: 4, least: 0 },
        ];
        let venue = self.venue().map_or(0, |venue| venue.len() + 1);
        let fields: Vec<Vec<Field>> = self.rows.iter_mut().map(|row| topic_fields(row, venue, now)).collect();
        let mut lines = table::draw(COLUMNS, &fields, columns);
        // From below, so that what is inserted moves nothing that is still to be looked at.
        for (at, row) in self.rows.iter().enumerate().rev() {
            if let Some(remark) = row.remark(now) {
                lines.insert(at + 2, Line::new().with(Tone::Warning, format!("  {remark}")));
            }
        }
        lines
    }

    /// The books side by side, as many as fit beside each other, in at most `lines` lines.
    fn ladders(&self, columns: usize, lines: usize) -> Vec<Line> {
        let books: Vec<&Row> =
            self.rows.iter().filter(|row| row.topic.channel().shape() == Shape::Book).collect();
        let depth = (lines.saturating_sub(2) / 2).min(10);
        if books.is_empty() || depth < 2 {
            return Vec::new();
        }
        let beside = (columns / LADDER).clamp(1, books.len().max(1)).min(3);
        let wide = ((columns + 2) / beside - 2).min(WIDEST);
        let mut out: Vec<Line> = Vec::new();
        for (place, row) in books.iter().take(beside).enumerate() {
            let unknown = ladder::Ladder::default();
            let ladder = row.ladder.as_deref().unwrap_or(&unknown);
            for (at, line) in
                ladder.draw(row.topic.as_str(), row.state(), depth, wide).into_iter().enumerate()
            {
                if out.len() <= at {
                    out.push(Line::new());
                }
                out[at].fill_to(place * (wide + 2));
                out[at].append(line);
            }
        }
        out
    }
}

/// `skip`: bytes of the topic that stand in the title already.
fn topic_fields(row: &mut Row, skip: usize, now: u64) -> Vec<Field> {
    let (tone, word) = row.state();
    let per_second = row.rate.per_second(now);
    vec![
        (Tone::Strong, row.topic.as_str().get(skip..).unwrap_or_default().to_owned()),
        (row.tone(now), row.price_text(row.price)),
        (Tone::Plain, row.price_text(row.ask)),
        (Tone::Plain, row.size_text()),
        (Tone::Dim, row.note.clone()),
        (Tone::Dim, rate(per_second)),
        (row.age_tone(now), row.seen.map_or("–".to_owned(), |seen| age(now.saturating_sub(seen)))),
        (tone, format!("● {word}")),
        (Tone::Dim, if row.seen.is_some() { row.source().to_owned() } else { String::new() }),
    ]
}

fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The first lines, and how many more there are.
fn clipped(mut lines: Vec<Line>, room: usize) -> Vec<Line> {
    if lines.len() > room && room > 0 {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line::new().with(Tone::Dim, format!("… {more} more; a taller window shows them")));
    }
    lines.truncate(room);
    lines
}
