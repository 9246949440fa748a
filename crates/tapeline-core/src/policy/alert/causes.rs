//! The fixed table of causes: every alert, what it means, and what to do.

use serde::Serialize;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Lines, endpoints, credentials.
    Connection,
    /// Data that is late, missing or wrong.
    Performance,
    /// This process and its machine.
    System,
    /// What heals, or does not.
    Recovery,
}

/// Which alerts are not told while this one fires: it explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutes {
    /// None.
    Nothing,
    /// The symptoms of the same venue and its parts.
    Venue,
    /// Those of all venues.
    All,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which rule.
    pub rule: Rule,
    /// Its word in logs, settings, metrics and hooks.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// Which others are not told while it fires.
    pub mutes: Mutes,
    /// Whether it can follow from another alert of its venue, and is then not told beside it.
    pub symptom: bool,
    /// What it means.
    pub means: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Makes the rules and their table from one list, so that no rule can lack its row.
macro_rules! causes {
    ($($rule:ident $name:literal $kind:ident $mutes:ident $symptom:literal $means:literal $action:literal)*) => {
        /// Every alert there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $means] $rule,)*
        }

        /// Every row, in the order of the rules.
        pub const TABLE: &[Entry] = &[$(Entry {
            rule: Rule::$rule,
            name: $name,
            kind: Kind::$kind,
            mutes: Mutes::$mutes,
            symptom: $symptom,
            means: $means,
            action: $action,
        },)*];
    };
}

