//! The terminal: taken over on opening, given back on closing, panicking or leaving in any other way.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

use super::text::Line;

/// Whether the terminal is ours now. One process has one terminal, hence a static.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
#[derive(Debug)]
pub(crate) struct Screen {
    drawn: Vec<String>,
    size: (u16, u16),
    colour: bool,
}

/// What the keyboard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Leave.
    Quit,
    /// Show the help, or no longer.
    Help,
    /// Ctrl-C, which raw mode delivers as a key.
    Interrupt,
    /// Any other letter.
    Other(char),
    /// A key without a letter.
    None,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// What the terminal says.
    pub(crate) fn open(colour: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // First the terminal, so that the message lands where it can be read.
                restore();
                next(info);
            }));
        });
        TAKEN.store(true, Ordering::SeqCst);
        // Made before anything can fail, so that dropping it gives the terminal back.
        let screen = Self { drawn: Vec::new(), size: (0, 0), colour };
        if io::stdin().is_terminal() {
            terminal::enable_raw_mode()?;
        }
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Shows these lines; only what has changed is written, and in one piece.
    ///
    /// # Errors
    /// What the terminal says.
    pub(crate) fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        let size = size();
        let mut out = Vec::with_capacity(4_096);
        queue!(out, BeginSynchronizedUpdate)?;
        if size != self.size {
            self.size = size;
            self.drawn.clear();
            queue!(out, Clear(ClearType::All))?;
        }
        for row in 0..size.1 {
            let at = usize::from(row);
            let text =
                lines.get(at).map(|line| line.render(usize::from(size.0), self.colour)).unwrap_or_default();
            if self.drawn.len() <= at {
                self.drawn.push(String::new());
            }
            if self.drawn[at] != text {
                queue!(out, MoveTo(0, row))?;
                out.extend_from_slice(text.as_bytes());
                queue!(out, Clear(ClearType::UntilNewLine))?;
                self.drawn[at] = text;
            }
        }
        queue!(out, EndSynchronizedUpdate)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }

    /// Gives the terminal back and leaves the last picture in its history.
    pub(crate) fn close(mut self) -> io::Result<()> {
        let mut drawn = std::mem::take(&mut self.drawn);
        drop(self);
        while drawn.last().is_some_and(String::is_empty) {
            drawn.pop();
        }
        let mut stdout = io::stdout().lock();
        for line in drawn {
            writeln!(stdout, "{line}")?;
        }
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Columns and lines. Terminals that do not know their size (serial lines, some containers) say zero.
pub(crate) fn size() -> (u16, u16) {
    terminal::size().ok().filter(|(columns, lines)| *columns > 0 && *lines > 0).unwrap_or((80, 24))
}

/// Gives the terminal back, if it is ours.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nobody left to tell about a failure.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// Reads the keyboard on a thread of its own until the receiver is dropped. Without a keyboard nothing
/// ever comes.
pub(crate) fn keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(8);
    if io::stdin().is_terminal() {
        std::thread::spawn(move || {
            while !sender.is_closed() {
                match event::poll(Duration::from_millis(100)) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(_) => break,
                }
                let Ok(Event::Key(key)) = event::read() else { continue };
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                let meant = match key.code {
                    KeyCode::Char('c' | 'C') if control => Key::Interrupt,
                    KeyCode::Char('h' | 'H' | '?') => Key::Help,
                    KeyCode::Char('q' | 'Q') | KeyCode::Esc => Key::Quit,
                    KeyCode::Char(key) if !control => Key::Other(key.to_ascii_lowercase()),
                    _ => Key::None,
                };
                if key.kind != KeyEventKind::Release && sender.blocking_send(meant).is_err() {
                    break;
                }
            }
        });
    } else {
        // Kept open: a closed channel would read as an endless stream of nothing.
        std::mem::forget(sender);
    }
    receiver
}
