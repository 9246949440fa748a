//! One cause over a thousand topics: a real feed whose venue goes away and comes back, as the watch sees it.

use std::sync::Arc;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::channel::Delivery;
use tapeline_core::feed::{Action, Closed, DialError, Feed, Input, Memory, Stage};
use tapeline_core::outbox::{Bounds, Outbox, Overflow, SubscriberId, outbox};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{LineId, Refusal};
use tapeline_venues::by_id;

use super::*;

const TOPICS: u64 = 1_000;
/// Ten steps a second.
const STEP: Duration = Duration::from_millis(100);

/// A feed that is driven by hand, and its venue.
struct Rig {
    feed: Feed,
    now: Time,
    open: Vec<LineId>,
    /// Whether the venue can be reached, and REST of it.
    up: bool,
    /// Whether the market goes on while nobody can be reached.
    trades_on: bool,
    ids: u64,
    /// The last trade of each.
    traded: BTreeMap<u64, u64>,
    /// The streams that the venue was asked for on the line that is open.
    asked: BTreeSet<String>,
    outbox: Outbox,
}

impl Rig {
    fn new() -> Self {
        let venue = by_id("binance").unwrap();
        let mut config = FeedConfig::default();
        config.limits.topics_per_client = TOPICS as usize;
        let now = Time::default().later(Duration::from_secs(100_000));
        let mut feed = Feed::new(Arc::clone(&venue), config, Memory::default(), 1);
        let bounds = Bounds { messages: 10_000, bytes: 64 << 20 };
        let (to, outbox) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
        for n in 0..TOPICS {
            let topic = format!("binance:trade:S{n}USDT").parse().unwrap();
            feed.subscribe(now, topic, Delivery::Every, None, &to).unwrap();
        }
        Self {
            feed,
            now,
            open: Vec::new(),
            up: true,
            trades_on: false,
            ids: 0,
            traded: BTreeMap::new(),
            asked: BTreeSet::new(),
            outbox,
        }
    }

    /// Every line ends, and none can be dialled.
    fn cut(&mut self) {
        self.up = false;
        self.asked.clear();
        for line in std::mem::take(&mut self.open) {
            let why = Closed { code: None, fault: Fault::Transient, detail: "connection reset".to_owned() };
            self.feed.handle(self.now, Input::Closed { line, why });
        }
    }

    fn step(&mut self) {
        self.now = self.now.later(STEP);
        if self.feed.deadline().is_some_and(|at| at <= self.now.mono) {
            self.feed.tick(self.now);
        }
        while let Some(action) = self.feed.next_action() {
            self.perform(action);
        }
        self.ids += u64::from(self.up || self.trades_on);
        if !self.up && self.trades_on {
            // Nobody hears of these, and REST tells of nothing.
            (0..TOPICS)
                .filter(|n| n % 50 == self.ids % 50)
                .for_each(|n| *self.traded.entry(n).or_default() += 1);
        }
        for line in self.open.clone() {
            // Every topic speaks every five seconds.
            for n in (0..TOPICS).filter(|n| n % 50 == self.ids % 50) {
                if !self.asked.contains(&format!("s{n}usdt@trade")) {
                    continue;
                }
                let ms = self.now.unix.0 / 1_000_000;
                let id = self.traded.entry(n).and_modify(|id| *id += 1).or_insert(1);
                let frame = format!(
                    r#"{{"stream":"s{n}usdt@trade","data":{{"e":"trade","E":{ms},"s":"S{n}USDT","t":{id},"p":"1.5","q":"2","T":{ms},"m":true,"M":true}}}}"#
                );
                self.feed.handle(self.now, Input::Frame { line, bytes: frame.as_bytes() });
            }
        }
        while self.feed.next_action().is_some_and(|action| {
            self.perform(action);
            true
        }) {}
        while self.outbox.try_next().is_some() {}
    }

