//! The way from one process to one venue: how long it takes, and what it does to what passes.

use std::collections::BTreeMap;

use bytes::Bytes;
use tapeline_core::feed::{Closed, DialError, Stage};
use tapeline_core::policy::fault::Fault;

use super::clock::{MS, SEC};
use super::kinds::Own;
use crate::rng::Rng;

/// A stage of a dial takes no longer (name, socket, TLS, upgrade).
const STAGE: u64 = 5 * SEC;

/// How much longer everything takes at least under [`Own::Latency`], and by how much that differs. The first message
/// after it begins is late by as much, and a busy line may be silent for two seconds: with more it would be a stall,
/// for which there is a fault of its own.
const LATENCY_MIN: u64 = SEC / 5;
const LATENCY_SPREAD: u64 = 3 * SEC / 2;

/// A fault of the way at work.
#[derive(Debug, Clone, Copy)]
struct Spell {
    kind: Own,
    until: u64,
}

/// The way to one venue.
#[derive(Debug)]
pub(crate) struct Weather {
    /// One way, on a good day.
    latency: u64,
    jitter: u64,
    spells: Vec<Spell>,
    dice: Rng,
    /// A message that is sent behind the next one.
    held: Option<(u64, Bytes)>,
    /// How often each kind of spell did something.
    pub(crate) hits: BTreeMap<Own, u64>,
}

/// What becomes of a dial before it reaches the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It arrives.
    Open,
    /// It fails so long after it began.
    Fails(u64, DialError),
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Lost,
    Twice,
    /// It waits until the next one of the same connection has gone.
    Behind,
    /// It takes so much longer, and others overtake it.
    Later(u64),
    Spoilt(Bytes),
}

/// What becomes of a REST request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// It arrives, and its reply takes so much longer.
    Open { more: u64, spoil: Spoil },
    /// It fails so long after it began.
    Fails(u64, Fault, &'static str),
}

/// What is done to the body of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    Nothing,
    /// Half of it, as if it were whole.
    Half,
    /// A page of a proxy in its place.
    Page,
    /// The connection breaks in the middle.
    Cut,
}

impl Weather {
    pub(crate) const fn new(latency: u64, jitter: u64, dice: Rng) -> Self {
        Self { latency, jitter, spells: Vec::new(), dice, held: None, hits: BTreeMap::new() }
    }

    /// A fault begins and lasts until `until`.
    pub(crate) fn begin(&mut self, now: u64, kind: Own, until: u64) {
        self.spells.retain(|spell| spell.until > now && spell.kind != kind);
        self.spells.push(Spell { kind, until });
    }

    fn has(&self, now: u64, kind: Own) -> bool {
        self.spells.iter().any(|spell| spell.kind == kind && spell.until > now)
    }

    /// Whether a spell does something now; it is counted.
    fn strikes(&mut self, now: u64, kind: Own) -> bool {
        let has = self.has(now, kind);
        if has {
            *self.hits.entry(kind).or_default() += 1;
        }
        has
    }

    /// Whether a spell hits one of so many.
    fn hits_one_in(&mut self, now: u64, kind: Own, count: u64) -> bool {
        self.has(now, kind) && self.dice.below(count) == 0 && self.strikes(now, kind)
    }

    /// How long something takes one way.
    pub(crate) fn delay(&mut self, now: u64) -> u64 {
        let mut delay = self.latency + self.dice.below(self.jitter.max(1));
        if self.strikes(now, Own::Latency) {
            delay += LATENCY_MIN + self.dice.below(LATENCY_SPREAD);
        }
        if self.strikes(now, Own::Jitter) {
            delay += self.dice.below(SEC);
        }
        delay
    }

    /// How long a dial takes to reach the venue's answer: name, socket and TLS are three round trips, the upgrade
    /// half of the fourth.
    pub(crate) fn handshake(&mut self, now: u64) -> u64 {
        7 * self.delay(now)
    }

