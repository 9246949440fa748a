//! Parts of a program that are to run as long as it does: one that crashes is started again, a few times; then whoever
//! has it fails with it, and in the end the program, which is told why.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tapeline_core::policy::restart::{Restarts, Rule};
use tapeline_core::time::Mono;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::journal::Journal;

/// Crashes longer ago than this are not spoken of any more.
const TOLD_WITHIN: Duration = Duration::from_secs(600);
/// Crashes of a part whose moments are kept.
const KEPT: usize = 8;
/// What is told of a panic, in bytes.
const WORDS: usize = 200;

/// The parts of one hub, and how they have failed.
#[derive(Debug)]
pub struct Parts {
    desk: Mutex<Desk>,
    failed: watch::Sender<Option<Arc<str>>>,
    journal: Arc<Journal>,
    clock: Clock,
    /// Ends what runs beside the feeds.
    ending: CancellationToken,
}

#[derive(Debug)]
struct Desk {
    /// Failures of the hub: parts of it that crashed too often.
    hub: Restarts,
    crashes: BTreeMap<Box<str>, Crashes>,
}

/// How often a part has crashed.
#[derive(Debug, Default)]
struct Crashes {
    all: u64,
    lately: VecDeque<Mono>,
}

/// A part that has crashed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crashed {
    pub(crate) part: Box<str>,
    pub(crate) all: u64,
    pub(crate) lately: usize,
}

/// A vital part that its owner runs by itself.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    parts: &'a Parts,
    part: Box<str>,
    restarts: Restarts,
}

impl Kept<'_> {
    /// It has crashed: after which delay it is to be started again; `None` = never, the program has been told.
    pub(crate) fn crashed(&mut self, panic: &(dyn Any + Send)) -> Option<Duration> {
        self.parts.crashed(&self.part, &mut self.restarts, Escalation::Process, panic)
    }
}

/// What becomes of a part that has crashed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escalation {
    /// The hub has failed, and begins anew with it, if it did not fail too often itself.
    Hub,
    /// The process cannot do without it.
    Process,
}

impl Parts {
    pub(crate) fn new(journal: Arc<Journal>, clock: Clock, ending: CancellationToken) -> Self {
        let desk = Desk { hub: Restarts::new(Rule::VITAL), crashes: BTreeMap::new() };
        Self { desk: Mutex::new(desk), failed: watch::Sender::new(None), journal, clock, ending }
    }

    /// Cancelled when everything ends.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// Runs a part until it ends by itself. After the sixth crash in ten seconds the hub has failed; it begins anew with
    /// it twice a minute.
    pub async fn keep<F>(&self, part: &str, start: impl FnMut() -> F)
    where
        F: Future<Output = ()>,
    {
        self.run(part, (Rule::PART, Escalation::Hub), start).await;
    }

    /// A part that is told when to end. It does not keep the hub alive.
    pub(crate) fn beside<F>(
        self: &Arc<Self>,
        part: &'static str,
        mut start: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let parts = Arc::clone(self);
        async move { parts.keep(part, || start(parts.ending.clone())).await }
    }

    /// Runs a part without which the process is of no use, until it ends by itself. Its third crash within a minute is
    /// the last: [`Parts::failed`].
    pub async fn keep_vital<F>(&self, part: &str, start: impl FnMut() -> F)
    where
        F: Future<Output = ()>,
    {
        self.run(part, (Rule::VITAL, Escalation::Process), start).await;
    }

