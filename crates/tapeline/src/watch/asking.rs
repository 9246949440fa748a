//! Asking all feeds at once what is wrong with them: one that does not answer is asked no more often, and keeps nobody
//! waiting for the others.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tapeline_core::data::update::Level;
use tapeline_core::feed::Findings;
use tokio::time::{Instant, timeout_at};

use super::{ANSWER_WITHIN, Look, level_of};

/// How long a round waits for those who have not answered yet.
const ROUND: Duration = Duration::from_millis(500);

/// What a feed says, and how often it was restarted; `None` if it ends, or is about to be restarted.
type Said = Option<(Option<Findings>, u64)>;
type Answer = Pin<Box<dyn Future<Output = (String, Said)> + Send>>;

/// What has been asked and is not answered, and how each venue and its topics did when it last answered.
#[derive(Default)]
pub(super) struct Asking {
    out: FuturesUnordered<Answer>,
    since: BTreeMap<String, Instant>,
    last: BTreeMap<String, (Level, Vec<(usize, Level)>)>,
}

impl Asking {
    /// Asks those of `venues` that owe no answer, by `ask`, and takes in what comes soon.
    pub(super) async fn round<F>(
        &mut self,
        venues: Vec<String>,
        mut ask: impl FnMut(&str) -> Option<F>,
    ) -> Vec<Look>
    where
        F: Future<Output = Said> + Send + 'static,
    {
        let now = Instant::now();
        for venue in venues {
            if !self.since.contains_key(&venue)
                && let Some(answer) = ask(&venue)
            {
                self.since.insert(venue.clone(), now);
                self.out.push(Box::pin(async move { (venue, answer.await) }));
            }
        }
        let mut looks = Vec::new();
        while let Ok(Some((venue, said))) = timeout_at(now + ROUND, self.out.next()).await {
            self.since.remove(&venue);
            let Some((mut findings, restarts)) = said else { continue };
            let topics = findings.as_mut().map(|found| std::mem::take(&mut found.topics)).unwrap_or_default();
            let look = Look {
                venue: venue.clone(),
                halted: findings.is_none(),
                findings,
                restarts,
                topics,
                ..Look::default()
            };
            self.last.insert(venue, (level_of(&look), look.topics.clone()));
            looks.push(look);
        }
        for (venue, since) in &self.since {
            // For a while it is as it was.
            let mute = since.elapsed() >= ANSWER_WITHIN;
            let (level, topics) = self.last.get(venue).cloned().unwrap_or_default();
            let kept = (!mute).then_some(level);
            looks.push(Look { venue: venue.clone(), mute, kept, topics, ..Look::default() });
        }
        looks.sort_by(|a, b| a.venue.cmp(&b.venue));
        looks
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::*;

    /// What is seen of each venue: answered, as it was, or mute.
    fn words(looks: &[Look]) -> Vec<(&str, &str)> {
        let word = |look: &Look| match (look.mute, look.kept) {
            (true, _) => "mute",
            (false, Some(Level::Unhealthy)) => "as it was",
            (false, Some(_)) => "another level",
            (false, None) => "answered",
        };
        looks.iter().map(|look| (&*look.venue, word(look))).collect()
    }

    fn answer() -> Said {
        Some((Some(Findings { level: Level::Unhealthy, ..Findings::default() }), 0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_hangs_delays_no_look_at_the_others_and_is_called_mute_after_five_seconds() {
        let (mut asking, asked) = (Asking::default(), Rc::new(RefCell::new(Vec::new())));
        let mut hanging: Option<oneshot::Sender<Said>> = None;
        for round in 0..12 {
            let begun = Instant::now();
            let ask = |venue: &str| {
                asked.borrow_mut().push((round, venue.to_owned()));
                let (reply, said) = oneshot::channel();
                if venue == "a" && round > 0 {
                    hanging = Some(reply);
                } else {
                    reply.send(answer()).unwrap();
                }
                Some(async move { said.await.unwrap_or_default() })
            };
            let looks = asking.round(vec!["a".to_owned(), "b".to_owned()], ask).await;
            let a = match round {
                0 | 10.. => "answered",
                1..6 => "as it was",
                _ => "mute",
            };
            if round < 11 {
                assert_eq!(words(&looks), [("a", a), ("b", "answered")], "round {round}");
            }
            assert!(
                begun.elapsed() <= Duration::from_millis(500),
                "round {round} took {:?}",
                begun.elapsed()
            );
            sleep(Duration::from_secs(1) - begun.elapsed()).await;
            if round == 9 {
                hanging.take().unwrap().send(answer()).unwrap();
            }
        }
        let asked = asked.borrow();
        let of_a: Vec<u32> =
            asked.iter().filter(|(_, venue)| venue == "a").map(|(round, _)| *round).collect();
        assert_eq!(of_a, [0, 1, 11], "who owes an answer is not asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_ends_is_not_seen() {
        let mut asking = Asking::default();
        let looks = asking.round(vec!["a".to_owned()], |_| Some(async { None })).await;
        assert_eq!(words(&looks), []);
        let looks = asking.round(vec!["a".to_owned()], |_| None::<std::future::Ready<Said>>).await;
        assert_eq!(words(&looks), []);
    }
}
