//! The arguments of commands that speak to a running gateway, or about one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

/// `tapeline reconnect`.
#[derive(Debug, Args)]
pub(crate) struct Reconnect {
    /// A venue such as binance, or one of its lines such as binance/0 [default: everything]
    #[arg(value_name = "VENUE[/LINE]")]
    pub(crate) target: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub(crate) acted: Acted,
}

/// `tapeline reset`.
#[derive(Debug, Args)]
pub(crate) struct Reset {
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

/// `tapeline completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
