//! What is told of alerts, as it is told: for an application that acts on it.

use std::sync::Arc;

use tapeline_core::policy::alert::Notification;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::NOTIFICATIONS;
use crate::hub::Hub;

/// Where what is told goes to.
#[derive(Debug)]
pub(super) struct Board(Sender<Arc<Notification>>);

impl Default for Board {
    fn default() -> Self {
        Self(Sender::new(NOTIFICATIONS))
    }
}

impl Board {
    /// Tells whoever reads; nobody is waited for.
    pub(super) fn tell(&self, told: &[Notification]) {
        for notification in told {
            // An error says that nobody reads.
            let _ = self.0.send(Arc::new(notification.clone()));
        }
    }

    fn read(&self, ending: CancellationToken) -> Notifications {
        Notifications { told: self.0.subscribe(), ending }
    }
}

/// Messages about alerts, from when this was asked for on: the same that stand in [`AlertList::notifications`] and in the
/// log. Got from [`Hub::notifications`].
///
/// The latest 256 wait for a reader that is slow; older ones go. Their `seq` rises by one, so a hole in it tells how many
/// are missing, and [`Hub::alerts`] what is wrong now.
///
/// [`AlertList::notifications`]: crate::AlertList::notifications
#[derive(Debug)]
pub struct Notifications {
    told: Receiver<Arc<Notification>>,
    ending: CancellationToken,
}

impl Notifications {
    /// The next message; `None` when the hub is shut down or gone and all has been read. May be given up at any time:
    /// nothing is lost by it.
    pub async fn next(&mut self) -> Option<Arc<Notification>> {
        loop {
            tokio::select! {
                // What was told before the end is read before it.
                biased;
                told = self.told.recv() => match told {
                    Ok(notification) => return Some(notification),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                () = self.ending.cancelled() => return None,
            }
        }
    }
}

impl Hub {
    /// Every message about alerts from now on, for instance to page somebody. Any number of readers may ask; none of
    /// them can hold anything up, and none keeps the hub alive.
    ///
    /// ```no_run
    /// use tapeline::core::policy::alert::Why;
    ///
    /// # async fn example(hub: tapeline::Hub) {
    /// let mut notifications = hub.notifications();
    /// tokio::spawn(async move {
    ///     while let Some(told) = notifications.next().await {
    ///         match (told.why, told.alerts.first()) {
    ///             (Why::Resolved, _) | (_, None) => println!("{}: all is well again", told.venue),
    ///             (_, Some(worst)) => {
    ///                 println!("{}: {}. {}", told.venue, worst.evidence, worst.action);
    ///             }
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    pub fn notifications(&self) -> Notifications {
        self.watch().board.read(self.parts().ending())
    }
}

#[cfg(test)]
mod tests {
    use tapeline_core::data::update::Level;
    use tapeline_core::policy::alert::Why;
    use tapeline_core::time::Unix;

    use super::*;

    fn told(seqs: std::ops::RangeInclusive<u64>) -> Vec<Notification> {
        let one = |seq| Notification {
            seq,
            at: Unix(0),
            why: Why::Firing,
            venue: "one".into(),
            level: Level::Critical,
            count: 1,
            alerts: Vec::new(),
        };
        seqs.map(one).collect()
    }

    #[tokio::test]
    async fn a_slow_reader_gets_the_latest_holds_nobody_up_and_reads_to_the_end() {
        let (board, ending) = (Board::default(), CancellationToken::new());
        board.tell(&told(1..=1));
        let (mut slow, mut quick) = (board.read(ending.clone()), board.read(ending.clone()));
        board.tell(&told(2..=3));
        for seq in [2, 3] {
            assert_eq!(quick.next().await.unwrap().seq, seq, "what was told before is not told again");
        }
        board.tell(&told(4..=1_003));
        ending.cancel();
        let mut seen = Vec::new();
        while let Some(notification) = slow.next().await {
            seen.push(notification.seq);
        }
        assert_eq!(seen, (1_004 - NOTIFICATIONS as u64..=1_003).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn who_waits_is_told_of_the_end() {
        let board = Board::default();
        let mut reader = board.read(CancellationToken::new());
        drop(board);
        assert_eq!(reader.next().await, None);
    }
}
