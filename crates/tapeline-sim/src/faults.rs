//! Misbehaviour on command: frames that are dropped, doubled or spoilt, and an exact account of it.

use crate::names::family;
use crate::rng::Rng;

/// One rule of misbehaviour. It looks at the frames of its streams that somebody listens to, counting
/// from 1 for every stream from the moment the rule is armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stream (`btcusdt@depth@100ms`, in any spelling of its family), or `*` for every stream.
    pub stream: String,
    /// What happens to a frame.
    pub kind: FaultKind,
    /// To which frames it happens.
    pub when: When,
    /// How often it happens at most, per stream.
    pub limit: Option<u64>,
}

/// What a fault does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The frame is not sent to anyone.
    Drop,
    /// The frame is sent twice, back to back.
    Duplicate,
    /// The payload is cut in half: no JSON any more.
    Truncate,
    /// A number inside the payload becomes an object: JSON, but of a wrong type.
    WrongType,
}

/// Which frames of a stream a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Every n-th frame.
    Every(u64),
    /// Exactly these frames, the first being 1.
    At(Vec<u64>),
    /// About one in n, by the rule's own seeded dice.
    OneIn {
        /// The mean distance between two hits.
        n: u64,
        /// Equal seeds hit equal frames.
        seed: u64,
    },
}

/// A rule at work on one stream.
#[derive(Debug)]
pub(crate) struct Armed {
    rule: Fault,
    seen: u64,
    hit: u64,
    dice: Rng,
}

impl Armed {
    /// The rule on the stream of number `lane`.
    pub(crate) fn new(rule: &Fault, lane: u64) -> Self {
        let seed = if let When::OneIn { seed, .. } = rule.when { seed } else { 0 };
        Self { rule: rule.clone(), seen: 0, hit: 0, dice: Rng::new(seed, lane) }
    }

    /// Whether `rule` is about `stream` (a family name).
    pub(crate) fn concerns(rule: &Fault, stream: &str) -> bool {
        rule.stream == "*" || family(&rule.stream) == stream
    }

    /// Counts a frame and says whether it is hit.
    pub(crate) fn strike(&mut self) -> Option<FaultKind> {
        self.seen += 1;
        let hit = match &self.rule.when {
            When::Every(n) => *n > 0 && self.seen.is_multiple_of(*n),
            When::At(frames) => frames.contains(&self.seen),
            When::OneIn { n, .. } => self.dice.below(*n) == 0,
        };
        if !hit || self.rule.limit.is_some_and(|limit| self.hit >= limit) {
            return None;
        }
        self.hit += 1;
        Some(self.rule.kind)
    }
}

/// The payload after a fault that spoils it; `None` for faults that leave it as it is.
pub(crate) fn spoilt(kind: FaultKind, payload: &str) -> Option<String> {
    match kind {
        FaultKind::Drop | FaultKind::Duplicate => None,
        FaultKind::Truncate => Some(payload[..payload.floor_char_boundary(payload.len() / 2)].to_owned()),
        FaultKind::WrongType => Some(with_wrong_type(payload)),
    }
}

/// Makes an object of the last number that stands as a field's value. A payload without one is cut instead.
fn with_wrong_type(payload: &str) -> String {
    let bytes = payload.as_bytes();
    let is_number =
        |at: usize| bytes[at..].starts_with(b"\":") && bytes.get(at + 2).is_some_and(u8::is_ascii_digit);
    let Some(start) = (0..bytes.len()).rev().find(|&at| is_number(at)).map(|at| at + 2) else {
        return payload[..payload.floor_char_boundary(payload.len() / 2)].to_owned();
    };
    let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    format!("{}{{\"not\":\"a number\"}}{}", &payload[..start], &payload[start + length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(when: When, limit: Option<u64>, frames: u64) -> Vec<u64> {
        let rule = Fault { stream: "*".into(), kind: FaultKind::Drop, when, limit };
        let mut armed = Armed::new(&rule, 0);
        (1..=frames).filter(|_| armed.strike().is_some()).collect()
    }

    #[test]
    fn rules_hit_the_frames_they_name() {
        assert_eq!(hits(When::Every(3), None, 10), [3, 6, 9]);
        assert_eq!(hits(When::Every(3), Some(2), 10), [3, 6]);
        assert_eq!(hits(When::At(vec![1, 4, 99]), None, 10), [1, 4]);
        assert_eq!(hits(When::Every(0), None, 10), [0; 0]);
    }

    #[test]
    fn dice_hit_about_as_often_as_told_and_the_same_frames_again() {
        let roll = || hits(When::OneIn { n: 10, seed: 5 }, None, 10_000);
        assert_eq!(roll(), roll());
        assert!((800..1_200).contains(&roll().len()), "{}", roll().len());
    }

    #[test]
    fn a_rule_concerns_every_spelling_of_its_stream() {
        let check = |rule: &str, stream: &str, expected: bool| {
            let rule =
                Fault { stream: rule.into(), kind: FaultKind::Drop, when: When::Every(1), limit: None };
            assert_eq!(Armed::concerns(&rule, stream), expected);
        };
        check("btcusdt@depth@100ms", "btcusdt@depth", true);
        check("btcusdt@depth", "btcusdt@depth", true);
        check("*", "btcusdt@trade", true);
        check("ethusdt@depth", "btcusdt@depth", false);
    }

    #[test]
    fn a_wrong_type_is_json_that_no_decoder_wants_and_half_a_payload_is_none() {
        let payload = r#"{"e":"trade","E":12,"t":345,"p":"1.0"}"#;
        let wrong: serde_json::Value =
            serde_json::from_str(&spoilt(FaultKind::WrongType, payload).unwrap()).unwrap();
        assert!(wrong["t"].is_object());
        let half = spoilt(FaultKind::Truncate, payload).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&half).is_err());
        assert_eq!(spoilt(FaultKind::WrongType, r#"["ä"]"#).unwrap(), "[\"");
        assert_eq!(spoilt(FaultKind::Drop, payload), None);
    }
}
