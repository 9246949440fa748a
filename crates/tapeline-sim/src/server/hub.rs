//! Who listens to what, and the way of a frame from the player to the sockets.

use crate::exchange::Wanted;
use crate::faults::{Armed, Fault, FaultKind, spoilt};
use crate::names::{Base, family};
use crate::report::{Report, StreamReport};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Texts for one socket in the order in which they are to be sent.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    text: String,
    ends: Vec<usize>,
}

impl Batch {
    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
        self.ends.push(self.text.len());
    }

    /// The text of number `index`.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}

/// One frame on its way out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) stream: u32,
    pub(crate) payload: &'a str,
    /// Name and combined form as recorded; sent unchanged to those who subscribed exactly this name.
    pub(crate) recorded: Option<(&'a str, &'a str)>,
}

/// What to do about a socket whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    /// Wait: nothing may be lost and the clock can stand still.
    Wait,
    /// Hang up: time goes on for everybody else.
    Cut,
}

/// A socket as the hub knows it.
#[derive(Debug)]
struct Listener {
    queue: mpsc::Sender<Batch>,
    /// Cancelling it cuts the connection.
    stop: CancellationToken,
    combined: bool,
    base: Base,
    batch: Batch,
}

#[derive(Debug)]
struct Target {
    listener: usize,
    /// The spellings under which the listener subscribed this family.
    names: Vec<String>,
}

#[derive(Debug)]
struct State {
    listeners: Vec<Option<Listener>>,
    routes: Vec<Vec<Target>>,
    faults: Vec<Vec<Armed>>,
    rules: Vec<Fault>,
    streams: Vec<StreamReport>,
    report: Report,
}

/// The table of subscriptions and counters, shared by the player, the sockets and the HTTP side.
#[derive(Debug)]
pub(crate) struct Hub {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    state: Mutex<State>,
    /// When the clock may start, as far as is known now.
    start: watch::Sender<Start>,
    start_after: Duration,
}

/// When the clock of a recording may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nobody has connected yet.
    Unknown,
    /// Unless somebody connects or subscribes before.
    At(Instant),
    /// By order.
    Now,
}

impl Hub {
    /// A hub for streams with these canonical names and accepted spellings.
    pub(crate) fn new(
        names: Vec<String>,
        numbers: HashMap<String, u32>,
        rules: Vec<Fault>,
        start_after: Duration,
    ) -> Self {
        let count = names.len();
        let state = State {
            listeners: Vec::new(),
            routes: (0..count).map(|_| Vec::new()).collect(),
            faults: (0..count).map(|_| Vec::new()).collect(),
            rules: Vec::new(),
            streams: vec![StreamReport::default(); count],
            report: Report::default(),
        };
        let start = watch::Sender::new(Start::Unknown);
        let hub = Self { names, numbers, state: Mutex::new(state), start, start_after };
        hub.set_faults(rules);
        hub
    }

    /// Registers a socket and returns its number. `depth` bounds its queue, in batches.
    pub(crate) fn join(
        &self,
        combined: bool,
        base: Base,
        depth: usize,
        stop: CancellationToken,
    ) -> (usize, mpsc::Receiver<Batch>) {
        let (queue, batches) = mpsc::channel(depth.max(1));
        let listener = Listener { queue, stop, combined, base, batch: Batch::default() };
        let mut state = self.lock();
        state.report.connects += 1;
        state.report.open += 1;
        let free = state.listeners.iter().position(Option::is_none);
        let number = free.unwrap_or(state.listeners.len());
        match free {
            Some(place) => state.listeners[place] = Some(listener),
            None => state.listeners.push(Some(listener)),
        }
        drop(state);
        self.touch();
        (number, batches)
    }

    /// Forgets a socket.
    pub(crate) fn leave(&self, listener: usize) {
        let mut state = self.lock();
        for targets in &mut state.routes {
            targets.retain(|target| target.listener != listener);
        }
        if state.listeners[listener].take().is_some() {
            state.report.open -= 1;
        }
    }

