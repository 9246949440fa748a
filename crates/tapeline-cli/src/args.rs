//! The command line.

mod remote;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tapeline_core::data::channel::Delivery;

pub(crate) use remote::{
    Acted, Alerts, Asked, Backoff, BackoffAction, Completions, Doctor, Drill, DrillAction, Fallback, Health,
    Ledger, OfLines, OfVenue, Recover, Reliability, Reset,
};

/// Verified market data from many venues.
#[derive(Debug, Parser)]
#[command(
    name = "tapeline",
    version,
    arg_required_else_help = true,
    after_help = "Try `tapeline demo` first: it needs no network, no account and no configuration."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What every command understands.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file [default: ./tapeline.toml if there is one]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key of the configuration, over file and environment
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The running gateway to ask [default: http://127.0.0.1:8480, or where the configuration listens; `watch` opens
    /// lines of its own without it]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// When to use colours (NO_COLOR is respected)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,
    /// How logs are written to stderr [default: text, or what the configuration says to `serve`]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log: Option<Format>,
    /// Tell more on stderr (repeat for more still)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell less on stderr
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// A JSON object per line.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Global {
    /// One per `-v`, less one per `-q`.
    pub(crate) fn louder(&self) -> i16 {
        i16::from(self.verbose) - i16::from(self.quiet)
    }

    /// Whether stdout gets colours.
    pub(crate) fn colour(&self) -> bool {
        match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
                !refused && std::io::stdout().is_terminal()
            }
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a generated market: books, quotes and trades, without any network
    Demo(Demo),
    /// Serve market data to other programs: WebSocket and HTTP on one port
    Serve(Serve),
    /// Show topics as they change, as a table or as JSON lines
    Watch(Watch),
    /// Show what a running gateway does
    Status(Asked),
    /// Tell whether a running gateway is well: exit 0 or 1
    Health(Health),
    /// Look for what keeps data from coming: ask the gateway, then try every step to a venue
    Doctor(Doctor),
    /// Show what is wrong with a running gateway and its venues, and what to do
    Alerts(Alerts),
    /// Show what a running gateway expected of venues, and what came of it
    Ledger(Ledger),
    /// Show how available a running gateway's topics were, and how soon outages were found and mended
    Reliability(Reliability),
    /// Put what is down in a running gateway on its way again
    Recover(Recover),
    /// Close and redial lines of a running gateway
    Reconnect(OfLines),
    /// Let new lines follow those of a running gateway, without a break
    Rotate(OfLines),
    /// Let a running gateway take its data from elsewhere, until its rules decide again
    Fallback(Fallback),
    /// Let a running gateway take its data from elsewhere until `unpin`
    Pin(Fallback),
    /// Let the rules of a running gateway decide again where its data comes from
    Unpin(OfVenue),
    /// Close the breakers of a running gateway and forget its failures, or take the breakers over until then
    Reset(Reset),
    /// Drop the topics of a running gateway that nobody reads
    Sweep(OfVenue),
    /// Make a running gateway read its configuration again
    Reload(Acted),
    /// Make a running gateway send its clients away and end
    Drain(Acted),
    /// What delays follow after failures
    Backoff(Backoff),
    /// Let named troubles strike a feed in virtual time, and show how it bears them
    Drill(Drill),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Serve a recorded or generated market as the venue itself would
    Simulate(Box<Simulate>),
    /// Check, show or describe the configuration
    Config(Config),
}

/// `tapeline demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop after this many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
    /// The number from which everything random follows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Let a script of faults strike the market, so that recovery can be watched
    #[arg(long)]
    pub(crate) chaos: bool,
}

/// `tapeline serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Allow faults on purpose over POST /api/v1/chaos/…; only where no other machine can connect
    #[arg(long)]
    pub(crate) enable_chaos: bool,
}

