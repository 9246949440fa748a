//! Writes copies of the modelled sources with one mistake each: a model that no mistake can upset proves nothing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A mistake: its name, the file it is made in, what stands there once, and what stands there instead.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

/// Below `crates`.
const OUTBOX: &str = "tapeline-core/src/outbox";
const SIGNALS: &str = "tapeline/src/signals.rs";
const ACCOUNT: &str = "tapeline/src/memory/account.rs";

const MISTAKES: &[Mistake] = &[
    // The consumer finds nothing, and what comes before it has left its waker wakes nobody.
    (
        "waker_left_late",
        OUTBOX,
        "        let mut queue = self.inner.lock();
        if queue.is_ready() || queue.ended.is_some() {
            return Poll::Ready(());
        }
        match &mut queue.consumer {",
        "        let queue = self.inner.lock();
        if queue.is_ready() || queue.ended.is_some() {
            return Poll::Ready(());
        }
        drop(queue);
        let mut queue = self.inner.lock();
        match &mut queue.consumer {",
    ),
    // A producer that waits for room leaves its waker although there is room by now.
    (
        "room_not_looked_at",
        OUTBOX,
        "        if !queue.is_full() {
            drop(queue);
            return waker.wake_by_ref();
        }
",
        "",
    ),
    // Whoever is woken runs at once, and finds the lock held by the one who wakes it.
    (
        "woken_under_the_lock",
        OUTBOX,
        "        let wakes = self.0.settle(&mut queue);
        drop(queue);
        wakes.wake();
    }

    /// Whether the consumer is gone",
        "        self.0.settle(&mut queue).wake();
    }

    /// Whether the consumer is gone",
    ),
    // The end is noted, and nobody who waits is told.
    (
        "end_wakes_nobody",
        OUTBOX,
        "queue.is_ready() || queue.ended.is_some() { queue.consumer.take() }",
        "queue.is_ready() { queue.consumer.take() }",
    ),
    // The flag is lowered behind the list: who is added in between is never seen.
    (
        "flag_lowered_late",
        SIGNALS,
        "        if !self.any_left.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))",
        "        if !self.any_left.load(Ordering::Acquire) {
            return Vec::new();
        }
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        self.any_left.store(false, Ordering::Release);
        left",
    ),
    // The stop is told before it can be seen.
    (
        "stop_told_early",
        SIGNALS,
        "        self.stop.store(true, Ordering::Release);
        self.waker.wake();",
        "        self.waker.wake();
        self.stop.store(true, Ordering::Release);",
    ),
    // Two who look at the same time both find room for one.
    (
        "room_looked_at_and_then_taken",
        ACCOUNT,
        "        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()",
        "        let taken = more(self.taken.load(Ordering::SeqCst));
        taken.map(|taken| self.taken.store(taken, Ordering::SeqCst)).is_some()",
    ),
    // What was taken while it was looked is forgotten.
    (
        "room_counted_from_the_end_of_a_look",
        ACCOUNT,
        "        self.until.store(mark.saturating_add(bytes), Ordering::SeqCst);",
        "        self.until.store(self.mark().max(mark).saturating_add(bytes), Ordering::SeqCst);",
    ),
];

fn main() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    let mut modules = String::new();
    let mut said = std::io::stdout();
    for (name, source, right, wrong) in MISTAKES {
        let from = crates.join(source);
        writeln!(said, "cargo::rerun-if-changed={}", from.display()).expect("cargo listens");
        let folder = out.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let (main, module) = if from.is_dir() { ("mod.rs", "outbox") } else { ("", "") };
        let files: Vec<PathBuf> = if from.is_dir() {
            let entries = fs::read_dir(&from).expect("the sources").filter_map(Result::ok);
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
        } else {
            vec![from.clone()]
        };
        let module = if module.is_empty() {
            from.file_stem().expect("a name").to_string_lossy().into_owned()
        } else {
            module.to_owned()
        };
        let main = if main.is_empty() {
            from.file_name().expect("a name").to_string_lossy().into_owned()
        } else {
            main.to_owned()
        };
        for file in files {
            let text = fs::read_to_string(&file).expect("a source");
            let file = file.file_name().expect("a name").to_string_lossy().into_owned();
            let text = if file == main { mistaken(name, &text, right, wrong) } else { text };
            fs::write(folder.join(file), text).expect("a copy");
        }
        let path = folder.join(&main);
        modules.push_str(&format!("pub mod {name} {{ #[path = {path:?}] pub mod {module}; }}\n"));
    }
    fs::write(out.join("mistakes.rs"), modules).expect("the list");
}

fn mistaken(name: &str, text: &str, right: &str, wrong: &str) -> String {
    assert_eq!(
        text.matches(right).count(),
        1,
        "{name}: what is to be replaced must stand there once:\n{right}"
    );
    text.replace(right, wrong)
}