    /// Adds subscriptions; names that no stream has are accepted and stay mute.
    pub(crate) fn subscribe(&self, listener: usize, names: &[String]) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.report.subscribes += 1;
        let Some(base) = state.listeners[listener].as_ref().map(|known| known.base) else { return };
        for name in names.iter().filter(|name| base.carries(name)) {
            let Some(number) = self.number(name) else { continue };
            let targets = &mut state.routes[number as usize];
            match targets.iter_mut().find(|target| target.listener == listener) {
                Some(target) => target.names.push(name.clone()),
                None => targets.push(Target { listener, names: vec![name.clone()] }),
            }
        }
        drop(guard);
        self.touch();
    }

    /// Removes subscriptions.
    pub(crate) fn unsubscribe(&self, listener: usize, names: &[String]) {
        let mut state = self.lock();
        for name in names {
            let Some(number) = self.number(name) else { continue };
            let targets = &mut state.routes[number as usize];
            if let Some(place) = targets.iter().position(|target| target.listener == listener) {
                targets[place].names.retain(|known| known != name);
                if targets[place].names.is_empty() {
                    targets.remove(place);
                }
            }
        }
    }

    /// Switches a socket between raw and combined frames.
    pub(crate) fn set_combined(&self, listener: usize, combined: bool) {
        if let Some(known) = self.lock().listeners[listener].as_mut() {
            known.combined = combined;
        }
    }

    /// Which streams anyone listens to.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted::Some(self.lock().routes.iter().map(|targets| !targets.is_empty()).collect())
    }

    /// Hands frames to everyone who subscribed them.
    pub(crate) async fn dispatch<'a>(&self, frames: impl Iterator<Item = Outgoing<'a>>, slow: Slow) {
        for (queue, stop, batch) in self.collect(frames) {
            match slow {
                Slow::Wait => tokio::select! {
                    // A socket that has gone loses its frames; that is no loss in the playback.
                    _ = queue.send(batch) => {}
                    () = stop.cancelled() => {}
                },
                Slow::Cut => {
                    if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(batch) {
                        self.count(|report| report.closed_for_slowness += 1);
                        stop.cancel();
                    }
                }
            }
        }
    }

    fn collect<'a>(
        &self,
        frames: impl Iterator<Item = Outgoing<'a>>,
    ) -> Vec<(mpsc::Sender<Batch>, CancellationToken, Batch)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        for frame in frames {
            state.route(frame);
        }
        let take = |listener: &mut Listener| {
            let batch = std::mem::take(&mut listener.batch);
            (!batch.ends.is_empty()).then(|| (listener.queue.clone(), listener.stop.clone(), batch))
        };
        state.listeners.iter_mut().flatten().filter_map(take).collect()
    }

    /// Replaces all faults; their counts begin anew.
    pub(crate) fn set_faults(&self, rules: Vec<Fault>) {
        let mut state = self.lock();
        for (lane, name) in self.names.iter().enumerate() {
            let concerned = rules.iter().filter(|rule| Armed::concerns(rule, name));
            state.faults[lane] = concerned.map(|rule| Armed::new(rule, lane as u64)).collect();
        }
        state.rules = rules;
    }

    /// Arms one more fault beside the others.
    pub(crate) fn add_fault(&self, rule: Fault) {
        let mut state = self.lock();
        for (lane, name) in self.names.iter().enumerate() {
            if Armed::concerns(&rule, name) {
                state.faults[lane].push(Armed::new(&rule, lane as u64));
            }
        }
        state.rules.push(rule);
    }

    /// Sends a payload of `stream` to every socket, subscribed or not; a socket whose queue is full misses it.
    pub(crate) fn broadcast(&self, stream: &str, payload: &str) {
        for listener in self.lock().listeners.iter().flatten() {
            let mut batch = Batch::default();
            if listener.combined {
                batch.push(&["{\"stream\":\"", stream, "\",\"data\":", payload, "}"]);
            } else {
                batch.push(&[payload]);
            }
            let _ = listener.queue.try_send(batch);
        }
    }

    /// Cuts every socket without a goodbye.
    pub(crate) fn cut_all(&self) {
        for listener in self.lock().listeners.iter().flatten() {
            listener.stop.cancel();
        }
    }

    /// The canonical names of the streams that can be subscribed here.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.names.iter().filter(|name| self.numbers.contains_key(*name)).cloned().collect()
    }

    /// Changes the counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock().report);
    }

    /// The counters now.
    pub(crate) fn report(&self) -> Report {
        let state = self.lock();
        let told = self.names.iter().zip(&state.streams).filter(|(_, report)| report.offered > 0);
        let streams = told.map(|(name, report)| (name.clone(), *report)).collect();
        Report { streams, ..state.report.clone() }
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> u64 {
        self.lock().report.open
    }

    /// Lets the clock start at once, whoever may still come.
    pub(crate) fn begin(&self) {
        self.start.send_replace(Start::Now);
    }

    /// Waits until somebody has connected and then nobody has connected or subscribed for a while.
    pub(crate) async fn started(&self) {
        let mut start = self.start.subscribe();
        loop {
            let known = *start.borrow_and_update();
            let moment = async {
                match known {
                    Start::Unknown => std::future::pending().await,
                    Start::At(at) => sleep_until(at).await,
                    Start::Now => {}
                }
            };
            tokio::select! {
                () = moment => return,
                changed = start.changed() => if changed.is_err() { return },
            }
        }
    }

    fn touch(&self) {
        self.start.send_if_modified(|start| {
            if *start != Start::Now {
                *start = Start::At(Instant::now() + self.start_after);
            }
            true
        });
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).or_else(|| self.numbers.get(family(name))).copied()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters and tables stay usable after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn route(&mut self, frame: Outgoing<'_>) {
        let stream = frame.stream as usize;
        let targets = &self.routes[stream];
        if targets.is_empty() {
            return;
        }
        let told = &mut self.streams[stream];
        told.offered += 1;
        // Every rule counts the frame; the first that strikes decides.
        let struck = self.faults[stream].iter_mut().fold(None, |first, armed| first.or(armed.strike()));
        let mut copies = 1;
        let mut spoilt_payload = None;
        match struck {
            None => {}
            Some(FaultKind::Drop) => {
                told.dropped += 1;
                return;
            }
            Some(FaultKind::Duplicate) => {
                told.duplicated += 1;
                copies = 2;
            }
            Some(kind) => {
                told.corrupted += 1;
                spoilt_payload = spoilt(kind, frame.payload);
            }
        }
        let recorded = frame.recorded.filter(|_| spoilt_payload.is_none());
        let payload = spoilt_payload.as_deref().unwrap_or(frame.payload);
        for target in targets {
            let Some(listener) = self.listeners[target.listener].as_mut() else { continue };
            for _ in 0..copies {
                for name in &target.names {
                    match recorded {
                        _ if !listener.combined => listener.batch.push(&[payload]),
                        Some((same, line)) if same == name => listener.batch.push(&[line]),
                        _ => listener.batch.push(&["{\"stream\":\"", name, "\",\"data\":", payload, "}"]),
                    }
                    told.sent += 1;
                    self.report.frames_sent += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(500);

    fn hub() -> Hub {
        let names = vec!["a@trade".to_owned()];
        Hub::new(names.clone(), (0..).zip(names).map(|(n, name)| (name, n)).collect(), Vec::new(), WAIT)
    }

    fn join(hub: &Hub) -> usize {
        hub.join(false, Base::Whole, 1, CancellationToken::new()).0
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_starts_after_the_last_connect_or_subscription() {
        let hub = hub();
        let opened = Instant::now();
        let visit = async {
            tokio::time::sleep(Duration::from_millis(1_000)).await;
            let listener = join(&hub);
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(499)).await;
                hub.subscribe(listener, &["b@x".to_owned()]);
            }
        };
        tokio::join!(hub.started(), visit);
        assert_eq!(opened.elapsed(), Duration::from_millis(1_000 + 3 * 499 + 500));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_starts_at_once_by_order_and_later_guests_do_not_stop_it() {
        let hub = hub();
        let opened = Instant::now();
        join(&hub);
        hub.begin();
        join(&hub);
        hub.started().await;
        assert_eq!(opened.elapsed(), Duration::ZERO);
    }
}
