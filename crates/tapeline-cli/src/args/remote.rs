//! The arguments of commands that speak to a running gateway, or about one.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `tapeline status`.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Everything the gateway tells, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Every topic, also where the terminal has fewer rows
    #[arg(long)]
    pub(crate) all: bool,
}

/// `tapeline health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// What the gateway says, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Whether it is ready to serve data, not only alive
    #[arg(long)]
    pub(crate) ready: bool,
}

/// `tapeline doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The venue to try [default: those of the configuration, else all]
    #[arg(value_name = "VENUE")]
    pub(crate) venue: Option<String>,
    /// One JSON object per step
    #[arg(long)]
    pub(crate) json: bool,
}

/// What every command that changes something understands.
#[derive(Debug, Args)]
pub(crate) struct Acted {
    /// The file of the gateway's admin token [default: as the gateway's configuration says]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The gateway's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tapeline reconnect` and `tapeline rotate`.
#[derive(Debug, Args)]
pub(crate) struct OfLines {
    /// A venue such as binance, one of its lines such as binance/0, or a topic [default: everything]
    #[arg(value_name = "VENUE[/LINE]|TOPIC")]
    pub(crate) target: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// `tapeline recover`.
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// A venue such as binance, one of its lines such as binance/0, or a topic [default: everything]
    #[arg(value_name = "VENUE[/LINE]|TOPIC")]
    pub(crate) target: Option<String>,
    /// How soon
    #[arg(long, value_name = "HOW", default_value = "immediate")]
    pub(crate) mode: Way,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// How soon what is down is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// At once.
    Immediate,
    /// After a minute.
    Delayed,
    /// With growing delays, as after a failure.
    Progressive,
    /// Not at all: it waits for new settings or another order.
    Manual,
}

/// `tapeline fallback` and `tapeline pin`.
#[derive(Debug, Args)]
pub(crate) struct Fallback {
    /// Where data is to come from
    #[arg(value_name = "KIND")]
    pub(crate) kind: Kind,
    /// A venue such as binance [default: all]
    #[arg(value_name = "VENUE")]
    pub(crate) target: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// A rung of the fallback ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Every line there should be.
    Primary,
    /// Another endpoint, or one of two lines.
    Alternate,
    /// REST, asked in turns.
    Poll,
    /// REST at lower rates, then for the topics with priority only.
    Partial,
    /// What is held from before, with its age.
    Cache,
}

impl Way {
    /// Its word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Delayed => "delayed",
            Self::Progressive => "progressive",
            Self::Manual => "manual",
        }
    }
}

impl Kind {
    /// Its word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Alternate => "alternate",
            Self::Poll => "poll",
            Self::Partial => "partial",
            Self::Cache => "cache",
        }
    }
}

/// `tapeline reliability`.
#[derive(Debug, Args)]
pub(crate) struct Reliability {
    /// Of the latest 1m, 1h, 24h or the like [default: since the start]
    #[arg(long, value_name = "TIME")]
    pub(crate) window: Option<String>,
    /// What the gateway says, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tapeline alerts`.
#[derive(Debug, Args)]
pub(crate) struct Alerts {
    /// Also those that are pending, explained by others, or over
    #[arg(long)]
    pub(crate) all: bool,
    /// What the gateway says, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tapeline ledger`.
#[derive(Debug, Args)]
pub(crate) struct Ledger {
    /// A venue such as binance, or a topic, which is then told by the minute [default: everything]
    #[arg(value_name = "VENUE|TOPIC")]
    pub(crate) of: Option<String>,
    /// What the gateway says, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tapeline reset`.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// A venue such as binance [default: all]
    #[arg(value_name = "VENUE")]
    pub(crate) target: Option<String>,
    /// What becomes of the breakers, of streams and of REST
    #[arg(long, value_name = "STATE", default_value = "closed")]
    pub(crate) mode: Breakers,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// What an operator makes of breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Breakers {
    /// Closed, with pauses lifted and failures forgotten.
    Closed,
    /// Held open: nothing new is dialled or asked until they are closed.
    Open,
    /// Disabled: nothing is refused until they are closed.
    Disabled,
}

impl Breakers {
    /// What is asked of the gateway; nothing beside the usual.
    pub(crate) const fn order(self) -> Option<&'static str> {
        match self {
            Self::Closed => None,
            Self::Open => Some("open"),
            Self::Disabled => Some("disabled"),
        }
    }
}

/// `tapeline unpin` and `tapeline sweep`.
#[derive(Debug, Args)]
pub(crate) struct OfVenue {
    /// A venue such as binance [default: all]
    #[arg(value_name = "VENUE")]
    pub(crate) target: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// `tapeline backoff`.
#[derive(Debug, Args)]
pub(crate) struct Backoff {
    /// What about it.
    #[command(subcommand)]
    pub(crate) action: BackoffAction,
}

/// What about the backoff.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum BackoffAction {
    /// Print the delays that follow failures in a row, with their true bounds
    Preview {
        /// For so many failures
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        failures: u32,
        /// One JSON object per delay
        #[arg(long)]
        json: bool,
    },
}

/// `tapeline drill`.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// What about them.
    #[command(subcommand)]
    pub(crate) action: DrillAction,
}

/// What to do with drills.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DrillAction {
    /// Show every drill, with the faults that it stands for
    List {
        /// One JSON object, which tells also what stands for each fault
        #[arg(long)]
        json: bool,
    },
    /// Run one drill or all of them: exit 0 if all pass, 1 if one fails
    Run {
        /// The drill, as `tapeline drill list` names it
        #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// Every drill, one after the other
        #[arg(long)]
        all: bool,
        /// Over real sockets against the venue's server, ten times as fast, instead of in virtual time
        #[arg(long)]
        real: bool,
        /// One JSON object with everything measured
        #[arg(long)]
        json: bool,
        /// The number from which everything random follows
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

/// `tapeline completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
