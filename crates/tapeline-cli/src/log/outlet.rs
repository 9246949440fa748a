//! The way to stderr: a bounded queue and a thread that writes. Whoever has something to tell never waits: a pipe that
//! nobody reads, a stopped terminal or a full disk costs lines, which are counted, and nothing else.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many bytes wait for the writer; what comes beyond that is counted instead.
const MOST_BYTES: usize = 256 << 10;
/// What a line costs besides its text.
const EACH: usize = 64;
/// How long the end of the program waits for what is still to be written.
const AT_THE_END: Duration = Duration::from_secs(1);
/// How long a panic waits for it, and a view before it takes the terminal. A panic may end the program.
const A_MOMENT: Duration = Duration::from_millis(100);

/// There is one stderr, hence a static.
static OUTLET: Outlet = Outlet::new();

/// Hands a line over; returns at once.
pub(super) fn put(line: String) {
    if OUTLET.start() {
        OUTLET.put(line);
    } else {
        // Without a thread there is no other way; a program that gets none ends soon.
        let _ = io::stderr().write_all(&ended(line));
    }
}

/// Waits, but not long, until what was handed over is written.
pub(super) fn settle() {
    OUTLET.flush(A_MOMENT);
}

/// Waits until what was handed over is written, for at most a second.
pub(super) fn finish() {
    // Whoever waited before did not wait so long.
    OUTLET.lock().stuck = false;
    OUTLET.flush(AT_THE_END);
}

/// Panics are told the same way as everything else: the usual hook writes to stderr itself, and so it would stop the
/// thread that panicked for as long as nobody reads.
pub(super) fn take_panics() {
    std::panic::set_hook(Box::new(|info| {
        put(of_panic(info));
        settle();
    }));
}

fn of_panic(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    // Taken only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("thread '{name}' {info}\nstack backtrace:\n{backtrace}"),
        _ => format!("thread '{name}' {info}"),
    }
}

/// A line with its end, in one piece: others may write to the same pipe.
fn ended(mut line: String) -> Vec<u8> {
    line.push('\n');
    line.into_bytes()
}