    fn perform(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Dial { line, .. } if self.up => {
                self.open.push(line);
                self.feed.handle(now, Input::Opened { line });
            }
            Action::Dial { line, .. } => {
                let detail = "connection refused".to_owned();
                let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail };
                self.feed.handle(now, Input::Failed { line, why });
            }
            Action::Send { line, text } => {
                let request: serde_json::Value = serde_json::from_str(&text).unwrap();
                let names =
                    request["params"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
                self.asked.extend(names.map(str::to_owned));
                let reply = format!(r#"{{"result":null,"id":{}}}"#, request["id"]);
                self.feed.handle(now, Input::Frame { line, bytes: reply.as_bytes() });
            }
            Action::Ping { line, payload } => {
                self.feed.handle(now, Input::Pong { line, payload: &payload });
            }
            Action::Close { line, .. } => self.open.retain(|open| *open != line),
            Action::Fetch { id, .. } => {
                let refusal = Refusal::new(Fault::Transient, "connection refused");
                self.feed.handle(now, Input::Fetched { id, result: Err(refusal) });
            }
            Action::Pong { .. } | Action::Login { .. } | Action::ReadKeys => {}
        }
    }
}

/// A quarter of an hour with the venue away from the 120th second to the 420th; what was told, with its second.
fn away_for_five_minutes(trades_on: bool) -> (Vec<(u64, Notification)>, Watch, Rig) {
    let (mut rig, watch) = (Rig::new(), Watch::default());
    rig.trades_on = trades_on;
    let mut told: Vec<(u64, Notification)> = Vec::new();
    for second in 0..1_500 {
        if second == 120 {
            rig.cut();
        }
        rig.up = !(120..420).contains(&second);
        (0..10).for_each(|_| rig.step());
        let findings = Some(rig.feed.findings(rig.now));
        let look = Look { venue: "binance".into(), findings, ..Look::default() };
        told.extend(watch.look(rig.now, &[look]).into_iter().map(|one| (second, one)));
        if second == 119 {
            let status = rig.feed.status(rig.now);
            assert!(status.topics.iter().all(|topic| topic.phase == "live"), "all topics are served");
            assert!(told.is_empty(), "{told:?}");
        }
    }
    (told, watch, rig)
}

fn short(told: &[(u64, Notification)]) -> Vec<(u64, Why, usize, Level, Vec<&'static str>)> {
    let rules = |one: &Notification| one.alerts.iter().map(|alert| alert.rule.name()).collect::<Vec<_>>();
    told.iter().map(|(at, one)| (*at, one.why, one.count, one.level, rules(one))).collect()
}

#[test]
fn a_venue_with_a_thousand_topics_that_goes_away_is_told_at_most_three_times() {
    let (told, watch, rig) = away_for_five_minutes(false);
    let short = short(&told);
    assert!((2..=3).contains(&told.len()), "{short:?}");
    let (first, last) = (&told[0].1, &told[told.len() - 1]);
    assert!((120..150).contains(&told[0].0) && first.why == Why::Firing, "{short:?}");
    assert!(told.iter().any(|(_, one)| one.alerts.iter().any(|alert| alert.rule == Rule::VenueDown)));
    assert!(last.1.why == Why::Resolved && last.0 > 420, "{short:?}");
    assert!(watch.desk().alerts.list(rig.now.mono).is_empty(), "all is well again");
}

#[test]
fn what_a_thousand_topics_missed_and_nobody_can_fetch_is_the_same_story() {
    let (told, watch, rig) = away_for_five_minutes(true);
    let short = short(&told);
    let lost = rig.feed.ledger_in_all().total.lost;
    assert!(lost >= TOPICS * 50, "{lost} trades were missed");
    let gaps = watch.desk().alerts.past().filter(|alert| alert.rule == Rule::Gaps).count();
    assert!(gaps > 200, "{gaps} of the last alerts were about gaps");
    assert!((2..=3).contains(&told.len()), "{short:#?}");
    let (at, last) = &told[told.len() - 1];
    // Trades were missed until the 450th second, and gaps speak for five minutes. What is left is REST itself, which is down
    // all the time and is asked for them.
    let is_rest = last.alerts.iter().all(|alert| alert.rule == Rule::BreakerOpen);
    assert!(is_rest && *at > 750, "{short:#?}");
    let left = watch.desk().alerts.list(rig.now.mono);
    assert!(left.iter().all(|alert| alert.rule == Rule::BreakerOpen), "all else is well again");
}