causes! {
    LocalNetwork "local_network" Connection All false
    "This machine has no network: every line of every venue failed on this side, for want of a route or a resolver."
    "Check the machine's link, route and DNS; `tapeline doctor` tells which step fails. All venues come back by themselves."
    VenueDown "venue_down" Connection Venue false
    "Neither a line nor REST brings this venue's data, or an operator lets neither; the last known values are served with their age."
    "If the evidence says that an operator pinned it: `tapeline unpin VENUE`. Else look at the venue's status page and run `tapeline doctor VENUE`; it recovers by itself, `tapeline recover` tries at once."
    Fallback "fallback" Connection Nothing true
    "Streaming is impossible or has brought nothing yet, or an operator does not want it; data comes by REST polling, later and in part."
    "If the evidence says that an operator pinned it: `tapeline unpin VENUE`. If it names the budget of dials, wait until it says. Else check whether a proxy or firewall blocks WebSockets and whether the venue has trouble. It returns by itself."
    LineHalted "line_halted" Connection Nothing false
    "A line stopped for good: its address, certificate or request is refused, and trying again cannot help."
    "Read the reason in `tapeline status`, correct the settings (address, certificate authority, symbol) and restart: `tapeline reload` changes no venue that runs."
    Authentication "authentication" Connection Nothing false
    "The venue does not accept the credentials, also not after they were refreshed."
    "Check the key, its permissions, its expiry and the addresses it is bound to. `tapeline recover` reads a key anew from its file; one that stands elsewhere needs a restart."
    RateLimited "rate_limited" Connection Nothing false
    "The venue asked for a pause (429). Nothing is sent before it is over."
    "Look for other programs behind the same address, ask for fewer topics, or lower `weight_percent`."
    Banned "banned" Connection Nothing false
    "The venue has banned this address for a time (418). All REST requests wait; lines that stand go on."
    "Find what else uses the address. Do not change hosts to get around it; the ban ends by itself."
    BreakerOpen "breaker_open" Connection Nothing true
    "An endpoint failed so often that it is left alone for a while."
    "Nothing, if others serve. When the endpoint is known to be well again: `tapeline reset`."
    LineLost "line_lost" Connection Nothing true
    "One of two lines is away, or brings nothing of what others tell, of all or of one topic: nothing is missing, but the next cut would be felt."
    "Nothing at first, it is dialled again. If it stays, look at its endpoint in `tapeline status`."
    Unstable "unstable" Connection Nothing true
    "A line drops and comes back again and again."
    "Compare the endpoints' scores in `tapeline status`; look for a proxy or firewall that cuts connections."
    LineMismatch "line_mismatch" Performance Nothing false
    "Two lines brought different content for the same id; the first copy was kept."
    "Report the id and both contents to the venue; compare with its REST answer for that id."
    Stale "stale" Performance Nothing true
    "A topic is silent for longer than its contract allows."
    "See whether its line lives and the market is open. It is subscribed again by itself; `tapeline reconnect` forces it."
    Gaps "gaps" Performance Nothing true
    "Events are missing that could not be fetched in time; each gap is declared to the readers."
    "See `tapeline ledger`. Run two lines (`lines = 2`) so that one cut loses nothing."
    BookBroken "book_broken" Performance Nothing false
    "A book was crossed again after it was synchronised anew: the venue's data contradict themselves."
    "Compare with the venue's own page. Do not trade on this book until it is live again."
    Undecodable "undecodable" Performance Nothing false
    "Frames of the venue cannot be translated; they are dropped and counted."
    "Look at the samples in `tapeline status`. The venue may have changed its format: update, or report it."
    Latency "latency" Performance Nothing true
    "Of 100 batches of messages one or more took longer than 0.25, 1, 5 or 30 s from the socket to the readers."
    "Look at the processor load of this machine and at the slowest subscribers."
    Quarantined "quarantined" Recovery Nothing false
    "Messages made their translation fail from within (a panic): each is set aside and counted. A topic with three of them within a minute, or over which its feed crashed, is quarantined for 60 s, each further time for twice as long, up to 15 min; all others run on."
    "Report it with the samples in `tapeline status`: it is a mistake of ours. A quarantined topic comes back by itself with what it missed; `tapeline recover VENUE` tries it at once."
    Restarts "restarts" Recovery Nothing false
    "A part of the program crashed and was restarted, more than once in a short time."
    "Report the cause shown with it. After too many restarts of a feed its venue is halted, which is `core_down`; if it is a part without which nothing is served, `serve` leaves with exit code 70 and says why."
    RotationFailed "rotation_failed" Recovery Nothing true
    "A line could not be replaced before the venue cuts it."
    "Look why the new line does not come up in `tapeline status`; `tapeline rotate` tries again."
    RepairFailed "repair_failed" Recovery Nothing true
    "What was missed could not be fetched, so that it stays lost for now; or the snapshot of a book, which stays stale."
    "See whether REST answers and how much of its budget is left. Some histories need a key."
    Flapping "flapping" Recovery Venue true
    "An alert came and went five times in ten minutes; it is told as one until it rests."
    "Treat it as one fault that persists: look at the evidence for which one it is."
    Memory "memory" System Nothing false
    "The process uses 70, 85 or 95 % of the memory that it may (`limits.memory_bytes`, its group or the machine), or its logs and queues that share of `limits.buffers_bytes`; critical while nobody new is taken on."
    "Drop topics, lower `logs_bytes`, or give the process more memory. `tapeline status --json` tells what holds it and what has been given up."
    Descriptors "descriptors" System Nothing false
    "70, 85 or 95 % of the file descriptors are used; critical while the last 32 are kept for lines and files and new clients are refused (503), or while nothing can be dialled or written for want of them."
    "Raise the limit (`ulimit -n`, `LimitNOFILE`), or find the client that opens so many connections."
    Disk "disk" System Nothing false
    "The disk does not take the event log or the state of the limits, or 70, 85, 95 or 100 % of it are used and less than 4 GiB are free; streaming goes on."
    "Free space or repair the disk. Writing is tried again every five seconds; what did not fit into memory meanwhile is told in the log."
    CoreDown "core_down" System Nothing false
    "A venue's task crashed too often in a short time and is halted, or has not answered for five seconds: nothing of this venue is served. Of the process: a part is gone, or has not run for five seconds."
    "Keep the log and report its cause. If it is halted, `tapeline recover VENUE` begins anew, and readers have to subscribe again; if it does not answer for long, restart."
    SinkDown "sink_down" System Nothing false
    "A sink does not take data; what does not fit in its queue is dropped and marked."
    "Check the server it writes to. Lines and clients are not affected."
    Starved "starved" System Nothing false
    "The process did not get to run in time; silence is not blamed on venues meanwhile."
    "Look for other load on this machine, or give the process more processor time."
    Reported "reported" System Nothing false
    "An application reported an error of its own."
    "See the evidence; its author knows."
}

impl Rule {
    /// Its row in the table.
    pub const fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// Its word.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// The rule of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.rule)
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Rules that there is nothing yet to raise.
pub const NOT_FED: &[Rule] = &[Rule::SinkDown];

/// The table as Markdown, for `docs/operations.md`.
pub fn markdown() -> String {
    let mut text = String::new();
    for kind in [Kind::Connection, Kind::Performance, Kind::Recovery, Kind::System] {
        text += &format!("### {kind:?}\n\n| alert | what it means | what to do |\n| --- | --- | --- |\n");
        let fed = |entry: &&Entry| entry.kind == kind && !NOT_FED.contains(&entry.rule);
        for entry in TABLE.iter().filter(fed) {
            text += &format!("| `{}` | {} | {} |\n", entry.name, entry.means, entry.action);
        }
        text += "\n";
    }
    for rule in NOT_FED {
        text +=
            &format!("`{}` is a name without a source: nothing in this version can raise it.\n", rule.name());
    }
    text
}
