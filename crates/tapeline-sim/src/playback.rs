//! The one clock of a recording: when it starts, what is due, and where it waits for a snapshot.
//!
//! Pure: the time comes in as an argument, so that the rules can be tested without waiting for them.

use crate::capture::Snapshot;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

/// How fast the recorded or simulated time runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many times as fast as it was; 1 is real time.
    Times(f64),
    /// As fast as the listeners take it.
    Max,
}

/// The text was no speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no speed; say max, or a number above 0 such as 1, 0.5 or 20")]
pub struct BadSpeed(String);

impl FromStr for Speed {
    type Err = BadSpeed;

    fn from_str(text: &str) -> Result<Self, BadSpeed> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err(BadSpeed(text.to_owned())),
        }
    }
}

/// What the player has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send these frames now.
    Play(Range<usize>),
    /// Nothing is due before this moment.
    Sleep(Instant),
    /// Wait until a snapshot is served, at most until this moment.
    Pause(Instant),
    /// Everything has been played.
    Done,
}

/// How far the recording has been played and which snapshots have been served.
#[derive(Debug)]
pub(crate) struct Playback {
    /// Nanoseconds after the first frame.
    times: Vec<u64>,
    speed: Speed,
    wait: Duration,
    /// When the first frame was due; moved on by pauses.
    started: Option<Instant>,
    played: usize,
    points: Vec<Point>,
    paused_since: Option<Instant>,
}

/// A moment of the recording at which a snapshot was taken.
#[derive(Debug)]
struct Point {
    symbol: String,
    after_frame: usize,
    settled: bool,
}

impl Playback {
    pub(crate) fn new(times: &[u64], snapshots: &[Snapshot], speed: Speed, wait: Duration) -> Self {
        let first = times.first().copied().unwrap_or(0);
        let point = |snapshot: &Snapshot| Point {
            symbol: snapshot.symbol.clone(),
            after_frame: snapshot.after_frame,
            settled: false,
        };
        Self {
            times: times.iter().map(|time| time.saturating_sub(first)).collect(),
            speed,
            wait,
            started: None,
            played: 0,
            points: snapshots.iter().map(point).collect(),
            paused_since: None,
        }
    }

    /// How many frames are behind us.
    pub(crate) const fn played(&self) -> usize {
        self.played
    }

    /// Decides what to do at `now`, with at most `most` frames at once.
    pub(crate) fn next(&mut self, now: Instant, most: usize) -> Next {
        let mut started = *self.started.get_or_insert(now);
        if self.played == self.times.len() {
            return Next::Done;
        }
        if let Some(since) = self.paused_since {
            let give_up = since + self.wait;
            if self.waits_here() && now < give_up {
                return Next::Pause(give_up);
            }
            for point in self.points.iter_mut().filter(|point| point.after_frame <= self.played) {
                point.settled = true;
            }
            started += now - since;
            self.started = Some(started);
            self.paused_since = None;
        } else if self.waits_here() {
            self.paused_since = Some(now);
            return Next::Pause(now + self.wait);
        }
        let end = self.stop_before().min(self.played + most);
        let due = match self.speed {
            Speed::Max => end,
            Speed::Times(times) => {
                // A microsecond of grace: rounding must not make a timer that has fired fire again.
                let passed = ((now - started).as_secs_f64() + 1e-6) * times * 1e9;
                self.played + self.times[self.played..end].partition_point(|&at| at as f64 <= passed)
            }
        };
        if due == self.played {
            let Speed::Times(times) = self.speed else { return Next::Done };
            let wait = Duration::from_secs_f64(self.times[self.played] as f64 / 1e9 / times);
            return Next::Sleep(started + wait);
        }
        let range = self.played..due;
        self.played = due;
        Next::Play(range)
    }

    /// Which snapshot of `symbol` to serve now: the newest whose point is reached, else the first to come.
    /// Its point is settled by this. Indexes count as in the list given to [`Playback::new`].
    pub(crate) fn serve(&mut self, symbol: &str) -> Option<usize> {
        let of_symbol = |(_, point): &(usize, &Point)| point.symbol == symbol;
        let reached =
            self.points.iter().enumerate().filter(of_symbol).rfind(|(_, p)| p.after_frame <= self.played);
        let (index, _) = reached.or_else(|| self.points.iter().enumerate().find(of_symbol))?;
        self.points[index].settled = true;
        Some(index)
    }

    fn waits_here(&self) -> bool {
        self.points.iter().any(|point| point.after_frame == self.played && !point.settled)
    }

