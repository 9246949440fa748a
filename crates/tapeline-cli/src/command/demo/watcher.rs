//! What the demo shows besides the market: its lines, what was missed and told, how quickly all was right again;
//! and the faults, ordered by a key or by the script.

use std::collections::{BTreeSet, VecDeque};
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tapeline::{Data, Status, Topic, Update};
use tapeline_core::data::event::BookState;
use tapeline_core::data::update::GapKind;
use tapeline_sim::Server;

use super::faults::{Fault, due};
use super::verdict::Latest;
use crate::command::status::tone;
use crate::view::live::Extra;
use crate::view::number::{age, count};
use crate::view::text::{Line, Tone, width, wrapped};

/// A fault is blamed for what breaks within this time.
const BLAMED: Duration = Duration::from_secs(30);
/// Gaps and reconnects count for so long.
const GAPS_COUNT: Duration = Duration::from_secs(300);
const RECONNECTS_COUNT: Duration = Duration::from_secs(600);

/// Keeps count while faults strike.
pub(crate) struct Watcher<'a> {
    spot: &'a Server,
    futures: &'a Server,
    chaos: bool,
    started: Instant,
    /// Faults of the script that have struck.
    done: usize,
    /// The last fault until all was right again after it.
    struck: Option<(i64, &'static Fault)>,
    /// Books that are not right now, and since when the first of them is not.
    broken: BTreeSet<Topic>,
    broken_since: Option<i64>,
    /// The last time that all was right again: how long it took.
    recovered: Option<Duration>,
    recoveries: u64,
    gaps: u64,
    /// Ids of the venue that were declared lost.
    missed: u64,
    lines: Vec<Venue>,
    duplicates: u64,
    /// What the gateway says of the whole.
    verdict: Latest,
    /// When the last gap was declared and the last line lost: that is how long they are held against us.
    last_gap: Option<Instant>,
    last_reconnect: Option<Instant>,
    /// What is to be told and is not yet.
    said: VecDeque<String>,
}

/// One venue's lines.
#[derive(Debug, Default)]
struct Venue {
    name: String,
    /// The phase of its worst line.
    phase: &'static str,
    lines: usize,
    messages: u64,
    reconnects: u64,
    round_trip: Option<u64>,
    /// Where its data comes from and why, unless that is as it should be.
    fallback: Option<(&'static str, &'static str)>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(spot: &'a Server, futures: &'a Server, chaos: bool, verdict: Latest) -> Self {
        Self {
            spot,
            futures,
            chaos,
            started: Instant::now(),
            done: 0,
            struck: None,
            broken: BTreeSet::new(),
            broken_since: None,
            recovered: None,
            recoveries: 0,
            gaps: 0,
            missed: 0,
            lines: Vec::new(),
            duplicates: 0,
            verdict,
            last_gap: None,
            last_reconnect: None,
            said: VecDeque::new(),
        }
    }

    fn strike(&mut self, fault: &'static Fault) -> String {
        fault.strike(self.spot, self.futures);
        self.struck = Some((wall(), fault));
        format!("{}: {}", fault.name, fault.what)
    }

    /// One line of figures for where there is no terminal.
    pub(crate) fn summary(&self) -> String {
        let lines: Vec<String> =
            self.lines.iter().map(|venue| format!("{} {}", venue.name, venue.phase)).collect();
        let recovered =
            self.recovered.map_or("none".to_owned(), |took| format!("{:.2}s", took.as_secs_f64()));
        format!(
            "lines {} gaps {} missed {} duplicates {} reconnects {} recoveries {} last {recovered}",
            lines.join(" "),
            self.gaps,
            self.missed,
            self.duplicates,
            self.reconnects(),
            self.recoveries,
        )
    }

