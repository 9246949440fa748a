//! How well the demo does, as its gateway tells `tapeline status`: one level, one word, one source.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::command::status;
use crate::remote::Remote;

/// How often the gateway is asked.
const EVERY: Duration = Duration::from_millis(500);

/// What the gateway says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The level in a word; empty before the first answer.
    pub(crate) level: String,
    /// Why, worst first.
    pub(crate) reasons: Vec<String>,
}

/// Where the latest verdict stands.
pub(crate) type Latest = Arc<Mutex<Verdict>>;

/// Asks until it is dropped.
#[derive(Debug)]
pub(crate) struct Asking {
    latest: Latest,
    task: tokio::task::JoinHandle<()>,
}

impl Asking {
    /// Starts to ask the gateway at `url`.
    pub(crate) fn start(url: &str) -> Self {
        let latest = Latest::default();
        let (remote, out) = (Remote::at(url), Arc::clone(&latest));
        let task = tokio::spawn(async move {
            let Ok(remote) = remote else { return };
            loop {
                if let Ok(answer) = remote.get("/api/v1/status").await {
                    let (level, reasons) = status::verdict(&answer.body);
                    *out.lock().unwrap_or_else(PoisonError::into_inner) =
                        Verdict { level: level.to_owned(), reasons };
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { latest, task }
    }

    /// Where the latest verdict stands.
    pub(crate) fn verdict(&self) -> Latest {
        Arc::clone(&self.latest)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}
