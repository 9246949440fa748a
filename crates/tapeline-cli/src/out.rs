//! Data on its way to stdout: written by a thread of its own, so that a reader who pauses blocks
//! neither signals nor the rest of the program.

use std::io::{self, Write as _};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::exit::{Exit, Failed};

/// Writes `text` to stdout at once. A reader that is gone is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failed> {
    print_to_reader(text).map(drop)
}

/// Writes `text` to stdout at once; whether the reader is still there.
pub(crate) fn print_to_reader(text: &str) -> Result<bool, Failed> {
    let mut stdout = io::stdout().lock();
    judge(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Whether the reader is still there.
fn judge(result: io::Result<()>) -> Result<bool, Failed> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failed::new(Exit::Failure, format!("stdout: {error}"))),
    }
}

/// Lines to stdout in large pieces.
#[derive(Debug)]
pub(crate) struct Lines {
    /// What is being filled.
    pub(crate) buffer: Vec<u8>,
    full: mpsc::Sender<Vec<u8>>,
    empty: mpsc::Receiver<Vec<u8>>,
    writer: JoinHandle<io::Result<()>>,
}

/// The reader is gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Lines {
    /// So much may wait in the buffer before the source must wait.
    pub(crate) const LARGE: usize = 256 << 10;

    /// Starts the writer.
    pub(crate) fn start() -> Self {
        // One piece waits while one is written: enough to keep the writer busy.
        let (full, mut pieces) = mpsc::channel::<Vec<u8>>(1);
        let (back, empty) = mpsc::channel(2);
        let writer = std::thread::spawn(move || {
            let mut stdout = io::stdout().lock();
            while let Some(mut piece) = pieces.blocking_recv() {
                stdout.write_all(&piece)?;
                stdout.flush()?;
                piece.clear();
                // A buffer that finds no room on its way back is simply freed.
                let _ = back.try_send(piece);
            }
            Ok(())
        });
        Self { buffer: Vec::with_capacity(Self::LARGE), full, empty, writer }
    }

    /// Waits until the writer can take the buffer, and hands it over.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        let place = self.full.reserve().await.map_err(|_| Gone)?;
        let next = self.empty.try_recv().unwrap_or_default();
        place.send(std::mem::replace(&mut self.buffer, next));
        Ok(())
    }

    /// Writes what is left and ends the writer; how it went.
    pub(crate) async fn finish(mut self) -> Result<(), Failed> {
        if !self.buffer.is_empty() {
            // If the reader is gone the writer says so below.
            let _ = self.flush().await;
        }
        drop(self.full);
        let ended = tokio::task::spawn_blocking(move || self.writer.join());
        match ended.await {
            Ok(Ok(result)) => judge(result).map(drop),
            _ => Err(Failed::new(Exit::Internal, "the writer of stdout panicked")),
        }
    }
}