    /// The whole's level with its reasons, as `tapeline status` tells them, in always as many lines.
    fn health(&self, columns: usize) -> Vec<Line> {
        let verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone();
        const LEAD: usize = 26;
        let room = columns.saturating_sub(LEAD).max(1);
        let mut texts: Vec<String> = match verdict.reasons.as_slice() {
            [one] => wrapped(&self.until(one, room * 2), room).into_iter().map(str::to_owned).collect(),
            all => all.iter().map(|reason| self.until(reason, room)).collect(),
        };
        let more = verdict.reasons.len().saturating_sub(2);
        if let (Some(last), 1..) = (texts.get_mut(1), more) {
            last.push_str(&format!(" (+{more})"));
        }
        texts.resize(2, String::new());
        let first = Line::new().with(Tone::Plain, format!("{:<14}", "health"));
        let first = first.with(tone(&verdict.level), format!("● {:<10}", verdict.level));
        let leads = [first, Line::new().with(Tone::Plain, " ".repeat(LEAD))];
        leads.into_iter().zip(texts).map(|(lead, text)| lead.with(Tone::Dim, text)).collect()
    }

    /// A reason, and when it will be one no longer, where that is known; in fewer words where `room` is short.
    fn until(&self, reason: &str, room: usize) -> String {
        let (last, counts) = match reason {
            _ if reason.contains("gaps not filled") => (self.last_gap, GAPS_COUNT),
            _ if reason.contains("reconnects in") => (self.last_reconnect, RECONNECTS_COUNT),
            _ => (None, Duration::ZERO),
        };
        let Some(left) = last.and_then(|last| counts.checked_sub(last.elapsed())) else {
            return reason.to_owned();
        };
        let left = age(left.as_millis() as u64);
        let whole = format!("{reason}; forgiven in {left}");
        if width(&whole) <= room { whole } else { format!("{reason}; {left} left") }
    }

    fn reconnects(&self) -> u64 {
        self.lines.iter().map(|venue| venue.reconnects).sum()
    }

    fn book(&mut self, topic: &Topic, state: BookState, at: i64) {
        if state == BookState::Live {
            self.broken.remove(topic);
            if self.broken.is_empty()
                && let Some(since) = self.broken_since.take()
            {
                self.healed(since, at);
            }
        } else if state == BookState::Stale {
            self.broken.insert(topic.clone());
            self.broken_since.get_or_insert(at);
        }
    }

    /// All books are right again.
    fn healed(&mut self, broken_since: i64, now: i64) {
        if now < broken_since {
            // Doubted and believed again, with nothing new: what struck strikes still.
            return;
        }
        let recent = self.struck.filter(|(at, _)| between(*at, now) < BLAMED);
        let (since, name) = match recent {
            // Data is missing from the strike on, not from when it was noticed.
            Some((at, fault)) if fault.silences() => (at.min(broken_since), fault.name),
            Some((_, fault)) => (broken_since, fault.name),
            None => (broken_since, "trouble"),
        };
        if recent.is_some_and(|(_, fault)| fault.silences()) {
            self.struck = None;
        }
        let took = between(since, now);
        if took < Duration::from_millis(1) {
            // Replaced in the same breath: nobody has seen it broken.
            return;
        }
        self.recovered = Some(took);
        self.recoveries += 1;
        // What trades are missing turns out later: late ones are waited for before a gap is told.
        let text = format!("{name}: every book is right again after {}", shown(took));
        self.said.push_back(text);
    }
}

