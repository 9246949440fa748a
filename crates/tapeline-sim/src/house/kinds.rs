//! Every way in which the venue can misbehave, by name: scripts, requests and reports use the same words.

use std::fmt;
use std::str::FromStr;

/// Where a kind of trouble takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On data frames, one by one.
    Frame,
    /// On connections: at its beginning on those that are open and, while it lasts, on new ones. If it is told to
    /// strike some frames only, such a frame sets it off.
    Socket,
    /// On connections for as long as it lasts.
    Manner,
    /// On TLS handshakes.
    Tls,
    /// On upgrade requests.
    Connect,
    /// On the answers to upgrades that are granted.
    Upgrade,
    /// On the answers to requests of a socket.
    Answer,
    /// On subscriptions.
    Subscribe,
    /// On replies of the REST side.
    Rest,
    /// On depth snapshots.
    Snapshot,
    /// On the market itself, once, at its beginning.
    Market,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $place:ident $does:literal,)*) => {
        /// A way to misbehave.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $does] $kind,)*
        }

        impl Kind {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The word for it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it does, in one sentence.
            pub const fn does(self) -> &'static str {
                match self { $(Self::$kind => $does,)* }
            }

            pub(crate) const fn place(self) -> Place {
                match self { $(Self::$kind => Place::$place,)* }
            }
        }
    };
}

kinds! {
    Stall "stall" Frame "Data stops, pings and answers go on.",
    Freeze "freeze" Socket "Nothing is delivered any more, and the connection stays open.",
    Reset "reset" Socket "The connection is reset in the middle of a frame.",
    Fin "fin" Socket "The connection ends without a close frame.",
    Close "close" Socket "A close frame with `code` (1001).",
    Shutdown "shutdown" Socket "`serverShutdown` is announced, and the connection ends `by` (10 s) later.",
    NoPing "no-ping" Manner "The venue sends no pings.",
    NoPong "no-pong" Manner "The venue answers no pings.",
    Refuse "refuse" Connect "Connects are refused with status `code` (503), with `Retry-After` of `by` if that is given; 0 is a closed port.",
    Flap "flap" Connect "Connects are accepted, and cut `by` later (0.1 to 10 s at random).",
    TlsExpired "tls-expired" Tls "The certificate has expired.",
    TlsName "tls-name" Tls "The certificate is for another name.",
    TlsUnknown "tls-unknown" Tls "The certificate comes from an authority that nobody knows.",
    TlsAlert "tls-alert" Tls "The handshake is refused with the alert `code` (40: handshake failure).",
    TlsSilent "tls-silent" Tls "The handshake is never answered.",
    TlsGarbage "tls-garbage" Tls "The handshake is answered with what is no TLS.",
    OddDeflate "odd-deflate" Upgrade "Compression is granted with parameters that nobody asked for, windows of `code` (10) bits.",
    OddExtension "odd-extension" Upgrade "An extension is turned on that nobody offered.",
    Drop "drop" Frame "A frame is not sent.",
    Duplicate "duplicate" Frame "A frame is sent twice.",
    Swap "swap" Frame "A frame is sent after the next one of its stream.",
    Delay "delay" Frame "A frame is sent `by` (500 ms) later.",
    Jump "jump" Frame "The first update id of a depth frame is one higher than it should be.",
    Truncate "truncate" Frame "A payload is cut in half.",
    WrongType "wrong-type" Frame "A number becomes an object.",
    BadUtf8 "bad-utf8" Frame "A payload is no UTF-8.",
    TwoValues "two-values" Frame "A payload is followed by a second JSON value.",
    Blank "blank" Frame "A text frame is empty.",
    UnknownEvent "unknown-event" Frame "The type of an event is one that nobody knows.",
    UnknownFields "unknown-fields" Frame "An event has fields that nobody knows.",
    NumberForString "number-for-string" Frame "A decimal stands without its quotes.",
    NullPrice "null-price" Frame "A decimal is null.",
    Skew "skew" Frame "The event time is off by `by` (-120 s).",
    NoFinal "no-final" Frame "The final frame of a candle is not sent.",
    Huge "huge" Frame "A payload is blown up to 5 MB.",
    Fragment "fragment" Frame "A message is sent in fragments.",
    LateAck "late-ack" Answer "An answer is sent `by` (5 s) later.",
    LostAck "lost-ack" Answer "An answer is not sent.",
    AckAfterData "ack-after-data" Answer "An answer is sent after the next data frame.",
    WrongId "wrong-id" Answer "An answer carries an id that nobody gave.",
    ErrorWithoutId "error-without-id" Answer "A request is refused, and the error does not say which.",
    RepeatTrades "repeat-trades" Subscribe "The last trades before a subscription are sent again.",
    Unreachable "unreachable" Rest "The REST port is closed.",
    Status "status" Rest "Replies have status `code` (500).",
    Firewall "firewall" Rest "403 with a page of HTML.",
    Teapot "teapot" Rest "418 at once, and a ban for `by` (120 s).",
    GeoBlock "geo-block" Rest "451.",
    TooMany "too-many" Rest "429 with `Retry-After` of `by` (10 s).",
    TooManyUnsaid "too-many-unsaid" Rest "429 without `Retry-After`.",
    Busy "busy" Rest "503 with JSON, and with `Retry-After` of `by` if that is given.",
    Slow "slow" Rest "Replies take `by` (10 s).",
    HalfBody "half-body" Rest "The connection breaks in the middle of a body.",
    Html "html" Rest "200 with a page of HTML.",
    Stale "stale" Snapshot "A snapshot is `by` (30 s) old.",
    Edge "edge" Snapshot "A snapshot ends where a depth frame ends: the next one begins at its id + 1.",
    Straddle "straddle" Snapshot "A snapshot ends inside a depth frame.",
    EmptySnapshot "empty-snapshot" Snapshot "A snapshot has no levels.",
    OtherSymbol "other-symbol" Snapshot "A snapshot is that of another symbol.",
    Restart "restart" Market "The update ids of a symbol start again at a low number.",
    TradeHole "trade-hole" Market "A trade id is never used.",
    ZeroTrade "zero-trade" Market "A trade of price and size zero is told.",
}

impl Kind {
    /// Whether only real sockets have what it spoils. A world in virtual time knows neither TLS nor headers; what
    /// becomes of such a connection, a dial that fails, is among its own faults.
    pub(crate) const fn is_of_sockets(self) -> bool {
        matches!(self.place(), Place::Tls | Place::Upgrade)
    }
}

/// The text was no kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no kind of trouble")]
pub struct UnknownKind(pub(crate) String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_in_the_documentation_as_it_is() {
        let page = include_str!("../../../../docs/simulator.md");
        for kind in Kind::ALL {
            let row = format!("| `{}` | {} |", kind.name(), kind.does());
            assert!(page.contains(&row), "missing: {row}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_no_two_share_one() {
        let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!("stal".parse::<Kind>().unwrap_err().to_string(), "\"stal\" is no kind of trouble");
    }
}