    /// The next place at which the recording has to stop.
    fn stop_before(&self) -> usize {
        let ahead = self.points.iter().filter(|point| point.after_frame > self.played && !point.settled);
        ahead.map(|point| point.after_frame).min().unwrap_or(usize::MAX).min(self.times.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn snapshot(symbol: &str, after_frame: usize) -> Snapshot {
        Snapshot { symbol: symbol.into(), after_frame, body: String::new() }
    }

    fn playback(speed: Speed, snapshots: &[Snapshot]) -> Playback {
        // Ten frames, one every 100 ms.
        let times: Vec<u64> = (0..10).map(|n| 1_700_000_000_000 * MS + n * 100 * MS).collect();
        Playback::new(&times, snapshots, speed, Duration::from_secs(5))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn frames_are_due_at_their_recorded_distance_divided_by_the_speed() {
        let start = Instant::now();
        let mut real = playback(Speed::Times(1.0), &[]);
        assert_eq!(real.next(start, 256), Next::Play(0..1));
        assert_eq!(real.next(start + ms(50), 256), Next::Sleep(start + ms(100)));
        assert_eq!(real.next(start + ms(350), 256), Next::Play(1..4));
        let mut fast = playback(Speed::Times(10.0), &[]);
        assert_eq!(fast.next(start, 256), Next::Play(0..1));
        assert_eq!(fast.next(start, 256), Next::Sleep(start + ms(10)));
        assert_eq!(fast.next(start + ms(90), 256), Next::Play(1..10));
        assert_eq!(fast.next(start + ms(90), 256), Next::Done);
    }

    #[test]
    fn max_plays_everything_in_batches() {
        let start = Instant::now();
        let mut playback = playback(Speed::Max, &[]);
        assert_eq!(playback.next(start, 6), Next::Play(0..6));
        assert_eq!(playback.next(start, 6), Next::Play(6..10));
        assert_eq!(playback.next(start, 6), Next::Done);
    }

    #[test]
    fn playing_waits_at_a_snapshot_until_it_is_served() {
        let start = Instant::now();
        let mut playback = playback(Speed::Max, &[snapshot("A", 3), snapshot("B", 3), snapshot("C", 7)]);
        assert_eq!(playback.next(start, 256), Next::Play(0..3));
        assert_eq!(playback.next(start, 256), Next::Pause(start + ms(5_000)));
        assert_eq!(playback.serve("B"), Some(1));
        assert_eq!(playback.next(start + ms(10), 256), Next::Pause(start + ms(5_000)));
        assert_eq!(playback.serve("A"), Some(0));
        assert_eq!(playback.next(start + ms(10), 256), Next::Play(3..7));
        assert_eq!(playback.serve("A"), Some(0), "served again later");
        assert_eq!(playback.next(start + ms(20), 256), Next::Pause(start + ms(5_020)));
        assert_eq!(playback.next(start + ms(5_020), 256), Next::Play(7..10), "waits five seconds at most");
    }

    #[test]
    fn a_snapshot_served_before_its_point_needs_no_pause() {
        let start = Instant::now();
        let mut playback = playback(Speed::Max, &[snapshot("A", 3), snapshot("A", 6)]);
        assert_eq!(playback.serve("A"), Some(0));
        assert_eq!(playback.serve("X"), None);
        assert_eq!(playback.next(start, 256), Next::Play(0..6));
        assert_eq!(playback.serve("A"), Some(1), "the newest whose point is reached");
        assert_eq!(playback.next(start, 256), Next::Play(6..10));
    }

    #[test]
    fn a_pause_moves_the_rest_of_the_recording() {
        let start = Instant::now();
        let mut playback = playback(Speed::Times(1.0), &[snapshot("A", 1)]);
        assert_eq!(playback.next(start, 256), Next::Play(0..1));
        assert_eq!(playback.next(start, 256), Next::Pause(start + ms(5_000)));
        playback.serve("A");
        assert_eq!(playback.next(start + ms(400), 256), Next::Sleep(start + ms(500)));
        assert_eq!(playback.next(start + ms(500), 256), Next::Play(1..2));
    }

    #[test]
    fn a_point_behind_the_last_frame_holds_nothing_up() {
        let start = Instant::now();
        let mut playback = playback(Speed::Max, &[snapshot("A", 10), snapshot("B", 99)]);
        assert_eq!(playback.next(start, 256), Next::Play(0..10));
        assert_eq!(playback.next(start, 256), Next::Done);
    }

    #[test]
    fn speeds_are_read_from_text() {
        let check = |text: &str, expected: Option<Speed>| assert_eq!(text.parse().ok(), expected, "{text}");
        check("max", Some(Speed::Max));
        check("1", Some(Speed::Times(1.0)));
        check("0.5", Some(Speed::Times(0.5)));
        for bad in ["0", "-1", "NaN", "inf", "fast", ""] {
            check(bad, None);
        }
    }
}