impl Extra for Watcher<'_> {
    fn key(&mut self, key: char) -> Option<String> {
        Fault::of(key).map(|fault| self.strike(fault))
    }

    fn update(&mut self, update: &Update) {
        match &update.data {
            // Told by when it was received: on its way to us it may have waited for others.
            Data::Book(book) => self.book(&update.topic, book.state, update.received.0),
            Data::Gap(gap) => {
                self.gaps += 1;
                self.last_gap = Some(Instant::now());
                if gap.kind == GapKind::Venue {
                    self.missed += gap.to.saturating_sub(gap.from) + 1;
                }
            }
            _ => {}
        }
    }

    fn look(&mut self, hub: &Status) -> Vec<String> {
        if self.chaos
            && let Some(fault) = due(self.started.elapsed(), self.done)
        {
            self.done += 1;
            let said = self.strike(fault);
            self.said.push_back(format!("chaos {}, {said}", self.done));
        }
        self.duplicates = 0;
        let before = self.reconnects();
        self.lines = hub.venues.iter().map(Venue::of).collect();
        if self.reconnects() > before {
            self.last_reconnect = Some(Instant::now());
        }
        for line in hub.venues.iter().filter_map(|venue| venue.feed.as_ref()).flat_map(|feed| &feed.lines) {
            self.duplicates += line.stats.duplicates;
        }
        self.said.drain(..).collect()
    }

    fn panel(&self, columns: usize) -> Vec<Line> {
        let mut panel = vec![Line::new().with(Tone::Dim, "─".repeat(columns))];
        panel.extend(self.lines.iter().map(Venue::line));
        let mut line = Line::new().with(Tone::Plain, format!("{:<14}", "stream"));
        let mut figure = |name: &str, value: String, tone: Tone| {
            line.push(Tone::Dim, format!("{name} "));
            line.push(tone, format!("{value}  "));
        };
        let tone = |number: u64| if number == 0 { Tone::Good } else { Tone::Warning };
        figure("gaps", count(self.gaps), tone(self.gaps));
        figure("missed trades", count(self.missed), tone(self.missed));
        figure("copies", count(self.duplicates), Tone::Plain);
        match (self.recovered, self.broken.len()) {
            (_, broken) if broken > 0 => figure("books to repair", count(broken as u64), Tone::Bad),
            (Some(took), _) => {
                figure("last repair", shown(took), Tone::Good);
            }
            (None, _) => figure("no trouble yet", String::new(), Tone::Dim),
        }
        panel.push(line);
        panel.extend(self.health(columns));
        panel
    }
}

impl Venue {
    fn of(status: &tapeline::VenueStatus) -> Self {
        let mut venue = Self { name: status.venue.clone(), phase: "halted", ..Self::default() };
        let Some(feed) = &status.feed else { return venue };
        venue.phase = "live";
        let ladder = &feed.fallback;
        venue.fallback = (ladder.number > 0).then_some((ladder.rung, ladder.reason));
        for line in &feed.lines {
            if line.phase != "live" {
                venue.phase = line.phase;
            }
            venue.lines += 1;
            venue.messages += line.stats.frames;
            venue.reconnects += line.stats.reconnects;
            venue.round_trip = venue.round_trip.max(line.round_trip_us);
        }
        venue
    }

    fn line(&self) -> Line {
        let tone = if self.phase == "live" { Tone::Good } else { Tone::Bad };
        let mut line = Line::new().with(Tone::Plain, format!("{:<14}", self.name));
        line.push(tone, format!("● {:<10}", self.phase));
        let lines = if self.lines == 1 { "1 line".to_owned() } else { format!("{} lines", self.lines) };
        line.push(Tone::Dim, format!("{lines:<8}"));
        line.push(Tone::Dim, format!("{:>9} messages", count(self.messages)));
        line.push(Tone::Dim, format!("  reconnects {:<4}", self.reconnects));
        if let Some((rung, reason)) = self.fallback {
            line.push(Tone::Warning, rung);
            line.push(Tone::Dim, format!(": {reason}"));
        } else if let Some(micros) = self.round_trip {
            line.push(Tone::Dim, format!("rtt {:.1} ms", micros as f64 / 1_000.0));
        }
        line
    }
}

/// The time of day in nanoseconds since 1970.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn between(from: i64, to: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

fn shown(took: Duration) -> String {
    match took.as_millis() {
        millis @ 0..100 => format!("{millis} ms"),
        _ => format!("{:.2} s", took.as_secs_f64()),
    }
}
