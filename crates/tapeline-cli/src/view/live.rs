//! A board on the terminal, fed by a subscription, until somebody ends it.

use std::sync::Arc;
use std::time::Duration;

use tapeline::{Hub, Subscription, Update};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::screen::{Key, Screen, keys, size};
use super::{Board, Frame};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::stop::Stop;
use crate::trouble::Trouble;

/// Pictures per second are enough for the eye and little work for a terminal far away.
const PICTURE: Duration = Duration::from_millis(66);
/// How often troubles are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// A board and where it gets its figures from.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    /// The source of troubles to be told.
    pub(crate) hub: &'a Hub,
    /// The source of figures.
    pub(crate) subscription: &'a mut Subscription,
    /// What is shown.
    pub(crate) board: Board,
    /// What is shown around it.
    pub(crate) frame: Frame,
    /// When to leave without being asked.
    pub(crate) until: Option<Instant>,
}

impl Live<'_> {
    /// Shows the board until a key, a signal, the deadline, or the end of the subscription.
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
        let exit = outcome.map_err(failed)?;
        closed?;
        Ok(exit)
    }

    async fn run(&mut self, screen: &mut Screen, stop: &mut Stop) -> std::io::Result<Exit> {
        let start = Instant::now();
        let millis = || start.elapsed().as_millis() as u64;
        let mut pictures = interval(PICTURE);
        let mut looks = interval(LOOK);
        for timer in [&mut pictures, &mut looks] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut keys = keys();
        let mut trouble = Trouble::default();
        let mut batch: Vec<Arc<Update>> = Vec::new();
        // A year is as good as never.
        let until = self.until.unwrap_or_else(|| start + Duration::from_secs(365 * 86_400));
        loop {
            tokio::select! {
                exit = stop.asked() => return Ok(exit),
                Some(key) = keys.recv() => match key {
                    Key::Quit => return Ok(Exit::Done),
                    Key::Interrupt => return Ok(Exit::Interrupted),
                    Key::Help => self.board.toggle_help(),
                },
                () = sleep_until(until) => return Ok(Exit::Done),
                _ = pictures.tick() => {
                    let now = millis();
                    for line in log::taken() {
                        self.board.notice(now, line);
                    }
                    let (columns, lines) = size();
                    let lines = self.board.draw(now, (columns.into(), lines.into()), &self.frame);
                    screen.draw(&lines)?;
                }
                _ = looks.tick() => {
                    for text in trouble.look(self.hub).await {
                        self.board.notice(millis(), text);
                    }
                }
                count = self.subscription.next_batch(&mut batch) => {
                    if count == 0 {
                        return Ok(Exit::Failure);
                    }
                    let now = millis();
                    for update in batch.drain(..) {
                        self.board.take(now, &*update);
                    }
                }
            }
        }
    }
}
