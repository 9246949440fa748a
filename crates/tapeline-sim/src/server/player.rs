//! The tasks that let time pass: one plays a recording, the other runs a market.

use super::hub::{Hub, Outgoing, Slow};
use crate::capture::Capture;
use crate::exchange::{Frames, Market, MarketOptions};
use crate::playback::{Next, Playback, Speed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Frames handed over at once: enough to fill a write, few enough to change course soon.
const BATCH: usize = 256;
/// How often a market in finite speed looks at the clock.
const TICK: Duration = Duration::from_millis(5);

/// A recording with its clock.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) capture: Capture,
    playback: Mutex<Playback>,
    served: Notify,
}

impl Recording {
    pub(crate) fn new(capture: Capture, speed: Speed, wait: Duration) -> Self {
        let playback = Mutex::new(Playback::new(&capture.times, &capture.snapshots, speed, wait));
        Self { capture, playback, served: Notify::new() }
    }

    /// The recorded snapshot of `symbol` to serve now.
    pub(crate) fn snapshot(&self, symbol: &str) -> Option<&str> {
        let index = lock(&self.playback).serve(symbol)?;
        self.served.notify_one();
        Some(&self.capture.snapshots[index].body)
    }

    /// Plays from the start to the end.
    pub(crate) async fn play(&self, hub: &Hub) {
        hub.started().await;
        loop {
            let next = lock(&self.playback).next(Instant::now(), BATCH);
            match next {
                Next::Play(range) => {
                    let frames = self.capture.frames(range).map(|frame| Outgoing {
                        stream: frame.stream,
                        payload: frame.payload,
                        recorded: Some((frame.name, frame.line)),
                    });
                    hub.dispatch(frames, Slow::Wait).await;
                    let played = lock(&self.playback).played() as u64;
                    hub.count(|report| report.played = played);
                    // Without listeners nothing above waits, and others want to run too.
                    tokio::task::yield_now().await;
                }
                Next::Sleep(until) => sleep_until(until).await,
                Next::Pause(until) => tokio::select! {
                    () = self.served.notified() => {}
                    () = sleep_until(until) => {}
                },
                Next::Done => break,
            }
        }
        hub.count(|report| report.finished = true);
    }
}

/// A generated market with its clock.
#[derive(Debug)]
pub(crate) struct Exchange {
    market: Mutex<Market>,
    pub(crate) options: MarketOptions,
}

impl Exchange {
    pub(crate) fn new(options: MarketOptions, now_ms: u64) -> Self {
        let market = Mutex::new(Market::open(&options, options.start_ms.unwrap_or(now_ms)));
        Self { market, options }
    }

    /// The market as it is at this moment.
    pub(crate) fn market(&self) -> MutexGuard<'_, Market> {
        lock(&self.market)
    }

    /// Runs until the limit of frames, or for ever.
    pub(crate) async fn run(&self, hub: &Hub) {
        // A market that races or ends is there for its listeners: it waits for them to come and to read.
        // A live one has been running all along and waits for nobody.
        let live = self.options.speed != Speed::Max && self.options.frames.is_none();
        let slow = if live { Slow::Cut } else { Slow::Wait };
        if !live {
            hub.started().await;
        }
        let limit = self.options.frames.unwrap_or(u64::MAX);
        let (started, opened) = (Instant::now(), self.market().now());
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut frames = Frames::default();
        while frames.made < limit {
            let until = match self.options.speed {
                Speed::Max => u64::MAX,
                Speed::Times(times) => opened + (started.elapsed().as_secs_f64() * times * 1e6) as u64,
            };
            let caught_up = self.advance(hub, until, limit, &mut frames);
            let outgoing = frames.iter().filter_map(|frame| {
                let payload = std::str::from_utf8(frame.payload).ok()?;
                Some(Outgoing { stream: frame.stream, payload, recorded: None })
            });
            hub.dispatch(outgoing, slow).await;
            frames.clear();
            hub.count(|report| report.played = frames.made);
            if caught_up {
                ticks.tick().await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        hub.count(|report| report.finished = true);
    }

    /// Makes at most a batch of frames up to the market's time `until`; true if nothing is left to do by then.
    fn advance(&self, hub: &Hub, until: u64, limit: u64, frames: &mut Frames) -> bool {
        let wanted = hub.wanted();
        let mut market = self.market();
        // Nobody may be listening: the steps are bounded too, not only the frames.
        for _ in 0..8 * BATCH {
            if market.due() > until {
                return true;
            }
            if frames.len() >= BATCH || frames.made >= limit {
                return false;
            }
            market.step(&wanted, frames);
        }
        false
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
