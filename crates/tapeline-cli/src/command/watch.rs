//! `tapeline watch`: topics as they change, as a table on a terminal, as JSON lines everywhere else.

mod far;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tapeline::{
    Bounds, Channel, Hub, HubConfig, Overflow, SubscribeError, Subscription, TopicError, Update, Wish,
};
use tokio::time::{MissedTickBehavior, interval};

use super::config::load;
use crate::args::{Global, Watch};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::out::Lines;
use crate::remote::Remote;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::view::live::{Live, Source};
use crate::view::{Board, Frame, Grouping};

/// How much may wait for us. Larger than a usual subscriber's, because batches are what makes many
/// lines per second cheap.
const BOUNDS: Bounds = Bounds { messages: 16_384, bytes: 8 << 20 };
/// A drain that takes longer is given up.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command until a signal ends it, or its reader goes.
pub(crate) async fn run(args: Watch, global: &Global, stop: &mut Stop) -> Result<Exit, Failed> {
    let wishes = wishes(&args.topics)?;
    if global.gateway.is_some() {
        return far::run(&args, &wishes, global, stop).await;
    }
    let settings = load(global)?;
    let table = !args.json && std::io::stdout().is_terminal();
    let hub = Hub::new(HubConfig::from(&settings));
    let overflow = if table { Overflow::Gap } else { Overflow::Block };
    let mut subscribe = hub.subscribe(wishes.clone()).name("watch").overflow(overflow).bounds(BOUNDS);
    if let Some(how) = args.delivery {
        subscribe = subscribe.delivery(how.into());
    }
    let mut subscription = tokio::select! {
        made = subscribe => made.map_err(|error| refused(&error))?,
        exit = stop.asked() => return Ok(exit),
    };
    hint_at_lonely_patterns(&hub, &wishes).await;
    // Ends with the program, or when there is nothing more to hint at.
    tokio::spawn(hint_at_gateway(hub.clone(), Remote::of(global)?));
    if !table {
        return lines(&hub, &mut subscription, stop).await;
    }
    let topics: Vec<_> =
        subscription.subscribed().iter().map(|subscribed| subscribed.topic.clone()).collect();
    let board = Board::new(Grouping::Topics, topics);
    let frame = Frame { title: "watch".to_owned(), ..Frame::default() };
    let source = Source::Near { hub: &hub, subscription: &mut subscription };
    let live = Live { source, board, frame, until: None, extra: None };
    let exit = live.show(global.colour(), stop).await?;
    if exit == Exit::Failure {
        return Err(ended(&subscription));
    }
    leave(&hub, stop, exit).await
}

/// A hub of our own has no topics but those that are named here or kept warm: a pattern alone waits for ever.
async fn hint_at_lonely_patterns(hub: &Hub, wishes: &[Wish]) {
    let patterns = wishes.iter().filter_map(|wish| match wish {
        Wish::Pattern(pattern) => Some(pattern),
        Wish::Topic(_) => None,
    });
    let mut patterns = patterns.peekable();
    if patterns.peek().is_none() {
        return;
    }
    let feeds: Vec<_> = hub.status().await.venues.into_iter().filter_map(|venue| venue.feed).collect();
    let topics = feeds.iter().flat_map(|feed| &feed.topics).map(|topic| &topic.topic);
    for pattern in patterns {
        if !topics.clone().any(|topic| pattern.matches(topic)) {
            let pattern = pattern.as_str();
            log::say(&format!(
                "{pattern} matches no topic yet; patterns match topics that are in use: name some beside it, or \
                 keep them warm by `warm` in the configuration of the venue"
            ));
        }
    }
}

/// Where a venue cannot be reached, a gateway that runs here may be the way: whoever forgot to name it is told once.
async fn hint_at_gateway(hub: Hub, remote: Remote) {
    const LOOKS: u32 = 60;
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = hub.status().await;
        let mut lines =
            status.venues.iter().filter_map(|venue| venue.feed.as_ref()).flat_map(|feed| &feed.lines);
        if !lines.any(|line| !line.proven && line.reason.is_some()) {
            continue;
        }
        if remote.is_gateway().await {
            log::say(&format!(
                "a gateway answers at {}; add --gateway {0} to watch through it",
                remote.url()
            ));
        }
        return;
    }
}

