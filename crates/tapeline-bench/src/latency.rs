//! Latency: frames at a fixed pace in bursts, from the moment a burst is handed to the socket until the
//! subscriber has the frame. The sender is a thread of the same process, so both ends read one clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tapeline::Kind as Role;

use crate::market::{self, Cut, Kind};
use crate::readers;
use crate::rounds::median;
use crate::scan;
use crate::subject;
use crate::venue::{Pace, Venue};

/// Frames of one burst.
const BURST: u64 = 20;
/// From burst to burst: 20,000 frames a second.
const PERIOD: Duration = Duration::from_millis(1);

/// Runs `rounds` pairs of `bursts` bursts each and prints the medians.
///
/// # Errors
/// What a socket or the library says.
pub fn measure(rounds: usize, bursts: u64) -> io::Result<()> {
    println!(
        "p50 and p99 from socket to subscriber in us; {bursts} bursts of {BURST} frames, one per {PERIOD:?}"
    );
    println!(
        "{:<7} {:>10} {:>10} {:>13} {:>13} {:>10}",
        "round", "limit p50", "limit p99", "tapeline p50", "tapeline p99", "p50 more"
    );
    let mut more = Vec::new();
    for round in 1..=rounds {
        let limit = percentiles(run(bursts, limit)?);
        let ours = percentiles(run(bursts, tapeline)?);
        more.push(ours.0 - limit.0);
        println!(
            "{round:<7} {:>10.1} {:>10.1} {:>13.1} {:>13.1} {:>10.1}",
            limit.0,
            limit.1,
            ours.0,
            ours.1,
            ours.0 - limit.0
        );
    }
    println!("median of the differences at p50: {:.1} us", median(&more));
    Ok(())
}

/// The p50 and p99 of nanoseconds, in microseconds.
fn percentiles(mut samples: Vec<u64>) -> (f64, f64) {
    samples.sort_unstable();
    let at = |share: f64| {
        samples.get((samples.len() as f64 * share) as usize).map_or(f64::NAN, |ns| *ns as f64 / 1000.0)
    };
    (at(0.5), at(0.99))
}

/// A run: address, pace and number of frames in; one arrival per frame out, in nanoseconds since the
/// pace's origin.
type Arrivals = fn(&str, &Pace, u64) -> io::Result<Vec<u64>>;

fn run(bursts: u64, read: Arrivals) -> io::Result<Vec<u64>> {
    let frames = bursts * BURST;
    let sent = (0..bursts).map(|_| AtomicU64::new(0)).collect();
    let pace = Arc::new(Pace { period: PERIOD, origin: Instant::now(), sent });
    let rendered = market::render(Kind::Trades, frames, Cut::Frames(BURST), crate::unix_ms());
    let venue = Venue::bind(rendered, Kind::Trades, Some(Arc::clone(&pace)))?;
    let address = venue.address()?.to_string();
    // It serves until the process ends; one idle listener per run harms nobody.
    thread::spawn(move || drop(venue.serve()));
    let arrivals = read(&address, &pace, frames)?;
    let delay = |(at, arrival): (usize, &u64)| {
        arrival.saturating_sub(pace.sent[at / BURST as usize].load(Ordering::Acquire))
    };
    Ok(arrivals.iter().enumerate().map(delay).collect())
}

fn limit(address: &str, pace: &Pace, frames: u64) -> io::Result<Vec<u64>> {
    let mut arrivals = Vec::with_capacity(frames as usize);
    readers::scan_all(address, scan::event, &mut |_, _| {
        arrivals.push(pace.origin.elapsed().as_nanos() as u64)
    })?;
    Ok(arrivals)
}

fn tapeline(address: &str, pace: &Pace, frames: u64) -> io::Result<Vec<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let hub = subject::hub(address, 1);
        let mut subscription = subject::subscribe(&hub, Kind::Trades).await?;
        let mut arrivals = Vec::with_capacity(frames as usize);
        while arrivals.len() < frames as usize {
            let next = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
            let update = next.ok().flatten().ok_or_else(|| io::Error::other("the stream ended early"))?;
            if update.kind == Role::Event {
                arrivals.push(pace.origin.elapsed().as_nanos() as u64);
            }
        }
        drop(subscription);
        hub.shutdown().await;
        Ok(arrivals)
    })
}
