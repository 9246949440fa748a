//! Every drill: what is done, to which feed, and what must hold.

use super::must::Must::{
    self, AllAnew, Anew, BeFelt, BeUnfelt, Declare, Dial, Drop, Enter, Lag, Miss, Notice, Poll, Reach,
    Recover, Renew, Repair, Resync, Rotate, SetAside,
};
use crate::world::scene::Act::{self, Towards, Venue, Way};
use crate::world::scene::{Door, Own, Setup, Side, Where};

/// One drill.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) faults: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) setup: Setup,
    /// What is done, so many seconds after the start.
    pub(crate) acts: &'static [(u64, Act)],
    /// How long it goes on after the start, in seconds.
    pub(crate) seconds: u64,
    pub(crate) must: &'static [Must],
}

/// One line, two endpoints, and what is missed is asked for.
const ONE: Setup = Setup {
    place: Where::Spot,
    lines: 1,
    endpoints: 2,
    repair: true,
    login: None,
    key_life: None,
    brittle: false,
    cut_after: None,
    told_before: None,
    replaced_after: None,
};
/// Two lines on two endpoints.
const TWO: Setup = Setup { lines: 2, ..ONE };
/// One line of futures, whose history cannot be asked for without a key.
const FUTURES: Setup = Setup { place: Where::Futures, ..ONE };

/// A venue that lets nobody in without a key.
const LOGIN: Setup = Setup { login: Some(Door::Head), ..ONE };
/// The same with the key in a message after the upgrade, on one endpoint.
const MESSAGE: Setup = Setup { login: Some(Door::Message), ..ONE };
/// Keys of two minutes, shown by a message.
const ENDING: Setup = Setup { key_life: Some(120), ..MESSAGE };

/// A translation that panics over fields that nobody knows.
const BRITTLE: Setup = Setup { brittle: true, ..ONE };

/// Every connection breaks: what concerns dials and snapshots needs some.
const CUT: Act = Way(Own::AllReset, 0);
/// What is poisoned where the translation is brittle.
const POISONED: &str = "binance:trade:BTCUSDT";
/// An operator forgives what only an operator can.
const FORGIVE: Act = Way(Own::OperatorReset, 0);

macro_rules! drills {
    ($($name:literal $faults:tt $setup:expr, $seconds:literal, [$($acts:tt)*], [$($must:tt)*], $about:literal;)*) => {
        /// All of them, in the order of the faults.
        pub(crate) const DRILLS: &[Entry] = &[$(Entry {
            name: $name,
            faults: &$faults,
            about: $about,
            setup: $setup,
            acts: &[$($acts)*],
            seconds: $seconds,
            must: &[$($must)*],
        },)*];
    };
}