    /// As [`Parts::keep_vital`], for a part that has a thread: this one. `wait` lets time pass before a restart.
    pub fn keep_thread(&self, part: &str, wait: impl Fn(Duration), mut start: impl FnMut()) {
        let mut kept = self.vital(part);
        while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut start)) {
            match kept.crashed(panic.as_ref()) {
                Some(delay) => wait(delay),
                None => return,
            }
        }
    }

    /// A vital part that its owner runs by itself.
    pub(crate) fn vital(&self, part: &str) -> Kept<'_> {
        Kept { parts: self, part: part.into(), restarts: Restarts::new(Rule::VITAL) }
    }

    /// Resolves when the program cannot go on, with why; never, if all is well.
    pub async fn failed(&self) -> Arc<str> {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            // We hold the other end.
            Ok(None) | Err(_) => pending().await,
        }
    }

    /// The parts that have crashed lately.
    pub(crate) fn crashed_lately(&self, now: Mono) -> Vec<Crashed> {
        let mut all = Vec::new();
        for (part, crashes) in &mut self.desk().crashes {
            crashes.lately.retain(|at| now.since(*at) < TOLD_WITHIN);
            if !crashes.lately.is_empty() {
                all.push(Crashed { part: part.clone(), all: crashes.all, lately: crashes.lately.len() });
            }
        }
        all
    }

    /// Why the program cannot go on, if it cannot.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.failed.borrow().clone()
    }

    async fn run<F>(&self, part: &str, (rule, above): (Rule, Escalation), mut start: impl FnMut() -> F)
    where
        F: Future<Output = ()>,
    {
        let mut restarts = Restarts::new(rule);
        loop {
            // Making it may panic as well as running it.
            let ran = AssertUnwindSafe(async { start().await }).catch_unwind().await;
            let Err(panic) = ran else { return };
            match self.crashed(part, &mut restarts, above, panic.as_ref()) {
                Some(delay) => sleep(delay).await,
                None => return,
            }
        }
    }

    /// A part has crashed: after which delay it starts again, if it does.
    fn crashed(
        &self,
        part: &str,
        restarts: &mut Restarts,
        above: Escalation,
        panic: &(dyn Any + Send),
    ) -> Option<Duration> {
        let now = self.clock.now();
        let why = words(panic);
        let mut desk = self.desk();
        let crashes = desk.crashes.entry(part.into()).or_default();
        crashes.all += 1;
        crashes.lately.push_back(now.mono);
        if crashes.lately.len() > KEPT {
            crashes.lately.pop_front();
        }
        let all = crashes.all;
        let delay = match (restarts.crashed(now.mono), above) {
            (Some(delay), _) => Some(delay),
            (None, Escalation::Process) => None,
            (None, Escalation::Hub) => {
                *restarts = Restarts::new(Rule::PART);
                desk.hub.crashed(now.mono)
            }
        };
        drop(desk);
        self.journal.note(now, "crash", part, why);
        match delay {
            Some(delay) => tracing::error!(part, crashes = all, ?delay, why, "a part crashed, restarting"),
            None => {
                let last =
                    format!("{part} crashed too often to be started again ({all} times), last with: {why}");
                tracing::error!(
                    part,
                    crashes = all,
                    why,
                    "a part crashed too often: the program cannot go on"
                );
                self.failed.send_if_modified(|failed| {
                    let first = failed.is_none();
                    failed.get_or_insert_with(|| last.into());
                    first
                });
            }
        }
        delay
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        // Every change is complete before the next one begins.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody panicked with.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
    text.get(..text.floor_char_boundary(WORDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, timeout};

    use super::*;

    fn parts() -> Arc<Parts> {
        Arc::new(Parts::new(Arc::default(), Clock::new(), CancellationToken::new()))
    }

    /// Something that crashes so many times, a second after each start, and then ends.
    async fn weak(starts: &AtomicUsize, crashes: usize, lives: Duration) {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        sleep(lives).await;
        assert!(start >= crashes, "start {start}");
    }

    async fn has_failed(parts: &Parts) -> Option<Arc<str>> {
        timeout(Duration::ZERO, parts.failed()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_crashes_now_and_then_is_always_started_again() {
        let (parts, starts) = (parts(), AtomicUsize::new(0));
        let from = Instant::now();
        parts.keep("writer", || weak(&starts, 100, Duration::from_secs(3))).await;
        assert_eq!(starts.load(Ordering::SeqCst), 101);
        assert!(from.elapsed() < Duration::from_secs(101 * 4), "{:?}", from.elapsed());
        assert_eq!(has_failed(&parts).await, None);
        let lately = parts.crashed_lately(parts.clock.now().mono);
        assert_eq!(lately, [Crashed { part: "writer".into(), all: 100, lately: KEPT }]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_crashes_on_and_on_fails_the_hub_three_times_and_then_the_program() {
        let (parts, starts) = (parts(), AtomicUsize::new(0));
        let from = Instant::now();
        parts.keep("writer", || weak(&starts, usize::MAX, Duration::ZERO)).await;
        // Six crashes each time, 0 + 100 + 200 + 400 + 800 ms between them, and 0 and 100 ms before the hub begins anew.
        assert_eq!(starts.load(Ordering::SeqCst), 18);
        let took = from.elapsed().as_millis();
        assert!((4_600..4_630).contains(&took), "{took}");
        let why = has_failed(&parts).await.unwrap();
        assert_eq!(&*why, "writer crashed too often to be started again (18 times), last with: start 17");
        assert_eq!(parts.failure(), Some(why));
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_crash_of_what_is_vital_within_a_minute_is_the_last() {
        let (parts, starts) = (parts(), AtomicUsize::new(0));
        parts.keep_vital("listener", || weak(&starts, usize::MAX, Duration::from_secs(29))).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3, "two restarts lie within the last minute");
        assert!(has_failed(&parts).await.is_some());
        let (parts, starts) = (self::parts(), AtomicUsize::new(0));
        let listens = parts.keep_vital("listener", || weak(&starts, 20, Duration::from_secs(61)));
        listens.await;
        assert_eq!((starts.load(Ordering::SeqCst), has_failed(&parts).await), (21, None));
    }

    #[test]
    fn a_thread_is_kept_as_a_task_is() {
        let (parts, mut starts) = (parts(), 0);
        parts.keep_thread(
            "shard",
            |_| {},
            || {
                starts += 1;
                assert!(starts > 2, "it breaks");
            },
        );
        assert_eq!((starts, parts.failure()), (3, None));
        parts.keep_thread("other", |_| {}, || panic!("it {}", "always breaks"));
        let why = parts.failure().unwrap();
        assert!(why.starts_with("other") && why.ends_with("it always breaks"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_runs_a_part_by_itself_is_told_when_to_go_on() {
        let parts = parts();
        let mut kept = parts.vital("supervisor");
        let delays = [0; 3].map(|_| kept.crashed(&"it broke"));
        assert_eq!(delays, [Some(Duration::ZERO), Some(Duration::from_millis(100)), None]);
        assert!(parts.failure().unwrap().ends_with("it broke"));
        assert_eq!(parts.journal.after(0, 9).iter().filter(|event| event.kind == "crash").count(), 3);
    }
}
