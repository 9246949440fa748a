//! The tasks that let time pass: one drives the house, the other plays a recording into it.

use super::room::{Room, Slow};
use crate::house::Frame;
use crate::playback::Next;
use crate::recording::Recording;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Frames handed over at once: enough to fill a write, few enough to change course soon.
pub(crate) const BATCH: usize = 256;
/// How often a market in finite speed looks at the clock.
const TICK: Duration = Duration::from_millis(5);

/// Lets the house live, for ever; `done` is told when its market is at its end.
pub(crate) async fn drive(room: &Room, done: &watch::Sender<bool>) {
    loop {
        // A market waits for its listeners if it may; pings have to wait with it.
        room.space().await;
        let (busy, finished, deadline) = room.drive(|house, now| {
            house.advance(now);
            let busy = house.race(now, BATCH as u64);
            (busy, house.is_finished(), house.deadline())
        });
        if finished {
            done.send_if_modified(|done| !std::mem::replace(done, true));
        }
        if busy {
            // Without listeners nothing above waits, and others want to run too.
            tokio::task::yield_now().await;
            continue;
        }
        let soonest = Instant::now() + TICK;
        let next = async {
            match deadline {
                Some(at) => sleep_until(room.instant(at).max(soonest)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = next => {}
            () = room.wake.notified() => {}
        }
    }
}

/// Plays a recording from the start to the end.
pub(crate) async fn play(recording: &Recording, room: &Room) {
    debug_assert_eq!(room.slow, Slow::Wait, "nothing of a recording may be lost");
    room.begun().await;
    loop {
        let next = recording.playback().next(Instant::now(), BATCH);
        match next {
            Next::Play(range) => {
                room.space().await;
                room.drive(|house, now| {
                    house.advance(now);
                    for frame in recording.capture.frames(range) {
                        house.tell_frame(Frame {
                            stream: frame.stream,
                            payload: frame.payload.as_bytes(),
                            recorded: Some((frame.name, frame.line)),
                        });
                    }
                    house.report_mut().played = recording.playback().played() as u64;
                });
                // Everything before the next batch, or the end, has been taken by its socket.
                room.space().await;
                // Without listeners nothing above waits, and others want to run too.
                tokio::task::yield_now().await;
            }
            Next::Sleep(until) => sleep_until(until).await,
            Next::Pause(until) => tokio::select! {
                () = recording.served.notified() => {}
                () = sleep_until(until) => {}
            },
            Next::Done => break,
        }
    }
    room.drive(|house, _| house.report_mut().finished = true);
}
