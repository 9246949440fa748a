//! The stream of a running gateway: subscribed once, kept over cuts and restarts, resumed by position.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tapeline_ws::{ClientRequest, ConnectError, Connection, Limits, MessageOf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Remote;
use super::envelope::Head;
use crate::exit::{Exit, Failed};

/// The subprotocol.
const PROTOCOL: &str = "tapeline.v1.json";
/// How long the upgrade may take.
const UPGRADE_WITHIN: Duration = Duration::from_secs(5);
/// When silence is doubted.
const PATIENCE: Patience =
    Patience { ask_after: Duration::from_secs(12), answer_within: Duration::from_secs(5) };
/// Delays between attempts grow up to this.
const LONGEST: Duration = Duration::from_secs(5);
/// The first delay.
const FIRST: Duration = Duration::from_millis(100);
/// Topics of one request.
const BATCH: usize = 100;
/// Positions of one request beyond those of its topics: what its patterns have brought.
const MORE: usize = 200;
/// Messages that wait for us; beyond that the gateway waits.
const QUEUE: usize = 4_096;

/// What a stream brings.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An envelope.
    Envelope(String),
    /// The gateway is away from now on; what to tell about it, unless that was told already.
    Away(Option<String>),
    /// The gateway is back; what to tell about it, and the topics of which nothing is missing.
    Back(Option<String>, Vec<String>),
    /// It is over for good.
    Over(Failed),
}

/// A running stream; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Incoming {
    heard: mpsc::Receiver<Heard>,
}

impl Incoming {
    /// Subscribes to `topics` and patterns.
    pub(crate) fn open(remote: Remote, topics: Vec<String>, delivery: Option<&'static str>) -> Self {
        let (out, heard) = mpsc::channel(QUEUE);
        let (positions, patience) = (BTreeMap::new(), PATIENCE);
        let reader = Reader { remote, topics, delivery, positions, met: false, patience };
        tokio::spawn(reader.run(out));
        Self { heard }
    }

    /// Waits for something and takes all that has come; how many, 0 at the end.
    pub(crate) async fn next_batch(&mut self, out: &mut Vec<Heard>) -> usize {
        self.heard.recv_many(out, QUEUE).await
    }
}

/// The task behind an [`Incoming`].
#[derive(Debug)]
struct Reader {
    remote: Remote,
    topics: Vec<String>,
    delivery: Option<&'static str>,
    /// The last position of every topic seen.
    positions: BTreeMap<String, (String, u64)>,
    /// Whether a subscription has ever been granted.
    met: bool,
    patience: Patience,
}

/// How long a gateway may be silent. One that hangs keeps its connections: only its silence tells.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// After so long it is pinged; quiet topics say nothing for longer.
    ask_after: Duration,
    /// How long it may take then to say anything at all.
    answer_within: Duration,
}

/// How a session ended.
#[derive(Debug)]
enum End {
    /// Nobody listens any more.
    Unheard,
    /// There is no sense in trying again.
    Over(Failed),
    /// Try again, not before this time has passed.
    Cut(String, Duration),
}

/// One answer to a subscription.
#[derive(Debug, Deserialize)]
struct Granted {
    topic: String,
    ok: bool,
    epoch: Option<String>,
    offset: Option<u64>,
    recovered: Option<bool>,
    reason: Option<String>,
    error: Option<Value>,
}

type Socket = Connection<TcpStream>;

impl Reader {
    async fn run(mut self, out: mpsc::Sender<Heard>) {
        let mut attempts = 0;
        loop {
            let before = self.positions.clone();
            let (why, least) = match self.session(&out).await {
                End::Unheard => return,
                End::Over(failed) => {
                    let _ = out.send(Heard::Over(failed)).await;
                    return;
                }
                End::Cut(why, least) => (why, least),
            };
            let mut text = None;
            if self.positions != before || attempts == 0 {
                attempts = 0;
                text = Some(format!("the gateway at {} is away: {why}; trying again", self.remote.url()));
            }
            if out.send(Heard::Away(text)).await.is_err() {
                return;
            }
            attempts += 1;
            tokio::select! {
                () = tokio::time::sleep(delay(attempts).max(least)) => {}
                () = out.closed() => return,
            }
        }
    }

    async fn session(&mut self, out: &mpsc::Sender<Heard>) -> End {
        let mut socket = match self.open().await {
            Ok(socket) => socket,
            Err(end) => return end,
        };
        match self.talk(&mut socket, out).await {
            Ok(end) | Err(end) => {
                // At once, not only after what follows: what is shown must not look alive any more.
                let _ = out.try_send(Heard::Away(None));
                let _ = timeout(Duration::from_millis(200), socket.close(1000, "")).await;
                end
            }
        }
    }