drills! {
    "reset" ["FU1"] ONE, 90, [(0, Way(Own::LineReset, 0))],
        [BeFelt, Notice(1.0), Recover(6.0), Declare(0), Dial(2)],
        "The only connection is reset; what was missed meanwhile is fetched.";
    "reset-ab" ["FU1"] TWO, 90, [(0, Towards(Side::A, "reset")), (40, Towards(Side::B, "reset"))],
        [BeUnfelt, Declare(0), Dial(4)],
        "One of two connections is reset, later the other: no reader notices.";
    "reset-both" ["FU1"] TWO, 90, [(0, CUT)],
        [BeFelt, Recover(6.0), Declare(0)],
        "Both connections are reset at once.";
    "reset-unrepaired" ["FU1"] Setup { repair: false, ..ONE }, 90, [(0, CUT)],
        [BeFelt, Recover(8.0), Miss],
        "The control: one line and no repair, so that a reset costs events, all of them declared.";
    "reset-futures" ["FU1"] FUTURES, 90, [(0, CUT)],
        [BeFelt, Recover(8.0)],
        "A futures connection is reset; what the venue does not tell without a key is declared.";
    "fin" ["FU2"] ONE, 90, [(0, Way(Own::LineEnds, 0))],
        [BeFelt, Notice(1.0), Recover(6.0), Declare(0)],
        "The connection ends without a close frame.";
    "stall" ["FU3"] ONE, 150, [(0, Towards(Side::A, "freeze"))],
        [BeFelt, Notice(6.0), Recover(20.0), Declare(0)],
        "The venue falls silent on an open connection, pings included.";
    "stall-ab" ["FU3"] TWO, 150, [(0, Towards(Side::A, "freeze"))],
        [BeUnfelt, Declare(0)],
        "One of two connections falls silent.";
    "half-open" ["FU4"] ONE, 150, [(0, Way(Own::HalfOpen, 0))],
        [BeFelt, Notice(6.0), Recover(20.0), Declare(0)],
        "The peer vanishes, and nobody says so.";
    "zombie" ["FU5"] ONE, 240, [(0, Venue("for 90s stall"))],
        [BeFelt, Notice(6.0), AllAnew],
        "Pings are answered and no data comes for 90 s.";
    "zombie-second" ["FU5"] TWO, 240, [
        (0, Venue("for 60s stall host=stream.binance.com:9443")), (1, Towards(Side::A, "reset")),
        (12, Towards(Side::B, "reset")),
    ],
        [BeFelt, Notice(1.0), Recover(8.0), Declare(0)],
        "One of two lines is back and brings nothing when the other is reset: what it has only been promised covers nothing.";
    "one-mute" ["FU5"] ONE, 240, [(0, Venue("for 100s stall stream=btcusdt@trade"))],
        [BeUnfelt, Repair(20), Declare(0), Dial(0), Anew("btcusdt@trade")],
        "One stream of many falls mute for 100 s while the others flow.";
    "no-pong" ["FU6"] ONE, 180, [(0, Venue("for 120s no-pong")), (30, Venue("for 3s stall"))],
        [Recover(10.0), Dial(2), Declare(0)],
        "Pings are not answered for two minutes, and data pauses for three seconds: data that flows is as good as a pong.";
    "drip" ["FU7"] ONE, 120, [(0, Way(Own::Drip, 0))],
        [BeFelt, Notice(12.0), Recover(30.0), Declare(0)],
        "A message takes longer than ten seconds to arrive.";
    "latency" ["FU8"] ONE, 120, [(0, Way(Own::Latency, 30))],
        [BeUnfelt, Declare(0), Dial(0)],
        "Everything takes up to 1.7 s longer for half a minute: shorter than silence may be, so that nobody feels it.";
    "standstill" ["FU8"] ONE, 150, [(0, Way(Own::Standstill, 3))],
        [BeFelt, Recover(20.0), Declare(0)],
        "Nothing passes for eight seconds, then everything comes at once.";
    "dns-unknown" ["FU9", "FU10"] ONE, 180, [(0, Way(Own::NoName, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "The venue's name is not found for 20 s.";
    "dns-silent" ["FU9"] ONE, 180, [(0, Way(Own::NoResolver, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "The resolver cannot be reached for 20 s.";
    "offline" ["FU9"] ONE, 180, [(0, Way(Own::NoNetwork, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "Our own network is gone for 20 s.";
    "refused" ["FU11"] ONE, 180, [(0, Way(Own::Refused, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "Connections are refused for 20 s.";
    "syn-black-hole" ["FU12"] ONE, 180, [(0, Way(Own::BlackHole, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(8)],
        "Connections are never answered for 20 s.";
    "tls-certificate" ["FU13"] ONE, 180, [(0, Way(Own::TlsWrong, 20))],
        [BeFelt, Enter("halted"), Dial(4)],
        "The certificate is not the venue's: the line halts until an operator speaks.";
    "tls-stall" ["FU14"] ONE, 180, [(0, Way(Own::TlsStall, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(8)],
        "The TLS handshake is never finished for 20 s.";
    "upgrade-forbidden" ["FU15"] ONE, 240, [(0, Venue("for 20s refuse code=403")), (0, CUT)],
        [BeFelt, Reach("poll"), Poll(15.0), Recover(90.0), Declare(0), Dial(4)],
        "The upgrade is refused with 403, as a firewall does: it is asked again after a pause, as after 429.";
    "ten-minutes-forbidden" ["FU15", "FU48"] ONE, 840, [(0, Venue("for 600s refuse code=403")), (0, CUT)],
        [BeFelt, Reach("poll"), Poll(15.0), Recover(690.0), Dial(15)],
        "The upgrade is refused with 403 for ten minutes, and REST answers: the line comes back by itself.";
    "ten-minutes-unavailable" ["FU15", "FU48"] ONE, 840, [(0, Venue("for 600s refuse code=503")), (0, CUT)],
        [BeFelt, Reach("poll"), Poll(15.0), Recover(690.0), Dial(60)],
        "The upgrade is refused with 503 for ten minutes, and REST answers: the line comes back by itself.";
    "upgrade-unavailable" ["FU15"] ONE, 180, [(0, Venue("for 20s refuse code=503")), (0, CUT)],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "The upgrade is refused with 503.";
    "upgrade-unavailable-said" ["FU15", "FU20"] ONE, 240, [(0, Venue("for 20s refuse code=503 by=45s")), (0, CUT)],
        [BeFelt, Reach("poll"), Poll(15.0), Recover(90.0), Declare(0), Dial(6)],
        "The upgrade is refused with 503 and `Retry-After`: this endpoint is left alone as long, and the next one is asked.";
    "rest-unavailable-said" ["FU20"] ONE, 240, [(0, Venue("for 20s busy by=45s")), (0, CUT)],
        [BeFelt, Recover(90.0), Dial(3)],
        "REST is answered with 503 and `Retry-After` while a book needs its snapshot.";
    "upgrade-law" ["FU15"] ONE, 180, [(0, Venue("for 20s refuse code=451")), (0, CUT), (50, FORGIVE)],
        [BeFelt, Enter("halted"), Dial(6)],
        "The upgrade is refused with 451: the line halts until an operator speaks.";
    "upgrade-redirect" ["FU15"] ONE, 180, [(0, Venue("for 20s refuse code=301")), (0, CUT), (50, FORGIVE)],
        [BeFelt, Dial(12)],
        "The upgrade is answered with a redirect, which is not followed.";
    "upgrade-garbled" ["FU16"] ONE, 180, [(0, Way(Own::UpgradeGarbled, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(12)],
        "The answer to the upgrade is no HTTP.";
    "upgrade-stall" ["FU16"] ONE, 180, [(0, Way(Own::UpgradeStall, 20))],
        [BeFelt, Recover(60.0), Declare(0), Dial(8)],
        "The upgrade is never answered.";
    "close-codes" ["FU17"] ONE, 620, [
        (0, Venue("close code=1000")), (80, Venue("close code=1001")), (160, Venue("close code=1006")),
        (240, Venue("close code=1011")), (320, Venue("close code=1012")), (400, Venue("close code=1013")),
        (480, Venue("close code=4000")),
    ],
        [BeFelt, Recover(60.0), Declare(0)],
        "The venue closes with one code after the other.";
    "age-cut" ["FU18"] Setup { cut_after: Some(420), replaced_after: Some(200), ..ONE }, 480, [],
        [BeUnfelt, Rotate(2), Declare(0)],
        "Connections are cut at a certain age, and replaced before.";
    "age-cut-ab" ["FU18"] Setup { cut_after: Some(420), replaced_after: Some(200), ..TWO }, 480, [],
        [BeUnfelt, Rotate(4), Declare(0)],
        "The same with two lines, never both at once.";
    "shutdown" ["FU19"] ONE, 120, [(0, Venue("shutdown by=20s"))],
        [BeUnfelt, Rotate(1), Declare(0)],
        "The venue announces that it will close.";
    "rotate" ["FU18"] TWO, 180, [(0, Act::Rotate)],
        [BeUnfelt, Rotate(2), Declare(0)],
        "An operator has both lines replaced.";
    "dial-429" ["FU20"] ONE, 240, [(0, Venue("for 20s refuse code=429")), (0, CUT)],
        [BeFelt, Dial(8)],
        "Dials are answered with 429.";
    "rest-429" ["FU20"] ONE, 240, [(0, Venue("for 20s too-many by=20s")), (0, CUT)],
        [BeFelt, Recover(90.0), Dial(3)],
        "REST is answered with 429 while a book needs its snapshot.";
    "ban" ["FU21"] ONE, 300, [(0, Venue("teapot by=60s times=1")), (0, CUT)],
        [BeFelt, Recover(120.0), Dial(3)],
        "REST bans our address for a minute; the line goes on.";
    "keys-expire" ["FU24"] LOGIN, 150, [(0, Act::Issue), (0, Act::Revoke)],
        [BeFelt, Recover(10.0), Declare(0), Dial(3)],
        "The venue takes another key from one moment to the next, and that stands where keys come from: it is read.";
    "keys-late" ["FU23", "FU24"] LOGIN, 180, [(0, Act::Revoke), (10, Act::Issue)],
        [BeFelt, Reach("poll"), Recover(45.0), Declare(0), Dial(4)],
        "The key that the venue takes stands there ten seconds later only: the next try finds it.";
    "keys-refused" ["FU23"] LOGIN, 330, [(0, Act::Revoke), (150, Act::Issue), (160, FORGIVE)],
        [BeFelt, Enter("halted"), Reach("poll"), Recover(190.0), Dial(6)],
        "The key is refused for good: five dials, then REST only until an operator has put another one there.";
    "keys-renewed" ["FU24"] ENDING, 430, [],
        [BeUnfelt, Renew(3), Declare(0), Dial(0)],
        "Keys end after two minutes: others are shown on the open connection before.";
    "keys-followed" ["FU24"] Setup { login: Some(Door::Head), ..ENDING }, 430, [],
        [BeUnfelt, Renew(3), Rotate(3), Declare(0)],
        "Keys end after two minutes and are shown at the door only: another connection takes over before.";
    "keys-followed-ab" ["FU24"] Setup { login: Some(Door::Head), key_life: Some(120), ..TWO }, 430, [],
        [BeUnfelt, Renew(3), Rotate(6), Declare(0)],
        "The same with two lines, never both at once.";
    "keys-outlived" ["FU24"] Setup { login: Some(Door::Once), ..ENDING }, 430, [],
        [BeFelt, Renew(3), Recover(5.0), Declare(0)],
        "Keys end after two minutes, and the venue allows one connection and one login on it: each end is felt for a moment.";
    "login-refused" ["FU23"] MESSAGE, 330, [(0, Act::Revoke), (150, Act::Issue), (160, FORGIVE)],
        [BeFelt, Enter("halted"), Reach("poll"), Recover(190.0), Dial(6)],
        "A login by message is refused for good: five tries, then REST only until an operator has put another key there.";
    "login-unanswered" ["FU23", "FU45"] MESSAGE, 180, [(0, Venue("lost-ack times=1")), (0, CUT)],
        [BeFelt, Recover(25.0), Declare(0), Dial(3)],
        "A login by message is not answered: the connection is given up after ten seconds.";
    "malformed" ["FU25", "FU26"] ONE, 150, [
        (0, Venue("truncate every=20 times=1")), (30, Venue("bad-utf8 every=20 times=1")),
        (60, Venue("two-values every=20 times=1")),
    ],
        [Drop(2), Declare(0), Dial(0)],
        "Messages are cut in half, are no text, or are followed by more.";
    "corrupt" ["FU25"] ONE, 150, [(0, Venue("truncate every=20 times=8"))],
        [BeFelt, Drop(5), Recover(10.0), Declare(0), Dial(3)],
        "So many messages are corrupt within a minute that the line is replaced.";
    "oversized" ["FU27"] ONE, 150, [(0, Venue("huge one-in=20 seed=1 times=1"))],
        [BeFelt, Recover(10.0), Declare(0)],
        "A message is larger than any may be.";
    "wrong-values" ["FU29"] ONE, 150, [
        (0, Venue("wrong-type every=20 times=1")), (30, Venue("null-price every=20 times=1")),
        (60, Venue("number-for-string every=20 times=1")), (60, Venue("for 20s unknown-fields")),
    ],
        [Drop(2), Declare(0), Dial(0)],
        "Fields have a wrong type, are null, or are more than are known.";
    "unknown-event" ["FU30"] ONE, 120, [(0, Venue("for 30s unknown-event one-in=300 seed=1"))],
        [Declare(0), Dial(0)],
        "Events come that nobody knows.";
    "duplicates" ["FU31"] ONE, 120, [(0, Venue("for 40s duplicate every=3")), (50, Way(Own::ProxyDouble, 20))],
        [BeUnfelt, Declare(0), Dial(0)],
        "Messages come twice.";
    "reordered" ["FU32"] ONE, 120, [(0, Venue("for 40s swap stream=btcusdt@trade every=5"))],
        [Declare(0), Dial(0)],
        "Trades come in the wrong order.";
    "missing-trades" ["FU33"] ONE, 150, [(0, Venue("for 40s drop stream=btcusdt@trade every=10"))],
        [Repair(3), Declare(0), Dial(0)],
        "Every tenth trade is missing, and fetched.";
    "missing-trades-ab" ["FU33"] TWO, 150, [(0, Towards(Side::A, "for 40s drop stream=btcusdt@trade every=10"))],
        [BeUnfelt, Declare(0), Dial(0)],
        "Every tenth trade is missing on one of two lines.";
    "missing-depth" ["FU34"] ONE, 150, [(0, Venue("for 40s drop stream=btcusdt@depth every=100"))],
        [BeFelt, Resync(1, 40), Recover(10.0), Dial(0)],
        "Depth updates are missing: the book is flagged, and synchronised anew.";
    "missing-depth-ab" ["FU34"] TWO, 150, [(0, Towards(Side::A, "for 40s drop stream=btcusdt@depth every=100"))],
        [BeUnfelt, Resync(0, 0), Dial(0)],
        "Depth updates are missing on one of two lines: no book breaks.";
    "depth-jump" ["FU34"] ONE, 150, [(0, Venue("for 40s jump stream=btcusdt@depth every=150"))],
        [BeFelt, Resync(1, 40), Recover(10.0), Dial(0)],
        "Depth updates claim to follow what never came.";
    "snapshots" ["FU35"] ONE, 420, [
        (0, Venue("for 20s stale")), (0, CUT), (80, Venue("for 20s busy")), (80, CUT),
        (160, Venue("for 20s other-symbol")), (160, CUT), (240, Venue("for 20s empty-snapshot")), (240, CUT),
        (320, Venue("for 20s straddle")), (320, CUT),
    ],
        [BeFelt, Recover(60.0), Dial(10)],
        "Snapshots are old, refused, of another symbol, empty, or end inside an update.";
    "id-reset" ["FU37"] ONE, 150, [(0, Venue("restart symbol=BTCUSDT"))],
        [BeFelt, Recover(10.0), Dial(0)],
        "The update ids of a symbol start over.";
    "late-line" ["FU39"] TWO, 180, [(0, Towards(Side::B, "for 180s delay by=500ms"))],
        [BeUnfelt, Declare(0), Dial(0), Lag(0.5)],
        "One of two lines is half a second late.";
    "endpoint-down" ["FU40"] ONE, 240, [(0, Way(Own::OneRefused, 90))],
        [BeFelt, Recover(20.0), Declare(0)],
        "One of two endpoints refuses connections for 90 s.";
    "endpoint-down-ab" ["FU40"] TWO, 300, [
        (0, Venue("for 90s refuse code=0 host=stream.binance.com:9443")), (0, Towards(Side::A, "reset")),
    ],
        [BeUnfelt, Declare(0)],
        "One of two endpoints is gone for 90 s, and one of two lines with it.";
    "all-endpoints-down" ["FU41", "FU48"] ONE, 300, [(0, Venue("for 90s refuse code=0")), (0, CUT)],
        [BeFelt, Reach("poll"), Poll(15.0), Recover(125.0)],
        "No WebSocket can be opened for 90 s, and REST answers.";
    "everything-down" ["FU42"] ONE, 360, [
        (0, Venue("for 90s refuse code=0")), (0, Venue("for 90s unreachable")), (0, CUT),
    ],
        [BeFelt, Reach("cache"), Recover(180.0)],
        "Neither WebSocket nor REST answers for 90 s.";
    "flapping" ["FU43"] ONE, 420, [(0, Venue("for 240s flap")), (0, CUT)],
        [BeFelt, Dial(25)],
        "Connections are accepted and cut after 0.1 to 10 s, for four minutes.";
    "acknowledgements" ["FU45"] ONE, 420, [
        (0, Venue("for 20s lost-ack")), (0, CUT), (100, Venue("for 20s late-ack by=15s")), (100, CUT),
        (200, Venue("for 20s ack-after-data")), (200, CUT), (300, Venue("for 5s wrong-id")), (300, CUT),
        (340, FORGIVE),
    ],
        [BeFelt, Recover(60.0)],
        "Answers to subscriptions are missing, late, behind the data, or to another question.";
    "rest-trouble" ["FU47"] ONE, 420, [
        (0, Venue("for 20s status code=500")), (0, CUT), (80, Venue("for 20s html")), (80, CUT),
        (160, Venue("for 20s half-body")), (160, CUT), (240, Venue("for 20s slow by=10s")), (240, CUT),
        (320, Way(Own::RestGarbled, 20)),
    ],
        [BeFelt, Recover(60.0), Dial(10)],
        "REST fails in one way after the other while books need their snapshots.";
    "clock-jumps" ["FU49", "FO14"] ONE, 150, [(0, Way(Own::WallForward, 0)), (40, Way(Own::WallBack, 0))],
        [BeUnfelt, Declare(0), Dial(0)],
        "The wall clock is set an hour or a day ahead, and back.";
    "venue-clock" ["FU49"] ONE, 120, [(0, Venue("for 60s skew by=-2m"))],
        [Declare(0), Dial(0)],
        "The venue's clock is two minutes behind.";
    "pause" ["FU50", "FO10"] ONE, 240, [(0, Way(Own::Pause, 20))],
        [BeFelt, Recover(60.0), Declare(0)],
        "The process does not run for 20 s or more.";
    "swizzle" ["FU52"] TWO, 240, [(0, Way(Own::Clog, 25))],
        [Recover(40.0), Declare(0)],
        "The connections stop one by one and are released in another order.";
    "heartbeats" ["FU53"] ONE, 120, [(0, Venue("blank every=20 times=3")), (60, Way(Own::PingFlood, 0))],
        [Declare(0), Dial(0)],
        "Empty messages come, and many pings at once.";
    "slow-reader" ["FP1"] ONE, 120, [(0, Way(Own::SlowReader, 15))],
        [BeUnfelt, Declare(0), Dial(0)],
        "A reader sleeps for 15 s: it alone misses something, and is told.";
    "blocked-reader" ["FP3"] ONE, 120, [(0, Way(Own::BlockedReader, 6))],
        [Declare(0)],
        "A reader that must not lose anything holds up its line for six seconds.";
    "reader-leaves" ["FP4"] ONE, 120, [(0, Way(Own::ReaderLeaves, 0)), (20, Way(Own::ReaderLeaves, 0))],
        [BeUnfelt, Declare(0), Dial(0)],
        "A reader is gone without a word, and another comes.";
    "churn" ["FP5", "FP6"] ONE, 240, [(0, Way(Own::Churn, 40)), (20, CUT)],
        [Recover(10.0), Declare(0)],
        "Subscriptions come and go, also while the line is dialled anew.";
    "crash" ["FP7"] ONE, 120, [(0, Way(Own::Crash, 0))],
        [BeFelt, Recover(10.0), Declare(0)],
        "The feed crashes, and is rebuilt from what it remembers.";
    "poison" ["FP7"] BRITTLE, 180, [(0, Venue("for 5s unknown-fields stream=btcusdt@trade"))],
        [SetAside(POISONED, &[60]), Notice(1.0), Drop(3), Repair(1), Declare(0), Dial(0)],
        "The translation of one topic's messages panics: that topic is set aside for a minute, and the others run on.";
    "poison-again" ["FP7"] BRITTLE, 330, [
        (0, Venue("for 5s unknown-fields stream=btcusdt@trade")),
        (80, Venue("for 5s unknown-fields stream=btcusdt@trade")),
    ],
        [SetAside(POISONED, &[60, 120]), Notice(1.0), Drop(4), Repair(1), Declare(0), Dial(0)],
        "It panics again when the topic is back: one message is enough then, and it is set aside for two minutes.";
}
