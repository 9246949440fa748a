//! The demo in a pipe: one line per symbol and second.

use std::sync::Arc;
use std::time::Duration;

use tapeline::{Hub, Subscription, Update};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};

use super::pages::Suggested;
use super::watcher::Watcher;
use crate::exit::{Exit, Failed};
use crate::log;
use crate::out::print_to_reader;
use crate::stop::Stop;
use crate::view::Board;
use crate::view::live::{Extra as _, second_of_day};

/// What stands before the first line.
pub(crate) fn introduce(commands: &[Suggested]) {
    log::say("demo: two generated markets; one line per symbol and second follows on stdout");
    log::say("a gateway serves them to other programs; try in another terminal:");
    for suggested in commands {
        log::say(&format!("{}:", suggested.what));
        log::say(&format!("  {}", suggested.line()));
    }
}

/// Prints until somebody ends it.
pub(crate) async fn run(
    hub: &Hub,
    subscription: &mut Subscription,
    mut board: Board,
    watcher: &mut Watcher<'_>,
    until: Option<Instant>,
    stop: &mut Stop,
) -> Result<Exit, Failed> {
    const SECOND: Duration = Duration::from_secs(1);
    let start = Instant::now();
    let mut seconds = interval_at(start + SECOND, SECOND);
    let mut looks = interval(SECOND / 4);
    for timer in [&mut seconds, &mut looks] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut batch: Vec<Arc<Update>> = Vec::new();
    let until = until.unwrap_or_else(|| start + Duration::from_secs(365 * 86_400));
    loop {
        let now = start.elapsed().as_millis() as u64;
        tokio::select! {
            biased;
            exit = stop.asked() => return Ok(exit),
            _ = seconds.tick() => {
                let clock = clock();
                let mut lines: String = board.summaries(now).iter().map(|line| format!("{clock} {line}\n")).collect();
                lines.push_str(&format!("{clock} {}\n", watcher.summary()));
                if !print_to_reader(&lines)? {
                    return Ok(Exit::Done);
                }
            }
            _ = looks.tick() => {
                for text in watcher.look(&hub.status().await) {
                    log::say(&text);
                }
            }
            () = sleep_until(until) => return Ok(Exit::Done),
            count = subscription.next_batch(&mut batch) => {
                if count == 0 {
                    return Ok(Exit::Failure);
                }
                for update in batch.drain(..) {
                    watcher.update(&update);
                    board.take(now, &*update);
                }
            }
        }
    }
}

/// The time of day in UTC.
fn clock() -> String {
    let seconds = second_of_day();
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