    async fn open(&self) -> Result<Socket, End> {
        let again = |why: String| End::Cut(why, Duration::ZERO);
        let tcp = match self.remote.connect().await {
            Ok(tcp) => tcp,
            // Whoever was never there is not waited for.
            Err(failed) if !self.met => return Err(End::Over(failed)),
            Err(failed) => return Err(again(failed.first().to_owned())),
        };
        let request = ClientRequest {
            host: self.remote.authority.clone(),
            path: "/v1/stream".to_owned(),
            subprotocols: vec![PROTOCOL.to_owned()],
            ..ClientRequest::default()
        };
        // A snapshot of a large book passes what a venue's message may be.
        let limits = Limits { message: 64 << 20, ..Limits::client() };
        match timeout(UPGRADE_WITHIN, Connection::connect(tcp, &request, limits, drawn())).await {
            Err(_) => Err(again("the upgrade took too long".to_owned())),
            Ok(Ok((mut socket, _))) => {
                socket.set_auto_pong(true);
                Ok(socket)
            }
            Ok(Err(error @ (ConnectError::Refused(_) | ConnectError::Handshake(_)))) if !self.met => {
                Err(End::Over(turned_away(&self.remote.url(), &error)))
            }
            Ok(Err(error)) => Err(again(error.to_string())),
        }
    }

    async fn talk(&mut self, socket: &mut Socket, out: &mpsc::Sender<Heard>) -> Result<End, End> {
        let broken = |error: &dyn std::fmt::Display| End::Cut(error.to_string(), Duration::ZERO);
        let topics = self.topics.clone();
        for (id, topics) in topics.chunks(BATCH).enumerate() {
            let request = self.request(id, topics);
            socket.send(MessageOf::Text(&request)).await.map_err(|error| broken(&error))?;
        }
        let mut open = topics.len().div_ceil(BATCH);
        let mut renewed = Renewed::default();
        let Patience { ask_after, answer_within } = self.patience;
        let silent = || {
            let why =
                format!("it has said nothing for {:.0?}, not even to a ping", ask_after + answer_within);
            Ok(End::Cut(why, Duration::ZERO))
        };
        let mut asked = false;
        loop {
            let heard = timeout(if asked { answer_within } else { ask_after }, socket.receive()).await;
            // Whatever came is a sign of life.
            if std::mem::replace(&mut asked, heard.is_err()) && asked {
                return silent();
            }
            let text = match heard {
                Err(_) => match timeout(answer_within, socket.send(MessageOf::Ping(b""))).await {
                    Err(_) => return silent(),
                    Ok(Err(error)) => return Ok(broken(&error)),
                    Ok(Ok(())) => continue,
                },
                Ok(Err(error)) => return Ok(broken(&error)),
                Ok(Ok(None)) => return Ok(End::Cut("the connection ended".to_owned(), Duration::ZERO)),
                Ok(Ok(Some(MessageOf::Close { code, reason }))) => return Ok(self.closed(code, reason)),
                Ok(Ok(Some(MessageOf::Text(text)))) => text.to_owned(),
                Ok(Ok(Some(_))) => continue,
            };
            let Ok(head) = serde_json::from_str::<Head<'_>>(&text) else { continue };
            match (&*head.kind, &head.topic, &head.epoch, head.offset) {
                ("result", ..) => {
                    self.granted(&text, &mut renewed)?;
                    open = open.saturating_sub(1);
                    if open == 0 {
                        let back = Heard::Back(renewed.told(), std::mem::take(&mut renewed.whole));
                        if out.send(back).await.is_err() {
                            return Ok(End::Unheard);
                        }
                    }
                }
                ("error", ..) => self.refused(&text)?,
                (_, Some(topic), Some(epoch), Some(offset)) => {
                    match self.positions.get_mut(&**topic) {
                        Some(position) if position.0 == **epoch => position.1 = offset,
                        _ => {
                            self.positions.insert(topic.to_string(), (epoch.to_string(), offset));
                        }
                    }
                    if out.send(Heard::Envelope(text)).await.is_err() {
                        return Ok(End::Unheard);
                    }
                }
                _ => {}
            }
        }
    }

    fn request(&self, id: usize, topics: &[String]) -> String {
        let position = |(epoch, offset): &(String, u64)| json!({"epoch": epoch, "offset": offset});
        let named =
            topics.iter().filter_map(|topic| Some((topic.clone(), position(self.positions.get(topic)?))));
        let mut resume: serde_json::Map<String, Value> = named.collect();
        if topics.iter().any(|topic| topic.contains('*')) {
            let others = self.positions.iter().filter(|(topic, _)| !self.topics.contains(topic));
            resume.extend(others.take(MORE).map(|(topic, at)| (topic.clone(), position(at))));
        }
        let mut request = json!({"op": "subscribe", "id": id, "topics": topics});
        if let Some(delivery) = self.delivery {
            request["delivery"] = delivery.into();
        }
        if !resume.is_empty() {
            request["resume"] = resume.into();
        }
        request.to_string()
    }

