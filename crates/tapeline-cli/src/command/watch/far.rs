//! `tapeline watch --gateway`: the same views, fed by a running gateway.

use std::io::IsTerminal as _;

use tapeline::{Topic, Wish};

use crate::args::{Global, How, Watch};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::out::Lines;
use crate::remote::Remote;
use crate::remote::stream::{Heard, Incoming};
use crate::stop::Stop;
use crate::view::live::{Live, Source};
use crate::view::{Board, Frame, Grouping};

/// Runs the command until a signal ends it, its reader goes, or the gateway refuses.
pub(crate) async fn run(
    args: &Watch,
    wishes: &[Wish],
    global: &Global,
    stop: &mut Stop,
) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let delivery = args.delivery.map(|how| match how {
        How::Every => "every",
        How::Conflate => "conflate",
    });
    let title = format!("watch · {}", remote.url());
    let mut incoming = Incoming::open(remote, args.topics.clone(), delivery);
    if args.json || !std::io::stdout().is_terminal() {
        return lines(&mut incoming, stop).await;
    }
    // The gateway may know a topic by another name: its row then comes with its first update.
    let topics = wishes.iter().filter_map(|wish| match wish {
        Wish::Topic(topic) => Some(topic.clone()),
        Wish::Pattern(_) => None,
    });
    let board = Board::new(Grouping::Topics, topics.collect::<Vec<Topic>>());
    let frame = Frame { title, ..Frame::default() };
    let source = Source::Far(&mut incoming);
    Live { source, board, frame, until: None, extra: None }.show(global.colour(), stop).await
}

/// One JSON envelope per line, as the gateway sends them.
async fn lines(incoming: &mut Incoming, stop: &mut Stop) -> Result<Exit, Failed> {
    let mut lines = Lines::start();
    let mut batch = Vec::new();
    let exit = loop {
        let some = !lines.buffer.is_empty();
        let room = lines.buffer.len() < Lines::LARGE;
        tokio::select! {
            biased;
            exit = stop.asked() => break exit,
            count = incoming.next_batch(&mut batch), if room => {
                if count == 0 {
                    break Exit::Failure;
                }
                if let Err(failed) = take(&mut batch, &mut lines.buffer) {
                    lines.finish().await?;
                    return Err(failed);
                }
            }
            // Only when nothing more is ready, or the buffer is full: few large writes.
            flushed = lines.flush(), if some => if flushed.is_err() {
                break Exit::Done;
            },
        }
    };
    tokio::select! {
        finished = lines.finish() => finished.map(|()| exit),
        again = stop.asked() => Ok(again),
    }
}

fn take(batch: &mut Vec<Heard>, buffer: &mut Vec<u8>) -> Result<(), Failed> {
    for heard in batch.drain(..) {
        match heard {
            Heard::Envelope(text) => {
                buffer.extend_from_slice(text.as_bytes());
                buffer.push(b'\n');
            }
            Heard::Away(text) | Heard::Back(text, _) => {
                if let Some(text) = text {
                    log::say(&text);
                }
            }
            Heard::Over(failed) => return Err(failed),
        }
    }
    Ok(())
}