    /// How long a REST request takes to reach the venue, on a connection of its own.
    pub(crate) fn request(&mut self, now: u64) -> u64 {
        4 * self.delay(now)
    }

    /// What becomes of a dial to the endpoint of this number.
    pub(crate) fn dial(&mut self, now: u64, endpoint: usize) -> Passage {
        let fails = |after: u64, stage: Stage, fault: Fault, detail: &str| {
            Passage::Fails(after, DialError { stage, fault, detail: detail.to_owned() })
        };
        let round = 2 * self.delay(now);
        let mut has = |kind: Own| self.strikes(now, kind);
        if has(Own::NoNetwork) {
            fails(MS, Stage::Tcp, Fault::Local, "network is unreachable")
        } else if has(Own::NoResolver) {
            fails(2 * SEC, Stage::Dns, Fault::Local, "temporary failure in name resolution")
        } else if has(Own::NoName) {
            fails(round, Stage::Dns, Fault::Transient, "name or service not known")
        } else if has(Own::Refused) || endpoint == 0 && has(Own::OneRefused) {
            fails(round, Stage::Tcp, Fault::Transient, "connection refused")
        } else if has(Own::BlackHole) {
            fails(STAGE, Stage::Tcp, Fault::Transient, "timed out")
        } else if has(Own::TlsStall) {
            fails(2 * round + STAGE, Stage::Tls, Fault::Transient, "timed out")
        } else if has(Own::TlsWrong) {
            fails(2 * round, Stage::Tls, Fault::Configuration, "invalid peer certificate: not valid for name")
        } else if has(Own::UpgradeGarbled) {
            fails(4 * round, Stage::Upgrade, Fault::Server, "the answer is no HTTP")
        } else if has(Own::UpgradeStall) {
            fails(3 * round + STAGE, Stage::Upgrade, Fault::Transient, "timed out")
        } else {
            Passage::Open
        }
    }

    /// What becomes of a text message.
    pub(crate) fn frame(&mut self, now: u64, bytes: &Bytes) -> Fate {
        if self.spells.is_empty() {
            return Fate::Pass;
        }
        let mute = bytes.starts_with(b"{\"stream\"") && self.strikes(now, Own::MuteThenGone);
        if mute || self.hits_one_in(now, Own::ProxyDrop, 12) {
            Fate::Lost
        } else if self.hits_one_in(now, Own::ProxyDouble, 6) {
            Fate::Twice
        } else if self.hits_one_in(now, Own::ProxySwap, 8) {
            Fate::Behind
        } else if self.hits_one_in(now, Own::ProxyHold, 20) {
            Fate::Later(SEC / 10 + self.dice.below(4 * SEC))
        } else if self.hits_one_in(now, Own::ProxyGarble, 40) {
            Fate::Spoilt(self.spoilt(bytes))
        } else {
            Fate::Pass
        }
    }

    /// A message that no decoder can take for another one.
    fn spoilt(&mut self, bytes: &Bytes) -> Bytes {
        match self.dice.below(4) {
            0 => bytes.slice(..bytes.len() / 2),
            1 => Bytes::new(),
            2 => {
                let mut bad = bytes.to_vec();
                bad.insert(bytes.len() / 3, 0xff);
                bad.into()
            }
            _ => [bytes.as_ref(), b"}"].concat().into(),
        }
    }

    /// Keeps a message back that is to be sent behind the next one of its connection.
    pub(crate) fn keep(&mut self, link: u64, bytes: Bytes) -> Option<Bytes> {
        let before = self.held.replace((link, bytes));
        before.filter(|(held, _)| *held == link).map(|(_, bytes)| bytes)
    }

    /// The message of a connection that was kept back.
    pub(crate) fn kept(&mut self, link: u64) -> Option<Bytes> {
        self.held.take_if(|(held, _)| *held == link).map(|(_, bytes)| bytes)
    }

