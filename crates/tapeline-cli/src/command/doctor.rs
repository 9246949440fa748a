//! `tapeline doctor`: asks the gateway, then takes every step to a venue by itself, and says for each how long it
//! took and, where it fails, what to do.

use std::time::{Duration, Instant};

use serde_json::json;
use tapeline::core::feed::Stage;
use tapeline::core::policy::fault::Fault;
use tapeline::net::probe;
use tapeline::settings::Settings;
use tapeline::{Hub, HubConfig, Kind, Topic, Update};
use tokio::time::timeout;

use super::config::{load, load_over};
use crate::args::{Doctor, Global};
use crate::exit::{Exit, Failed};
use crate::out::print;
use crate::remote::Remote;
use crate::view::text::{Line, Tone};

/// The symbol that is asked for where the configuration keeps nothing warm.
const SYMBOL: &str = "BTCUSDT";
/// How long the first data may take.
const DATA_WITHIN: Duration = Duration::from_secs(15);
/// A clock that is off by more makes ages and latencies wrong.
const SKEWED: i64 = 1_000;

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Note,
    Failed,
}

/// Tells findings as they come.
struct Report {
    json: bool,
    colour: bool,
    /// What is looked at.
    subject: String,
    failed: bool,
}

impl Report {
    fn open(&mut self, subject: impl Into<String>) -> Result<(), Failed> {
        self.subject = subject.into();
        if self.json {
            return Ok(());
        }
        self.show(&Line::new().with(Tone::Strong, self.subject.clone()))
    }

    fn step(
        &mut self,
        mark: Mark,
        step: &str,
        took: Duration,
        found: &str,
        next: &str,
    ) -> Result<(), Failed> {
        self.failed |= mark == Mark::Failed;
        let millis = took.as_secs_f64() * 1_000.0;
        if self.json {
            let ok = mark != Mark::Failed;
            let (subject, ms) = (&self.subject, (millis * 1_000.0).round() / 1_000.0);
            let object =
                json!({"subject": subject, "step": step, "ok": ok, "ms": ms, "found": found, "next": next});
            return print(&format!("{object}\n"));
        }
        let (tone, word) = match mark {
            Mark::Ok => (Tone::Good, "ok  "),
            Mark::Note => (Tone::Warning, "note"),
            Mark::Failed => (Tone::Bad, "FAIL"),
        };
        let time = if took.is_zero() { String::new() } else { format!("{millis:.1} ms") };
        let line = Line::new().with(tone, format!("  {word}  ")).with(Tone::Plain, format!("{step:<11}"));
        self.show(&line.with(Tone::Dim, format!("{time:>10}  ")).with(Tone::Plain, found))?;
        if next.is_empty() {
            Ok(())
        } else {
            self.show(&Line::new().with(Tone::Plain, format!("        → {next}")))
        }
    }

    fn show(&self, line: &Line) -> Result<(), Failed> {
        print(&format!("{}\n", line.render(usize::MAX, self.colour)))
    }
}

/// Runs the command.
pub(crate) async fn run(args: &Doctor, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let theirs = if asks_gateway(global) { of_gateway(&remote).await } else { Vec::new() };
    let settings = if theirs.is_empty() { load(global)? } else { load_over(theirs.clone(), global)? };
    let venues = venues(args.venue.as_deref(), &settings)?;
    let colour = global.colour() && !args.json;
    let mut report = Report { json: args.json, colour, subject: String::new(), failed: false };
    gateway(&mut report, &remote, global).await?;
    if !theirs.is_empty() {
        let found = "endpoints and topics as the gateway has them; -c FILE names others";
        report.step(Mark::Ok, "settings", Duration::ZERO, found, "")?;
    }
    for venue in venues {
        one_venue(&mut report, &settings, venue).await?;
    }
    Ok(if report.failed { Exit::Failure } else { Exit::Done })
}

/// Whoever names a gateway and no configuration wants to know what that gateway would find.
const fn asks_gateway(global: &Global) -> bool {
    global.gateway.is_some() && global.config.is_none()
}

/// What a gateway uses to reach its venues, as `section.key=value`; nothing if it does not say.
async fn of_gateway(remote: &Remote) -> Vec<String> {
    match remote.get("/api/v1/config").await {
        Ok(answer) if answer.status.is_success() => flags(&answer.body),
        _ => Vec::new(),
    }
}