/// `tapeline watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Topics such as binance:trade:BTCUSDT, or patterns such as 'binance:trade:*' (which match topics in use)
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// One JSON object per line, also on a terminal
    #[arg(long)]
    pub(crate) json: bool,
    /// Every update, or the newest state [default: as the channel needs it]
    #[arg(long, value_name = "HOW")]
    pub(crate) delivery: Option<How>,
}

/// How updates are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// Every update, in order.
    Every,
    /// The newest state.
    Conflate,
}

impl From<How> for Delivery {
    fn from(how: How) -> Self {
        match how {
            How::Every => Self::Every,
            How::Conflate => Self::Conflate,
        }
    }
}

/// `tapeline config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// What to do with it.
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigAction {
    /// Read everything and tell every problem with its place
    Check,
    /// Print the configuration in effect, and where each value comes from
    Show,
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print a page that describes every key
    Reference,
}

/// `tapeline simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The folder of a recorded capture [default: a generated market]
    #[arg(long, value_name = "DIR")]
    pub(crate) capture: Option<PathBuf>,
    /// How fast time runs: a factor, or `max` for as fast as can be read
    #[arg(long, value_name = "N|max", default_value = "1")]
    pub(crate) speed: tapeline_sim::Speed,
    /// The port on 127.0.0.1; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 8490)]
    pub(crate) port: u16,
    /// Speak TLS too, on the same port; DIR/ca.pem is then the certificate to trust
    #[arg(long, value_name = "DIR")]
    pub(crate) tls: Option<PathBuf>,
    /// The number from which everything random in a generated market follows
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "capture", help_heading = MARKET)]
    pub(crate) seed: u64,
    /// Symbols of a generated market, of the usual ten [default: all of them]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', conflicts_with = "capture", help_heading = MARKET)]
    pub(crate) symbols: Vec<String>,
    /// Orders per second and symbol of a generated market
    #[arg(long, value_name = "N", default_value_t = 40, conflicts_with = "capture", help_heading = MARKET,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// A generated market of USD-M futures instead of spot
    #[arg(long, conflicts_with = "capture", help_heading = MARKET)]
    pub(crate) futures: bool,
    /// End a generated market after about this many frames
    #[arg(long, value_name = "N", conflicts_with = "capture", help_heading = MARKET)]
    pub(crate) frames: Option<u64>,
    /// Troubles to order at the start, one a line
    #[arg(long, value_name = "FILE", help_heading = FAULTS)]
    pub(crate) script: Option<PathBuf>,
    /// Drop every n-th frame: BTCUSDT:50 (its depth), btcusdt@trade:50, or '*:50' (all)
    #[arg(long, value_name = "WHAT:N", help_heading = FAULTS)]
    pub(crate) drop: Vec<Every>,
    /// Send every n-th frame twice
    #[arg(long, value_name = "WHAT:N", help_heading = FAULTS)]
    pub(crate) duplicate: Vec<Every>,
    /// Cut every n-th frame in half
    #[arg(long, value_name = "WHAT:N", help_heading = FAULTS)]
    pub(crate) truncate: Vec<Every>,
    /// Put a value of the wrong type into every n-th frame
    #[arg(long, value_name = "WHAT:N", help_heading = FAULTS)]
    pub(crate) wrong_type: Vec<Every>,
}

const MARKET: &str = "Generated market";
const FAULTS: &str = "Faults";

/// Every n-th frame of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Every {
    /// The venue's name of the stream, or `*`.
    pub(crate) stream: String,
    /// Which frames, counted from 1.
    pub(crate) nth: u64,
}

impl std::str::FromStr for Every {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected SYMBOL:N, STREAM:N or *:N with N at least 1, for example BTCUSDT:50";
        let (what, nth) = text.rsplit_once(':').ok_or(FORM)?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or(FORM)?;
        let stream = match what {
            "" => return Err(FORM),
            // A symbol alone means its book, which is what a lost frame damages.
            symbol if symbol != "*" && !symbol.contains('@') => format!("{}@depth", symbol.to_lowercase()),
            stream => stream.to_owned(),
        };
        Ok(Self { stream, nth })
    }
}