    /// Takes the answer to a subscription.
    fn granted(&mut self, text: &str, renewed: &mut Renewed) -> Result<(), End> {
        #[derive(Deserialize)]
        struct Answer {
            id: usize,
            results: Vec<Granted>,
        }
        let Ok(answer) = serde_json::from_str::<Answer>(text) else { return Ok(()) };
        for (index, granted) in answer.results.into_iter().enumerate() {
            if !granted.ok {
                let said =
                    granted.error.as_ref().and_then(|error| error.get("message")).and_then(Value::as_str);
                let text = said.map_or_else(|| format!("{}: refused", granted.topic), str::to_owned);
                let failed = Failed::new(Exit::Failure, text);
                return Err(End::Over(
                    failed.hint("the gateway refuses this topic; `tapeline status` shows it"),
                ));
            }
            // From now on it is called as the gateway calls it.
            if let Some(asked) = self.topics.get_mut(answer.id * BATCH + index) {
                asked.clone_from(&granted.topic);
            }
            if self.met && self.positions.contains_key(&granted.topic) {
                renewed.take(&granted);
            }
            if let (Some(epoch), Some(offset), false) =
                (granted.epoch, granted.offset, granted.recovered == Some(true))
            {
                self.positions.insert(granted.topic, (epoch, offset));
            }
        }
        self.met = true;
        Ok(())
    }

    fn refused(&self, text: &str) -> Result<(), End> {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let said = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
        if self.met {
            tracing::warn!(said, "the gateway complains");
            return Ok(());
        }
        Err(End::Over(Failed::new(Exit::Failure, format!("{}: {said}", self.remote.url()))))
    }

    fn closed(&self, code: u16, reason: &str) -> End {
        let why = if reason.is_empty() {
            format!("closed with {code}")
        } else {
            format!("closed with {code} {reason}")
        };
        if (4_500..5_000).contains(&code) {
            let failed = Failed::new(Exit::Failure, format!("{}: {why}", self.remote.url()));
            return End::Over(failed.hint("the gateway does not want us back with this request"));
        }
        End::Cut(why, retry_after(reason).unwrap_or_default())
    }
}

/// What became of what had been read before a cut.
#[derive(Debug, Default)]
struct Renewed {
    whole: Vec<String>,
    /// Topics that start anew, and why the first of them does.
    anew: Option<(usize, String)>,
}

impl Renewed {
    fn take(&mut self, granted: &Granted) {
        if granted.recovered == Some(true) {
            self.whole.push(granted.topic.clone());
        } else {
            let reason = || granted.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
            self.anew.get_or_insert_with(|| (0, reason())).0 += 1;
        }
    }

    fn told(&self) -> Option<String> {
        let whole = self.whole.len();
        match &self.anew {
            None if whole == 0 => None,
            None => {
                Some(format!("the gateway is back; {whole} topics go on where they were, nothing is missing"))
            }
            Some((anew, reason)) => Some(format!(
                "the gateway is back; {whole} topics go on where they were, {anew} start anew ({reason}): what came \
                 meanwhile is not in the stream"
            )),
        }
    }
}

/// `{"retry_after_ms":1200}`, or the same in words.
fn retry_after(reason: &str) -> Option<Duration> {
    let (_, rest) = reason.split_once("retry_after_ms")?;
    let digits = rest.trim_start_matches(|character: char| !character.is_ascii_digit());
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    let millis: u64 = digits[..end].parse().ok()?;
    Some(Duration::from_millis(millis.min(60_000)))
}

/// Full jitter: anything up to a bound that doubles.
fn delay(attempts: u32) -> Duration {
    let most = FIRST.saturating_mul(1 << attempts.min(10)).min(LONGEST);
    let share = (drawn() >> 11) as f64 / (1u64 << 53) as f64;
    most.mul_f64(share).max(FIRST / 2)
}

/// A number from the system: the standard library draws one for every hash map.
fn drawn() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Why there is no stream: in the gateway's own words, if what answers is one.
fn turned_away(url: &str, error: &ConnectError) -> Failed {
    let said = match error {
        ConnectError::Refused(refusal) => serde_json::from_slice::<Value>(&refusal.body).ok(),
        _ => None,
    };
    match said.as_ref().and_then(|body| body.pointer("/error/message")).and_then(Value::as_str) {
        Some(said) => Failed::new(Exit::Failure, format!("{url} gives no stream: {said} ({error})")),
        None => Failed::new(Exit::Failure, format!("{url} serves no streams: {error}"))
            .hint("--gateway URL names a running gateway"),
    }
}

#[cfg(test)]
mod tests;
