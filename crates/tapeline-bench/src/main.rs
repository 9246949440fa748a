//! The socket benchmark. One command gives every figure, with the baselines beside it:
//!
//! ```text
//! cargo run --release -p tapeline-bench -- speed            CPU per frame, trades and mix, 5 rounds
//! cargo run --release -p tapeline-bench -- speed --quick    the same, fewer frames
//! cargo run --release -p tapeline-bench -- latency          p50 and p99 at 20,000 frames/s, paired
//! ```
//!
//! `speed` starts a venue in a process of its own and every reader in a fresh one; the readers take
//! turns, and the figure is the median CPU time of the reading process per frame. `serve` and `read`
//! are these processes.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tapeline_bench::market::{self, Cut, Kind};
use tapeline_bench::readers::{self, Contender};
use tapeline_bench::rounds::{self, Plan};
use tapeline_bench::venue::Venue;
use tapeline_bench::{fixed, latency, scan, subject, unix_ms};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Speed and latency of the library on a loopback socket, beside their baselines.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// CPU per frame.
    Speed {
        /// Fewer frames, for a first look.
        #[arg(long)]
        quick: bool,
        /// One kind of frames only.
        #[arg(long)]
        kind: Option<Kind>,
        /// Frames per run.
        #[arg(long)]
        frames: Option<u64>,
        /// Rounds; the figure is their median.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Who runs, all by default.
        #[arg(long, value_delimiter = ',')]
        readers: Vec<Contender>,
    },
    /// Time from socket to subscriber.
    Latency {
        /// Fewer bursts, for a first look.
        #[arg(long)]
        quick: bool,
        /// Pairs of runs.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// The sending process of `speed`.
    Serve {
        /// Which frames.
        #[arg(long)]
        kind: Kind,
        /// How many.
        #[arg(long)]
        frames: u64,
    },
    /// A reading process of `speed`: prints what it read as JSON.
    Read {
        /// Who.
        #[arg(long)]
        reader: Contender,
        /// Host and port of the venue.
        #[arg(long)]
        address: String,
        /// Which frames.
        #[arg(long)]
        kind: Kind,
        /// How many.
        #[arg(long)]
        frames: u64,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors go to stderr")]
fn report(error: &io::Error) {
    eprintln!("error: {error}");
}

fn run(command: Command) -> io::Result<()> {
    match command {
        Command::Speed { quick, kind, frames, rounds, readers } => {
            let contenders = if readers.is_empty() { ALL.to_vec() } else { readers };
            for kind in kind.map_or(vec![Kind::Trades, Kind::Mix], |kind| vec![kind]) {
                let frames = frames.unwrap_or(if quick { 300_000 } else { 2_000_000 });
                rounds::measure(&Plan { kind, frames, rounds, contenders: contenders.clone() })?;
            }
            Ok(())
        }
        Command::Latency { quick, rounds } => latency::measure(rounds, if quick { 500 } else { 3_000 }),
        Command::Serve { kind, frames } => {
            let venue = Venue::bind(market::render(kind, frames, Cut::WIDE, unix_ms()), kind, None)?;
            println!("listening on {}", venue.address()?);
            venue.serve()
        }
        Command::Read { reader, address, kind, frames } => {
            let run = match reader {
                Contender::Bytes => readers::bytes(&address, frames)?,
                Contender::Fixed => readers::by_hand(&address, fixed::event)?,
                Contender::Limit => readers::by_hand(&address, scan::event)?,
                Contender::Sonic | Contender::Serde => readers::tungstenite(&address, kind, reader, frames)?,
                Contender::Tapeline => subject::run_tapeline(&address, kind, frames, 1)?,
                Contender::Pair => subject::run_tapeline(&address, kind, frames, 2)?,
            };
            println!("{}", serde_json::to_string(&run)?);
            Ok(())
        }
    }
}

const ALL: [Contender; 7] = [
    Contender::Bytes,
    Contender::Fixed,
    Contender::Limit,
    Contender::Sonic,
    Contender::Serde,
    Contender::Tapeline,
    Contender::Pair,
];
