//! `sluice`, the operator's tool: shows rollouts, waits for them, steers them, and recomputes their verdicts.
//!
//! Read from top to bottom: the command line, the output, the work, and one line to standard error if it failed.
//! Exit codes are in [`exit`].

mod access;
mod args;
mod commands;
mod exit;
mod output;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod scripted;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use access::Credentials;
use args::Args;
use exit::{Exit, Failure};
use output::Output;
use output::text::printable;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let mut credentials = Credentials::none();
    match run(args, &mut credentials) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            complain(&failure, &credentials);
            if failure.is_closed_pipe() { ExitCode::SUCCESS } else { ExitCode::from(failure.code()) }
        }
    }
}

fn run(args: Args, credentials: &mut Credentials) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Internal(format!("can't start: {error}")))?;
    let mut output = Output::standard(args.global.output, args.global.color);
    runtime.block_on(commands::run(args, &mut output, credentials))
}

/// Help and version go to standard output and are no failure; the rest is a wrong command line.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody to tell if this can't be written.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
}

/// One line, whatever the server's words hold.
fn complain(failure: &Failure, credentials: &Credentials) {
    if !failure.is_closed_pipe() {
        let sentence = failure.sentence(credentials);
        drop(writeln!(std::io::stderr(), "sluice: {}", printable(&sentence)));
    }
}