fn flags(config: &serde_json::Value) -> Vec<String> {
    let venues = config.get("venues").and_then(serde_json::Value::as_object).into_iter().flatten();
    let flags = venues.flat_map(|(venue, keys)| {
        // Files are the gateway's, which may run elsewhere; secrets are not told.
        ["streams", "rest", "warm"].into_iter().filter_map(move |key| {
            let list = keys
                .get(key)?
                .as_array()
                .filter(|list| !list.is_empty() && list.iter().all(serde_json::Value::is_string))?;
            let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
            Some(format!("venues.{venue}.{key}=[{}]", texts.join(", ")))
        })
    });
    flags.collect()
}

fn venues<'a>(named: Option<&str>, settings: &'a Settings) -> Result<Vec<&'a str>, Failed> {
    let all: Vec<&str> = settings.venues.keys().copied().collect();
    let Some(named) = named else {
        let configured = |id: &&str| settings.venues.get(*id).is_some_and(|venue| venue.configured);
        let chosen: Vec<&str> = all.iter().copied().filter(|id| configured(id)).collect();
        return Ok(if chosen.is_empty() { all } else { chosen });
    };
    match all.iter().find(|id| **id == named) {
        Some(id) => Ok(vec![id]),
        None => Err(Failed::new(Exit::Usage, format!("there is no venue `{named}`"))
            .hint(format!("venues are {}", all.join(", ")))),
    }
}

/// A gateway need not run: its absence is told, but is no failure.
async fn gateway(report: &mut Report, remote: &Remote, global: &Global) -> Result<(), Failed> {
    report.open(format!("gateway {}", remote.url()))?;
    let since = Instant::now();
    match remote.get("/healthz").await {
        Err(failed) => {
            let named = global.gateway.is_some();
            let mark = if named { Mark::Failed } else { Mark::Note };
            let next = "start one with `tapeline serve`; without it, programs open lines of their own";
            report.step(mark, "answers", since.elapsed(), failed.first(), next)
        }
        Ok(answer) if !answer.body.is_object() => {
            let next = "is that the port of another program? --gateway URL names the right one";
            report.step(Mark::Failed, "answers", since.elapsed(), "this is no gateway", next)
        }
        Ok(answer) => {
            report.step(Mark::Ok, "answers", since.elapsed(), answer.status.as_str(), "")?;
            let word =
                |name: &str| answer.body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            let found = word("level").or_else(|| word("status")).unwrap_or_default();
            let (mark, next) = match answer.status.is_success() {
                true => (Mark::Ok, ""),
                false => (Mark::Failed, "`tapeline status` shows which line or topic is not well, and why"),
            };
            report.step(mark, "health", Duration::ZERO, &found, next)
        }
    }
}

async fn one_venue(report: &mut Report, settings: &Settings, venue: &str) -> Result<(), Failed> {
    let config = HubConfig::from(settings);
    let net = config.venues.get(venue).map(|venue| venue.net.clone()).unwrap_or_default();
    let hub = Hub::new(HubConfig { venues: without_warm(config.venues.clone()), ..config });
    let warm = settings.venues.get(venue).and_then(|venue| venue.warm.first().cloned());
    let topic = match warm {
        Some(topic) => topic,
        None => Topic::parse(&format!("{venue}:trade:{SYMBOL}"))
            .map_err(|error| Failed::new(Exit::Internal, error))?,
    };
    let origins = settings.venues.get(venue).map(|venue| venue.streams.clone()).unwrap_or_default();
    let mut reached = false;
    for origin in &origins {
        report.open(format!("{venue} {origin}"))?;
        reached |= dial(report, &hub, net.clone(), (venue, origin), &topic).await?;
    }
    report.open(format!("{venue} data"))?;
    if reached {
        data(report, &hub, &topic).await?;
    } else {
        report.step(Mark::Failed, "subscribe", Duration::ZERO, "no endpoint can be reached", "see above")?;
    }
    hub.shutdown().await;
    Ok(())
}

/// Looking must not subscribe what nobody asked for.
fn without_warm(
    mut venues: std::collections::BTreeMap<String, tapeline::VenueConfig>,
) -> std::collections::BTreeMap<String, tapeline::VenueConfig> {
    for venue in venues.values_mut() {
        venue.feed.warm.clear();
    }
    venues
}