/// What was asked for; every text that is no topic is told.
fn wishes(topics: &[String]) -> Result<Vec<Wish>, Failed> {
    let mut wishes = Vec::new();
    let mut wrong = Vec::new();
    for text in topics {
        match Wish::parse(text) {
            Ok(wish) => wishes.push(wish),
            Err(error) => wrong.push(error),
        }
    }
    match wrong.as_slice() {
        [] => Ok(wishes),
        [first, ..] => {
            let texts: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Err(hinted(Failed::new(Exit::Usage, texts.join("\n")), first))
        }
    }
}

/// Why a subscription was not made.
pub(crate) fn refused(error: &SubscribeError) -> Failed {
    match error {
        SubscribeError::Topic(topic) => hinted(Failed::new(Exit::Usage, topic), topic),
        _ => Failed::new(Exit::Failure, error),
    }
}

fn hinted(failed: Failed, error: &TopicError) -> Failed {
    let channels = || Channel::all().map(Channel::name).collect::<Vec<_>>().join(", ");
    match error {
        TopicError::Channel { .. } => failed.hint(format!("channels are {}", channels())),
        _ => failed,
    }
}

/// Why a subscription has ended by itself.
pub(crate) fn ended(subscription: &Subscription) -> Failed {
    let why = subscription
        .cut_off()
        .map_or_else(|| "its feed is gone".to_owned(), |why| format!("{why:?}").to_lowercase());
    Failed::new(Exit::Failure, format!("the subscription has ended: {why}"))
        .hint("run it again with -v to see what the venue's feed did before")
}

/// One JSON envelope per line.
async fn lines(hub: &Hub, subscription: &mut Subscription, stop: &mut Stop) -> Result<Exit, Failed> {
    let mut lines = Lines::start();
    let mut batch: Vec<Arc<Update>> = Vec::new();
    let mut looks = interval(Duration::from_secs(1));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = Trouble::default();
    let exit = loop {
        let some = !lines.buffer.is_empty();
        let room = lines.buffer.len() < Lines::LARGE;
        tokio::select! {
            biased;
            exit = stop.asked() => break exit,
            _ = looks.tick() => {
                for text in trouble.look(hub.status().await) {
                    log::say(&text);
                }
            }
            count = subscription.next_batch(&mut batch), if room => {
                if count == 0 {
                    lines.finish().await?;
                    return Err(ended(subscription));
                }
                encode(&mut batch, &mut lines.buffer);
            }
            // Only when nothing more is ready, or the buffer is full: few large writes.
            flushed = lines.flush(), if some => if flushed.is_err() {
                // The reader has what it wanted.
                lines.finish().await?;
                return leave(hub, stop, Exit::Done).await;
            },
        }
    };
    let drain = async {
        hub.shutdown().await;
        // What was received before the end belongs to the reader.
        while subscription.next_batch(&mut batch).await > 0 {
            encode(&mut batch, &mut lines.buffer);
            if lines.buffer.len() >= Lines::LARGE && lines.flush().await.is_err() {
                break;
            }
        }
        lines.finish().await
    };
    tokio::select! {
        finished = tokio::time::timeout(DRAIN_WITHIN, drain) => finished.unwrap_or(Ok(())).map(|()| exit),
        again = stop.asked() => Ok(again),
    }
}

fn encode(batch: &mut Vec<Arc<Update>>, buffer: &mut Vec<u8>) {
    for update in batch.drain(..) {
        buffer.extend_from_slice(update.json().as_bytes());
        buffer.push(b'\n');
    }
}

/// Leaves in good order; a second signal leaves at once.
pub(crate) async fn leave(hub: &Hub, stop: &mut Stop, exit: Exit) -> Result<Exit, Failed> {
    tokio::select! {
        () = hub.shutdown() => Ok(exit),
        again = stop.asked() => Ok(again),
    }
}