#[derive(Debug)]
struct Outlet {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue {
    lines: VecDeque<String>,
    bytes: usize,
    /// There was no room: until all that waits is written, everything is dropped, so that what is missing is missing
    /// in one place.
    full: bool,
    /// Lines that were not written and not told of.
    dropped: u64,
    writing: bool,
    /// Nobody needs to wait for the line that is being written: somebody did, and in vain.
    stuck: bool,
    started: Option<bool>,
}

impl Outlet {
    const fn new() -> Self {
        let queue = Queue {
            lines: VecDeque::new(),
            bytes: 0,
            full: false,
            dropped: 0,
            writing: false,
            stuck: false,
            started: None,
        };
        Self { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the writer of stderr, the first time; whether there is one.
    fn start(&'static self) -> bool {
        let mut queue = self.lock();
        *queue.started.get_or_insert_with(|| {
            let writer = std::thread::Builder::new().name("log".to_owned());
            writer.spawn(|| self.write_to(io::stderr(), super::of_dropped)).is_ok()
        })
    }

    fn put(&self, line: String) {
        let mut queue = self.lock();
        let cost = line.len() + EACH;
        // One line always has room, however long it is.
        queue.full |= queue.bytes > 0 && queue.bytes + cost > MOST_BYTES;
        if queue.full {
            queue.dropped += 1;
            return;
        }
        queue.bytes += cost;
        queue.lines.push_back(line);
        drop(queue);
        self.changed.notify_all();
    }

    /// Writes for ever. `of_dropped` makes the line that says how many were dropped.
    fn write_to(&self, mut into: impl Write, of_dropped: impl Fn(u64) -> String) {
        loop {
            let (line, dropped) = self.next();
            for (line, count) in
                [(dropped > 0).then(|| (of_dropped(dropped), dropped)), line.map(|line| (line, 1))]
                    .into_iter()
                    .flatten()
            {
                let written = into.write_all(&ended(line)).and_then(|()| into.flush());
                if written.is_err() {
                    self.lock().dropped += count;
                }
            }
            self.written();
        }
    }

    /// The next line, and how many are missing right before it. Without a line it is time to tell what is missing.
    fn next(&self) -> (Option<String>, u64) {
        let idle = |queue: &mut Queue| queue.lines.is_empty() && !queue.full;
        let mut queue = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        let line = queue.lines.pop_front();
        queue.bytes -= line.as_ref().map_or(0, |line| line.len() + EACH);
        if line.is_some() && queue.full {
            return (line, 0);
        }
        queue.full = false;
        (line, std::mem::take(&mut queue.dropped))
    }

    fn written(&self) {
        let mut queue = self.lock();
        (queue.writing, queue.stuck) = (false, false);
        drop(queue);
        self.changed.notify_all();
    }

    /// Waits until all is written, but not longer than this, and not at all if the last to wait did so in vain.
    fn flush(&self, within: Duration) {
        let queue = self.lock();
        let unwritten =
            |queue: &mut Queue| !queue.stuck && (queue.writing || queue.full || !queue.lines.is_empty());
        let waited = self.changed.wait_timeout_while(queue, within, unwritten);
        let (mut queue, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.stuck |= waited.timed_out();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A stderr whose every write waits for an answer, and which tells what it was given.
    struct Slow {
        given: Sender<String>,
        answers: Receiver<io::Result<()>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.given.send(String::from_utf8_lossy(bytes).trim_end().to_owned());
            // Once the test is over nothing waits any more.
            self.answers.recv().unwrap_or(Ok(())).map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Arc<Outlet>, Receiver<String>, Sender<io::Result<()>>) {
        let outlet = Arc::new(Outlet::new());
        let (given, told) = channel();
        let (answer, answers) = channel();
        let writer = Arc::clone(&outlet);
        std::thread::spawn(move || {
            writer.write_to(Slow { given, answers }, |count| format!("{count} dropped"));
        });
        (outlet, told, answer)
    }

    #[test]
    fn while_nobody_reads_lines_are_dropped_and_counted_and_nobody_waits() {
        let (outlet, told, answer) = slow();
        outlet.put("first".to_owned());
        assert_eq!(told.recv().unwrap(), "first");
        // The writer waits now. Every call returns; were it to wait, this test would not end.
        let line = "x".repeat(MOST_BYTES / 4 - EACH);
        for _ in 0..4 + 7 {
            outlet.put(line.clone());
        }
        outlet.put("short, but after what is missing".to_owned());
        for _ in 0..5 {
            answer.send(Ok(())).unwrap();
        }
        assert!((0..4).all(|_| told.recv().unwrap() == line));
        assert_eq!(told.recv().unwrap(), "8 dropped");
        answer.send(Ok(())).unwrap();
        outlet.flush(Duration::from_secs(60));
        outlet.put("again".to_owned());
        assert_eq!(told.recv().unwrap(), "again");
    }

    #[test]
    fn what_cannot_be_written_is_counted_until_it_can_be_told() {
        let (outlet, told, answer) = slow();
        for (line, expected, answers) in [
            ("one", &["one"][..], &[false][..]),
            ("two", &["1 dropped", "two"], &[false, false]),
            ("three", &["2 dropped", "three"], &[true, true]),
            ("four", &["four"], &[true]),
        ] {
            outlet.put(line.to_owned());
            for (expected, written) in expected.iter().zip(answers) {
                assert_eq!(&told.recv().unwrap(), expected);
                let full = || io::Error::from(io::ErrorKind::StorageFull);
                answer.send(written.then_some(()).ok_or_else(full)).unwrap();
            }
            outlet.flush(Duration::from_secs(60));
        }
    }

    #[test]
    fn only_the_first_who_waits_for_a_reader_waits_in_vain() {
        let (outlet, told, answer) = slow();
        outlet.put("first".to_owned());
        assert_eq!(told.recv().unwrap(), "first");
        outlet.flush(Duration::ZERO);
        // Returns although the time it was given has not passed.
        outlet.flush(Duration::MAX);
        answer.send(Ok(())).unwrap();
        outlet.put("second".to_owned());
        assert_eq!(told.recv().unwrap(), "second");
        answer.send(Ok(())).unwrap();
    }
}
