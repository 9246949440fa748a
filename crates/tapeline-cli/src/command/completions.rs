//! `tapeline completions`: a script that completes our command line in a shell.

use clap::CommandFactory as _;

use crate::args::{Cli, Completions};
use crate::exit::{Exit, Failed};
use crate::out::print;

/// Runs the command.
pub(crate) fn run(args: &Completions) -> Result<Exit, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tapeline", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
