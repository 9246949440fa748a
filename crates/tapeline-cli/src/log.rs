//! Logs: to stderr, or, while a view holds the terminal, kept for it to show.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Lines kept while the terminal is taken; `None` while it is not. There is one stderr, hence a static.
static KEPT: Mutex<Option<VecDeque<String>>> = Mutex::new(None);
/// So many lines are kept.
const MOST: usize = 100;

/// Starts logging. `level` is 0 for warnings, one more per `-v`, one less per `-q`.
pub(crate) fn start(level: i16, colour: bool) {
    let level = match level {
        ..=-2 => LevelFilter::OFF,
        -1 => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Failed dials are told in words of their own (see `trouble`); the raw event adds nothing to them.
    let told_elsewhere = move |metadata: &tracing::Metadata<'_>| {
        let dial = metadata.target() == "tapeline::run" && metadata.fields().field("stage").is_some();
        !(dial && level <= LevelFilter::WARN)
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(level >= LevelFilter::DEBUG)
        .with_ansi(colour && io::stderr().is_terminal())
        .with_writer(Stderr)
        .finish()
        .with(filter_fn(told_elsewhere));
    // Fails only if there is a logger already, which is then as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Says something to the person in front of the terminal.
pub(crate) fn say(text: &str) {
    let _ = writeln!(Stderr, "tapeline: {text}");
}

/// Keeps lines from now on instead of writing them.
pub(crate) fn keep() {
    *lock() = Some(VecDeque::new());
}

/// The lines kept since the last call.
pub(crate) fn taken() -> Vec<String> {
    lock().as_mut().map(|kept| kept.drain(..).collect()).unwrap_or_default()
}

/// Writes what is kept, and everything from now on.
pub(crate) fn release() {
    let kept = lock().take();
    for line in kept.into_iter().flatten() {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<VecDeque<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A redirected stderr does not disturb the view.
        if let Some(kept) = lock().as_mut().filter(|_| io::stderr().is_terminal()) {
            if kept.len() >= MOST {
                kept.pop_front();
            }
            kept.push_back(String::from_utf8_lossy(bytes).trim_end().to_owned());
            return Ok(bytes.len());
        }
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}
