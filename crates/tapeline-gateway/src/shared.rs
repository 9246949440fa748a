//! One answer for all who ask the same within a second: what is dear to find out is found out so often only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The latest answers, by question. One is found out at a time, and so many different ones in a second: whoever asks
/// for more waits.
#[derive(Debug)]
pub(crate) struct Shared<K, T> {
    most: usize,
    latest: Mutex<BTreeMap<K, (Instant, Arc<T>)>>,
}

impl<K: Ord, T> Shared<K, T> {
    /// Nothing is known yet; `most` different questions are answered in a second.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, latest: Mutex::default() }
    }

    /// The answer to a question, which `ask` finds out if nobody has in the last second.
    ///
    /// # Errors
    /// Those of `ask`, which are not kept.
    pub(crate) async fn get<E>(
        &self,
        question: K,
        ask: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut latest = self.latest.lock().await;
        let is_good = |begun: Instant| begun.elapsed() < GOOD_FOR;
        if let Some((_, answer)) = latest.get(&question).filter(|(begun, _)| is_good(*begun)) {
            return Ok(Arc::clone(answer));
        }
        latest.retain(|_, (begun, _)| is_good(*begun));
        if latest.len() >= self.most
            && let Some(oldest) = latest.values().map(|(begun, _)| *begun).min()
        {
            sleep_until(oldest + GOOD_FOR).await;
            latest.retain(|_, (begun, _)| is_good(*begun));
        }
        let begun = Instant::now();
        let answer = Arc::new(ask.await?);
        latest.insert(question, (begun, Arc::clone(&answer)));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_the_same_within_a_second_shares_the_answer() {
        let (shared, asked) = (Shared::new(2), Cell::new(0));
        let get = async |question: u32| {
            let ask = async {
                asked.set(asked.get() + 1);
                if question == 9 { Err("no") } else { Ok(asked.get()) }
            };
            shared.get(question, ask).await.map(|answer| *answer)
        };
        assert_eq!((get(1).await, get(1).await), (Ok(1), Ok(1)));
        advance(GOOD_FOR / 2).await;
        assert_eq!((get(1).await, get(2).await), (Ok(1), Ok(2)));
        let begun = Instant::now();
        assert_eq!(get(3).await, Ok(3), "the third of a second waits for its turn");
        assert_eq!(begun.elapsed(), GOOD_FOR / 2);
        assert_eq!((get(2).await, begun.elapsed()), (Ok(2), GOOD_FOR / 2));
        advance(GOOD_FOR).await;
        assert_eq!((get(1).await, get(9).await, get(9).await), (Ok(4), Err("no"), Err("no")));
        assert_eq!(asked.get(), 6, "an error is not kept");
    }
}
