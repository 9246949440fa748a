//! Everything that can go wrong in a world, by name: what the venue does, what the way to it does, and what
//! happens to the process itself.

use crate::house::Kind;

macro_rules! faults {
    ($($(#[$group:meta])* $kind:ident $name:literal $does:literal,)*) => {
        /// A fault of the way to the venue or of our own process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Own {
            $(#[doc = $does] $kind,)*
        }

        impl Own {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The word for it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

faults! {
    LineReset "net-reset" "A connection is reset.",
    AllReset "net-reset-all" "Every connection is reset at once.",
    LineEnds "net-fin" "A connection ends without a close frame.",
    Standstill "net-standstill" "Nothing passes on a connection for a while; then everything comes at once.",
    HalfOpen "net-half-open" "The peer vanishes: nothing passes any more, and nobody says so.",
    Clog "net-clog" "The connections stop one by one and are released in another order.",
    Drip "net-drip" "A message takes twelve seconds to arrive.",
    Latency "net-latency" "Everything takes up to 1.7 s longer, which is less than a line may be silent.",
    Jitter "net-jitter" "Everything takes a random time longer.",
    PingFlood "net-ping-flood" "The venue pings ten times within a second.",
    MuteThenGone "net-mute-then-gone" "New connections are acknowledged, bring nothing, and then the peer vanishes.",
    Moves "net-moves" "Connections are refused, then our own network is gone.",
    ProxyDrop "proxy-drop" "A proxy loses messages.",
    ProxyDouble "proxy-double" "A proxy sends messages twice.",
    ProxySwap "proxy-swap" "A proxy swaps neighbouring messages.",
    ProxyHold "proxy-hold" "A proxy holds messages back for seconds.",
    ProxyGarble "proxy-garble" "A proxy spoils messages.",
    Refused "dial-refused" "Connections are refused.",
    OneRefused "dial-one-refused" "Connections to the first endpoint are refused.",
    BlackHole "dial-black-hole" "Connections are never answered.",
    NoName "dns-unknown" "The name is not found.",
    NoResolver "dns-silent" "The resolver cannot be reached.",
    NoNetwork "net-unreachable" "Our own network is gone.",
    TlsStall "tls-stall" "The TLS handshake is never finished.",
    TlsWrong "tls-certificate" "The certificate is not the venue's.",
    UpgradeGarbled "upgrade-garbled" "The answer to the upgrade makes no sense.",
    UpgradeStall "upgrade-stall" "The upgrade is never answered.",
    RestRefused "rest-refused" "REST connections are refused.",
    RestBlackHole "rest-black-hole" "REST requests are never answered.",
    RestSlow "rest-slow" "REST replies take seconds.",
    RestGarbled "rest-garbled" "REST replies are spoilt.",
    RestCut "rest-cut" "REST replies end in the middle.",
    Crash "feed-crash" "The feed crashes and is rebuilt from its memory.",
    Pause "process-pause" "The process does not run for a while.",
    WallForward "wall-forward" "The wall clock is set an hour or a day ahead.",
    WallBack "wall-back" "The wall clock is set an hour or a day back.",
    Churn "churn" "Many subscriptions come and go.",
    SlowReader "slow-reader" "A reader does not read for a while.",
    BlockedReader "blocked-reader" "A reader that must not lose anything does not read for a while.",
    ReaderLeaves "reader-leaves" "A reader is gone without a word, and another comes.",
    OperatorReconnect "operator-reconnect" "An operator has all lines dialled anew.",
    OperatorResync "operator-resync" "An operator has a book fetched anew.",
    OperatorSweep "operator-sweep" "An operator drops what nobody reads.",
    OperatorReset "operator-reset" "An operator forgives everything.",
}

/// One kind of fault, whoever is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FaultKind {
    /// The venue's.
    House(Kind),
    /// The way's, or our own.
    Own(Own),
}

impl FaultKind {
    /// Every kind there is in a world: of the venue's, those that spoil what only real sockets have are left out.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let house = Kind::ALL.iter().copied().filter(|kind| !kind.is_of_sockets()).map(Self::House);
        house.chain(Own::ALL.iter().copied().map(Self::Own))
    }

    /// The word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::House(kind) => kind.name(),
            Self::Own(own) => own.name(),
        }
    }

    /// Whether only an operator can mend what it does.
    pub(crate) const fn halts(self) -> bool {
        match self {
            Self::House(kind) => matches!(
                kind,
                Kind::Close
                    | Kind::Refuse
                    | Kind::GeoBlock
                    | Kind::ErrorWithoutId
                    | Kind::WrongId
                    | Kind::Status
            ),
            Self::Own(own) => matches!(own, Own::TlsWrong),
        }
    }
}

/// The names of every kind of fault.
pub fn fault_names() -> Vec<&'static str> {
    FaultKind::all().map(FaultKind::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_name() {
        let mut names = fault_names();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(count > 80, "{count}");
    }
}