    /// What becomes of a REST request.
    pub(crate) fn errand(&mut self, now: u64) -> Errand {
        let round = 2 * self.delay(now);
        if self.strikes(now, Own::NoNetwork) {
            Errand::Fails(MS, Fault::Local, "network is unreachable")
        } else if self.strikes(now, Own::NoResolver) {
            Errand::Fails(2 * SEC, Fault::Local, "temporary failure in name resolution")
        } else if self.strikes(now, Own::NoName) {
            Errand::Fails(round, Fault::Transient, "name or service not known")
        } else if self.strikes(now, Own::RestRefused) {
            Errand::Fails(round, Fault::Transient, "connection refused")
        } else if self.strikes(now, Own::RestBlackHole) || self.strikes(now, Own::BlackHole) {
            Errand::Fails(STAGE, Fault::Transient, "timed out")
        } else {
            let more = if self.strikes(now, Own::RestSlow) { self.dice.below(12 * SEC) } else { 0 };
            let spoil = if self.strikes(now, Own::RestGarbled) {
                if self.dice.below(2) == 0 { Spoil::Half } else { Spoil::Page }
            } else if self.strikes(now, Own::RestCut) {
                Spoil::Cut
            } else {
                Spoil::Nothing
            };
            Errand::Open { more, spoil }
        }
    }
}

/// How a connection ended without a word of the venue.
pub(crate) fn broken(detail: &str) -> Closed {
    Closed { code: None, fault: Fault::Transient, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather(kind: Own) -> Weather {
        let mut weather = Weather::new(20 * MS, MS, Rng::new(1, 1));
        weather.begin(0, kind, 100 * SEC);
        weather
    }

    #[test]
    fn a_spell_ends() {
        let mut weather = weather(Own::Refused);
        assert!(matches!(weather.dial(99 * SEC, 0), Passage::Fails(..)));
        assert_eq!(weather.dial(100 * SEC, 0), Passage::Open);
    }

    #[test]
    fn failures_have_the_classes_of_the_real_way() {
        let check = |kind: Own, stage: Stage, fault: Fault| {
            let Passage::Fails(after, why) = weather(kind).dial(1, 0) else { panic!("{kind:?}") };
            assert_eq!((why.stage, why.fault), (stage, fault), "{kind:?}");
            assert!(after <= 6 * SEC, "{kind:?}");
        };
        check(Own::Refused, Stage::Tcp, Fault::Transient);
        check(Own::BlackHole, Stage::Tcp, Fault::Transient);
        check(Own::NoName, Stage::Dns, Fault::Transient);
        check(Own::NoResolver, Stage::Dns, Fault::Local);
        check(Own::NoNetwork, Stage::Tcp, Fault::Local);
        check(Own::TlsWrong, Stage::Tls, Fault::Configuration);
        check(Own::TlsStall, Stage::Tls, Fault::Transient);
        check(Own::UpgradeGarbled, Stage::Upgrade, Fault::Server);
        assert_eq!(weather(Own::OneRefused).dial(1, 1), Passage::Open);
    }

    #[test]
    fn a_spoilt_message_is_no_json_any_more() {
        let whole = Bytes::from_static(br#"{"stream":"a@trade","data":{"t":1}}"#);
        let mut weather = weather(Own::ProxyGarble);
        let mut spoilt = 0;
        for _ in 0..2_000 {
            if let Fate::Spoilt(bytes) = weather.frame(1, &whole) {
                spoilt += 1;
                assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err(), "{bytes:?}");
            }
        }
        assert!(spoilt > 20, "{spoilt}");
    }

    #[test]
    fn a_message_kept_back_goes_behind_the_next_of_its_own_connection() {
        let mut weather = weather(Own::ProxySwap);
        assert_eq!(weather.keep(1, "a".into()), None);
        assert_eq!(weather.kept(2), None);
        assert_eq!(weather.kept(1), Some("a".into()));
        assert_eq!(weather.kept(1), None);
    }
}
