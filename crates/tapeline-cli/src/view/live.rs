//! A board on the terminal, fed by a hub of our own or by a gateway, until somebody ends it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapeline::{Hub, Subscription, Update};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::screen::{Key, Screen, keys, size};
use super::text::Line;
use super::{Board, Frame};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::remote::envelope::Envelope;
use crate::remote::stream::{Heard, Incoming};
use crate::stop::Stop;
use crate::trouble::Trouble;

/// Pictures per second are enough for the eye and little work for a terminal far away.
const PICTURE: Duration = Duration::from_millis(66);
/// How often troubles and figures of the lines are looked for.
const LOOK: Duration = Duration::from_millis(250);

/// Where a board gets its figures from.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// A hub of our own.
    Near {
        /// The source of troubles to be told.
        hub: &'a Hub,
        /// The source of figures.
        subscription: &'a mut Subscription,
    },
    /// A gateway.
    Far(&'a mut Incoming),
}

/// What a command shows and does besides the board.
pub(crate) trait Extra {
    /// A key was pressed; what to tell about it.
    fn key(&mut self, key: char) -> Option<String>;
    /// An update has come.
    fn update(&mut self, update: &Update);
    /// Looks at the hub; what to tell at once.
    fn look(&mut self, hub: &tapeline::Status) -> Vec<String>;
    /// Lines between the board and the footer.
    fn panel(&self, columns: usize) -> Vec<Line>;
}

/// A board and what is around it.
pub(crate) struct Live<'a> {
    /// Where figures come from.
    pub(crate) source: Source<'a>,
    /// What is shown.
    pub(crate) board: Board,
    /// What is shown around it.
    pub(crate) frame: Frame,
    /// When to leave without being asked.
    pub(crate) until: Option<Instant>,
    /// What else is shown.
    pub(crate) extra: Option<&'a mut dyn Extra>,
}

impl Live<'_> {
    /// Shows the board until a key, a signal, the deadline, or the end of the source.
    pub(crate) async fn show(mut self, colour: bool, stop: &mut Stop) -> Result<Exit, Failed> {
        let failed = |error: std::io::Error| Failed::new(Exit::Failure, format!("terminal: {error}"));
        log::keep();
        let mut screen = match Screen::open(colour) {
            Ok(screen) => screen,
            Err(error) => {
                log::release();
                return Err(failed(error));
            }
        };
        let outcome = self.run(&mut screen, stop).await;
        let closed = screen.close().map_err(failed);
        log::release();
        let exit = outcome.map_err(failed)??;
        closed?;
        Ok(exit)
    }

    async fn run(&mut self, screen: &mut Screen, stop: &mut Stop) -> std::io::Result<Result<Exit, Failed>> {
        let start = Instant::now();
        self.board.begin(second_of_day());
        let millis = || start.elapsed().as_millis() as u64;
        let mut pictures = interval(PICTURE);
        let mut looks = interval(LOOK);
        for timer in [&mut pictures, &mut looks] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut keys = keys();
        let mut trouble = Trouble::default();
        let mut batch = Batch::default();
        // A year is as good as never.
        let until = self.until.unwrap_or_else(|| start + Duration::from_secs(365 * 86_400));
        loop {
            tokio::select! {
                exit = stop.asked() => return Ok(Ok(exit)),
                Some(key) = keys.recv() => match key {
                    Key::Interrupt => return Ok(Ok(Exit::Interrupted)),
                    // Any key leads back from the page of keys.
                    _ if self.board.is_helping() => self.board.toggle_help(),
                    Key::Quit => return Ok(Ok(Exit::Done)),
                    Key::Help if self.frame.page.is_empty() => {}
                    Key::Help => self.board.toggle_help(),
                    Key::None => {}
                    Key::Other(key) => {
                        if let Some(said) = self.extra.as_mut().and_then(|extra| extra.key(key)) {
                            self.board.notice(millis(), said);
                        }
                    }
                },
                () = sleep_until(until) => return Ok(Ok(Exit::Done)),
                _ = pictures.tick() => self.picture(millis(), screen)?,
                _ = looks.tick() => self.look(millis(), &mut trouble).await,
                some = self.source.next_batch(&mut batch) => {
                    if !some {
                        return Ok(Ok(Exit::Failure));
                    }
                    if let Some(extra) = &mut self.extra {
                        batch.near.iter().for_each(|update| extra.update(update));
                    }
                    if let Some(failed) = batch.show(millis(), &mut self.board) {
                        return Ok(Err(failed));
                    }
                }
            }
        }
    }

    fn picture(&mut self, now: u64, screen: &mut Screen) -> std::io::Result<()> {
        for line in log::taken() {
            self.board.notice(now, line);
        }
        let (columns, lines) = size();
        if let Some(extra) = &self.extra {
            self.frame.panel = extra.panel(columns.into());
        }
        let lines = self.board.draw(now, (columns.into(), lines.into()), &self.frame);
        screen.draw(&lines)
    }

    async fn look(&mut self, now: u64, trouble: &mut Trouble) {
        let Source::Near { hub, .. } = &self.source else { return };
        let status = hub.status().await;
        if let Some(extra) = &mut self.extra {
            for text in extra.look(&status) {
                self.board.notice(now, text);
            }
        }
        for text in trouble.look(status) {
            self.board.notice(now, text);
        }
    }
}

/// The second of the day, in UTC.
pub(crate) fn second_of_day() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86_400
}

/// What has come and is not shown yet.
#[derive(Debug, Default)]
struct Batch {
    near: Vec<Arc<Update>>,
    far: Vec<Heard>,
}

impl Batch {
    /// Puts everything on the board; a failure ends it.
    fn show(&mut self, now: u64, board: &mut Board) -> Option<Failed> {
        for update in self.near.drain(..) {
            board.take(now, &*update);
        }
        for heard in self.far.drain(..) {
            match heard {
                Heard::Envelope(text) => {
                    if let Some(envelope) = Envelope::read(&text) {
                        board.take(now, &envelope);
                    }
                }
                Heard::Away(text) => board.leave(now, text),
                Heard::Back(text, whole) => board.rejoin(now, text, &whole),
                Heard::Over(failed) => return Some(failed),
            }
        }
        None
    }
}

impl Source<'_> {
    /// Waits for something; false at the end.
    async fn next_batch(&mut self, batch: &mut Batch) -> bool {
        match self {
            Self::Near { subscription, .. } => subscription.next_batch(&mut batch.near).await > 0,
            Self::Far(incoming) => incoming.next_batch(&mut batch.far).await > 0,
        }
    }
}
