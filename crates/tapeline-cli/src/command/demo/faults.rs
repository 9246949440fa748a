//! What can strike the demo's market: by a key, or by the script of `--chaos`.

use std::time::Duration;

use tapeline_sim::Server;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The key that orders it.
    pub(crate) key: char,
    /// Its name in the footer.
    pub(crate) name: &'static str,
    /// What it does, for people.
    pub(crate) what: &'static str,
    /// What it does and what is to be seen then, for the page of keys.
    pub(crate) seen: &'static str,
    /// What it orders of the simulated venues, as in docs/simulator.md.
    spot: &'static str,
    futures: &'static str,
}

/// The faults, in the order of the footer.
pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        key: 'c',
        name: "cut",
        what: "both connections are cut without a goodbye",
        seen: "both connections drop: all books turn stale, back within seconds",
        spot: "fin",
        futures: "fin",
    },
    Fault {
        key: 's',
        name: "stall",
        what: "the spot venue falls silent, its connection stays open",
        seen: "spot falls silent on an open line: nothing comes until that is noticed",
        spot: "stall socket=last",
        futures: "",
    },
    Fault {
        key: 'd',
        name: "drop",
        what: "every 3rd book message of BTCUSDT and ETHUSDT is lost for three seconds",
        seen: "parts of two books are lost: only these turn stale, then are right",
        spot: "for 3s drop stream=btcusdt@depth every=3\nfor 3s drop stream=ethusdt@depth every=3",
        futures: "",
    },
    Fault {
        key: 'r',
        name: "refuse",
        what: "the futures venue hangs up and refuses us with 503 for three seconds",
        seen: "futures refuse us for 3 s: their books are stale, dials wait longer",
        spot: "",
        futures: "for 3s refuse\nfin",
    },
    Fault {
        key: 'g',
        name: "garble",
        what: "one message in twenty is broken in half for three seconds",
        seen: "1 in 20 spot messages is broken: counted and dropped, books repaired",
        spot: "for 3s truncate one-in=20 seed=7",
        futures: "",
    },
];

/// When the script of `--chaos` orders what, from its beginning; then it begins again.
const SCRIPT: &[(u64, char)] = &[(4, 'c'), (12, 'd'), (20, 's'), (32, 'g'), (40, 'r')];
/// How long a round of the script is.
const ROUND: u64 = 52;

/// The fault of the script at `elapsed` that comes after the first `done` of them.
pub(crate) fn due(elapsed: Duration, done: usize) -> Option<&'static Fault> {
    let round = (done / SCRIPT.len()) as u64;
    let (second, key) = SCRIPT[done % SCRIPT.len()];
    let at = Duration::from_secs(round * ROUND + second);
    (elapsed >= at).then(|| FAULTS.iter().find(|fault| fault.key == key)).flatten()
}

impl Fault {
    /// Whether data stops with it, rather than become wrong.
    pub(crate) const fn silences(&self) -> bool {
        matches!(self.key, 'c' | 's' | 'r')
    }

    /// The fault behind a key.
    pub(crate) fn of(key: char) -> Option<&'static Self> {
        FAULTS.iter().find(|fault| fault.key == key)
    }

    /// Lets it strike.
    pub(crate) fn strike(&self, spot: &Server, futures: &Server) {
        for (server, lines) in [(spot, self.spot), (futures, self.futures)] {
            for line in lines.lines() {
                // A stall is for the connections that are open now: those that come later must work.
                let line = line.replace("socket=last", &format!("socket={}", server.report().connects));
                match line.parse() {
                    Ok(trouble) => drop(server.trouble(trouble)),
                    Err(error) => tracing::error!(%error, line, "a fault of the demo is none"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_one_and_has_a_key_of_its_own() {
        for fault in FAULTS {
            for line in fault.spot.lines().chain(fault.futures.lines()) {
                let trouble: Result<tapeline_sim::Trouble, _> = line.replace("last", "1").parse();
                assert!(trouble.is_ok(), "{line}: {trouble:?}");
            }
            assert_eq!(Fault::of(fault.key), Some(fault));
            assert!(!"hq".contains(fault.key));
        }
    }

    #[test]
    fn the_script_goes_round_and_has_every_fault() {
        let seconds = Duration::from_secs;
        assert_eq!(due(seconds(3), 0), None);
        assert_eq!(due(seconds(4), 0).map(|fault| fault.key), Some('c'));
        assert_eq!(due(seconds(4), 1), None);
        assert_eq!(due(seconds(ROUND + 4), SCRIPT.len()).map(|fault| fault.key), Some('c'));
        assert!(FAULTS.iter().all(|fault| SCRIPT.iter().any(|(_, key)| *key == fault.key)));
    }
}
