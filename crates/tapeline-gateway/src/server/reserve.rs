//! Descriptors that clients do not get: lines, requests and files need them when a venue cuts everything at once.

use std::time::Duration;

use tapeline::Descriptors;
use tokio::time::Instant;

/// They are counted at least this often while connections come.
const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// Watches over the reserve, for whoever accepts.
#[derive(Debug)]
pub(super) struct Reserve {
    read: fn() -> Option<Descriptors>,
    /// So many more may come before they are counted again, until then.
    leave: u64,
    until: Instant,
}

impl Reserve {
    pub(super) fn new(read: fn() -> Option<Descriptors>) -> Self {
        // What lists them is opened while there are some.
        let _ = read();
        Self { read, leave: 0, until: Instant::now() }
    }

    /// Whether the connection that has just been accepted may stay.
    pub(super) fn admits(&mut self) -> bool {
        let now = Instant::now();
        if self.leave > 0 && now < self.until {
            self.leave -= 1;
            return true;
        }
        let Some(open) = (self.read)() else { return true };
        // Others open some meanwhile: half of what there is.
        (self.leave, self.until) =
            (open.free().saturating_sub(Descriptors::RESERVE) / 2, now + COUNTED_EVERY);
        !open.are_short()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn descriptors_are_counted_again_before_others_can_have_used_them_up() {
        let ample = || Some(Descriptors { used: 60, most: 100 });
        let mut reserve = Reserve::new(ample);
        // Eight above the reserve: four come without a count.
        for leave in [4, 3, 2, 1, 0, 4] {
            assert!(reserve.admits());
            assert_eq!(reserve.leave, leave);
        }
        tokio::time::advance(COUNTED_EVERY).await;
        reserve.read = || Some(Descriptors { used: 69, most: 100 });
        assert!(!reserve.admits() && !reserve.admits());
        reserve.read = || Some(Descriptors { used: 68, most: 100 });
        assert!(reserve.admits() && reserve.leave == 0, "the reserve itself is left alone");
        reserve.read = || None;
        assert!(reserve.admits(), "where the system does not tell nobody is refused");
    }
}
