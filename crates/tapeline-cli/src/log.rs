//! Logs: to stderr, or, while a view holds the terminal, kept for it to show. As text or as JSON lines; the
//! same is told a few times per interval and then counted. Nobody who tells something waits for those who read it.

mod limit;
mod line;
mod outlet;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

pub(crate) use limit::INTERVAL;
use limit::{Limiter, Verdict};
use line::Fields;

/// Lines kept while the terminal is taken; `None` while it is not. There is one stderr, hence a static.
static KEPT: Mutex<Option<VecDeque<String>>> = Mutex::new(None);
/// How logs are told; there is one logger, hence a static.
static MANNER: Mutex<Manner> =
    Mutex::new(Manner { level: LevelFilter::WARN, json: false, colour: false, repeats: 5 });
/// What was told lately.
static LIMITER: LazyLock<Mutex<Limiter>> = LazyLock::new(Mutex::default);
/// So many lines are kept.
const MOST: usize = 100;

/// How logs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// The least important kind that is told.
    pub(crate) level: LevelFilter,
    /// JSON lines instead of text.
    pub(crate) json: bool,
    /// Whether text may have colours.
    pub(crate) colour: bool,
    /// How often the same may be told per interval.
    pub(crate) repeats: u32,
}

/// Starts logging. `louder` is one per `-v`, less one per `-q`; nothing said means warnings.
pub(crate) fn start(louder: i16, json: bool, colour: bool) {
    let colour = colour && io::stderr().is_terminal();
    *manner_lock() = Manner { level: level(LevelFilter::WARN, louder), json, colour, repeats: 5 };
    outlet::take_panics();
    // Fails only if there is a logger already, which is then as good.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log));
}

/// Tells in another manner from now on.
pub(crate) fn change(change: impl FnOnce(&mut Manner)) {
    change(&mut manner_lock());
    tracing::callsite::rebuild_interest_cache();
}

/// `louder` steps more than `base`.
pub(crate) fn level(base: LevelFilter, louder: i16) -> LevelFilter {
    const ALL: [LevelFilter; 6] = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    let at = ALL.iter().position(|level| *level == base).unwrap_or(2) as i16;
    ALL[(at + louder).clamp(0, 5) as usize]
}

/// Tells now and then what was left out; never ends.
pub(crate) async fn tell_counts() {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let over = LIMITER.lock().unwrap_or_else(PoisonError::into_inner).over(Instant::now());
        for (what, count) in over {
            tracing::warn!(what, count, "the same was left out");
        }
    }
}

fn manner_lock() -> MutexGuard<'static, Manner> {
    MANNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where all events go.
#[derive(Debug)]
struct Log;

impl<S: Subscriber> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = manner_lock().level;
        // Failed dials are told in words of their own (see `trouble`); the raw event adds nothing to them.
        let dial = metadata.target() == "tapeline::run" && metadata.fields().field("stage").is_some();
        metadata.is_event() && *metadata.level() <= level && !(dial && level <= LevelFilter::WARN)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(manner_lock().level)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let manner = *manner_lock();
        let metadata = event.metadata();
        let mut fields = Fields::of(event);
        // Whoever wants details wants all of them.
        if *metadata.level() <= Level::INFO {
            let (now, name) = (Instant::now(), fields.name());
            let mut limiter = LIMITER.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = limiter.judge(now, fields.key, manner.repeats, &name);
            drop(limiter);
            match verdict {
                Verdict::LeaveOut => return,
                Verdict::Tell(0) => {}
                Verdict::Tell(before) => fields.push("left_out_before", before),
            }
        }
        let line = if manner.json {
            fields.json(metadata)
        } else {
            fields.text(metadata, manner.level >= LevelFilter::DEBUG, manner.colour)
        };
        tell(line);
    }
}

/// What says that so many lines were dropped.
fn of_dropped(count: u64) -> String {
    const WHY: &str = "lines of the log were dropped: they could not be written to stderr";
    let manner = *manner_lock();
    line::warning(WHY, count, manner.json, manner.colour)
}

/// Says something to the person in front of the terminal.
pub(crate) fn say(text: &str) {
    tell(format!("tapeline: {text}"));
}

/// Tells a line as it is.
pub(crate) fn tell(line: String) {
    // A redirected stderr does not disturb the view.
    if let Some(kept) = lock().as_mut().filter(|_| io::stderr().is_terminal()) {
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(line.trim_end().to_owned());
        return;
    }
    outlet::put(line);
}

/// Writes what is kept, and waits, for at most a second, until all is written. The last thing the program does.
pub(crate) fn finish() {
    release();
    outlet::finish();
}

/// Keeps lines from now on instead of writing them.
pub(crate) fn keep() {
    *lock() = Some(VecDeque::new());
    // What was told before must not end up in the middle of the view.
    outlet::settle();
}

/// The lines kept since the last call.
pub(crate) fn taken() -> Vec<String> {
    lock().as_mut().map(|kept| kept.drain(..).collect()).unwrap_or_default()
}

/// Writes what is kept, and everything from now on.
pub(crate) fn release() {
    let kept = lock().take();
    kept.into_iter().flatten().for_each(outlet::put);
}

fn lock() -> MutexGuard<'static, Option<VecDeque<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
