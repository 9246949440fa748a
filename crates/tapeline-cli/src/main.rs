//! The `tapeline` program: one file per command under `command/`, the terminal view under `view/`.

mod args;
mod command;
mod exit;
mod log;
mod out;
mod remote;
mod stop;
mod trouble;
mod view;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use args::{Cli, Command, Format};
use exit::{Exit, Failed};
use stop::Stop;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout and is no error; a closed pipe is none either.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    log::start(cli.global.louder(), cli.global.log == Some(Format::Json), cli.global.colour());
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli)));
    let outcome =
        outcome.unwrap_or_else(|_| Err(Failed::new(Exit::Internal, "a fault of the program; see above")));
    let exit = outcome.unwrap_or_else(|failed| {
        log::tell(match failed.exit {
            // Each line begins with its place.
            Exit::Configuration => failed.to_string(),
            _ => format!("tapeline: {failed}"),
        });
        failed.exit
    });
    log::finish();
    exit.into()
}

fn run(cli: Cli) -> Result<Exit, Failed> {
    let global = cli.global;
    match cli.command {
        Command::Config(config) => command::config::run(config.action, &global),
        Command::Backoff(args) => command::backoff::run(args.action, &global),
        Command::Drill(args) => asking(async || command::drill::run(args.action.clone(), &global).await),
        Command::Completions(args) => command::completions::run(&args),
        Command::Demo(args) => block_on(async |stop| command::demo::run(args, &global, stop).await),
        Command::Serve(args) => block_on(async |stop| command::serve::run(&args, global, stop).await),
        Command::Watch(args) => block_on(async |stop| command::watch::run(args, &global, stop).await),
        Command::Simulate(args) => block_on(async |stop| command::simulate::run(*args, stop).await),
        Command::Status(args) => asking(async || command::status::run(&args, &global).await),
        Command::Health(args) => asking(async || command::health::run(&args, &global).await),
        Command::Doctor(args) => asking(async || command::doctor::run(&args, &global).await),
        Command::Alerts(args) => asking(async || command::alerts::run(&args, &global).await),
        Command::Ledger(args) => asking(async || command::ledger::run(&args, &global).await),
        Command::Reliability(args) => asking(async || command::reliability::run(&args, &global).await),
        Command::Recover(args) => act("recover", &args.target, Some(args.mode.name()), &args.acted, &global),
        Command::Reconnect(args) => act("reconnect", &args.target, None, &args.acted, &global),
        Command::Rotate(args) => act("rotate", &args.target, None, &args.acted, &global),
        Command::Fallback(args) => {
            act("fallback", &args.target, Some(args.kind.name()), &args.acted, &global)
        }
        Command::Pin(args) => act("pin", &args.target, Some(args.kind.name()), &args.acted, &global),
        Command::Unpin(args) => act("unpin", &args.target, None, &args.acted, &global),
        Command::Reset(args) => act("reset", &args.target, args.mode.order(), &args.acted, &global),
        Command::Sweep(args) => act("sweep", &args.target, None, &args.acted, &global),
        Command::Reload(args) => act("reload", &None, None, &args, &global),
        Command::Drain(args) => act("drain", &None, None, &args, &global),
    }
}

/// Gives an order.
fn act(
    name: &str,
    target: &Option<String>,
    mode: Option<&str>,
    acted: &args::Acted,
    global: &args::Global,
) -> Result<Exit, Failed> {
    asking(async || command::act::run(name, (target.as_deref(), mode), acted, global).await)
}

/// Runs a command that asks and ends; a signal ends it sooner.
fn asking(command: impl AsyncFnOnce() -> Result<Exit, Failed>) -> Result<Exit, Failed> {
    block_on(async |stop| {
        tokio::select! {
            outcome = command() => outcome,
            exit = stop.asked() => Ok(exit),
        }
    })
}

/// Runs a command that waits for the world.
fn block_on(command: impl AsyncFnOnce(&mut Stop) -> Result<Exit, Failed>) -> Result<Exit, Failed> {
    let failed = |error: std::io::Error| Failed::new(Exit::Failure, format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let outcome = runtime.block_on(async {
        let mut stop = Stop::install().map_err(failed)?;
        command(&mut stop).await
    });
    // Nothing that still runs may hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