/// Name, socket, TLS, upgrade.
async fn dial(
    report: &mut Report,
    hub: &Hub,
    net: tapeline::net::NetConfig,
    (venue, origin): (&str, &str),
    topic: &Topic,
) -> Result<bool, Failed> {
    let refused = |error: tapeline::TopicError| Failed::new(Exit::Failure, error);
    let adapter = hub.adapter(venue).map_err(refused)?;
    let route = adapter.route(topic).map_err(refused)?;
    let request = adapter.dial(route.group, origin, &[&route.stream], None);
    let mut told = Ok(());
    let well = probe(net, &request, |step| {
        let name = match step.stage {
            Stage::Dns => "name",
            Stage::Tcp => "tcp",
            Stage::Proxy => "proxy",
            Stage::Tls => "tls",
            Stage::Upgrade => "upgrade",
        };
        let (mark, found, next) = match &step.outcome {
            Ok(found) => (Mark::Ok, found.as_str(), ""),
            Err(error) => (Mark::Failed, error.detail.as_str(), advice(step.stage, error.fault)),
        };
        let now = report.step(mark, name, step.took, found, next);
        if told.is_ok() {
            told = now;
        }
    })
    .await;
    told.map(|()| well)
}

/// What to do about a stage that failed.
const fn advice(stage: Stage, fault: Fault) -> &'static str {
    match (stage, fault) {
        (_, Fault::Local) => "this machine has no way out: look at its network, its resolver and its limits",
        (Stage::Dns, Fault::Configuration) => "look at `streams` in the configuration of this venue",
        (Stage::Dns, _) => {
            "the name is not known: look at the resolver (`getent hosts NAME`) and at `streams`"
        }
        (Stage::Tcp, _) => {
            "nobody listens there, or a firewall is between: look at host and port, or set `proxy`"
        }
        (Stage::Proxy, _) => {
            "look at `proxy` in the configuration of this venue, and whether it may go there"
        }
        (Stage::Tls, _) => {
            "look at the clock of this machine; behind an inspecting proxy name its authority by `ca_file`"
        }
        (Stage::Upgrade, Fault::RateLimited { .. }) => {
            "the venue limits this address: wait, and dial less often"
        }
        (Stage::Upgrade, Fault::Authentication) => "the venue refuses the key: look at `key_id` and `secret`",
        (Stage::Upgrade, Fault::Configuration) => {
            "the venue does not serve this here (a wrong path, or a country it does not serve): look at `streams`"
        }
        (Stage::Upgrade, _) => {
            "the venue is in trouble, or it is no WebSocket endpoint: try again, or another one"
        }
    }
}

/// Subscribes one topic as anybody would: acceptance, first data, and what its time says about our clock.
async fn data(report: &mut Report, hub: &Hub, topic: &Topic) -> Result<(), Failed> {
    let since = Instant::now();
    let refused = |error: tapeline::SubscribeError| Failed::new(Exit::Failure, error);
    let mut subscription = hub.subscribe(topic.as_str()).name("doctor").await.map_err(refused)?;
    let mut live = None;
    let first = timeout(DATA_WITHIN, async {
        while let Some(update) = subscription.next().await {
            match update.kind {
                Kind::Snapshot | Kind::Delta | Kind::Event if update.offset > 0 => return Some(update),
                Kind::Status => {
                    if let tapeline::Data::Status(status) = &update.data {
                        live = (status.phase == "live").then(|| since.elapsed()).or(live);
                    }
                }
                _ => {}
            }
        }
        None
    })
    .await;
    if let Some(took) = live {
        report.step(Mark::Ok, "subscribe", took, "the venue has accepted", "")?;
    }
    match first {
        Ok(Some(update)) => {
            report.step(Mark::Ok, "first data", since.elapsed(), topic.as_str(), "")?;
            skew(report, &update)
        }
        _ => {
            let (list, _) = hub.list().await;
            let why = list.iter().find(|entry| &entry.topic == topic).map(|entry| entry.reason.clone());
            let found = why.filter(|why| !why.is_empty()).unwrap_or_else(|| "nothing came".to_owned());
            let next = "is the symbol right and traded? run it again with -v to see what the feed did";
            report.step(Mark::Failed, "first data", since.elapsed(), &found, next)
        }
    }
}

/// How far the venue's clock and ours are apart, the way of the message included.
fn skew(report: &mut Report, update: &Update) -> Result<(), Failed> {
    let Some(time) = update.time else {
        return report.step(Mark::Note, "clock", Duration::ZERO, "the venue tells no times here", "");
    };
    let apart = (update.received.0 - time.0) / 1_000_000;
    let found = format!("received {apart} ms after the venue's time");
    if apart.abs() > SKEWED {
        let next = "one of the clocks is off: let this machine keep its time by NTP (`timedatectl`)";
        return report.step(Mark::Note, "clock", Duration::ZERO, &found, next);
    }
    report.step(Mark::Ok, "clock", Duration::ZERO, &found, "")
}
