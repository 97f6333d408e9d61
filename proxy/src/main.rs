//! `sluice-proxy`: runs the proxy, or says what is wrong with a configuration file.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use sluice_proxy::config::{self, ConfigErrors};
use sluice_proxy::serve;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Splits HTTP traffic between a stable and a canary version, and takes the canary back by itself when it fails.
#[derive(Debug, Parser)]
#[command(name = "sluice-proxy", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the proxy. SIGHUP reads the file again, SIGTERM drains and ends, a second one ends at once.
    Run {
        /// The configuration file; changes of it are taken over while it runs.
        file: PathBuf,
        /// How log lines look. `SLUICE_LOG` sets what is logged (such as `info` or `sluice_proxy=debug`).
        #[arg(long, value_enum, default_value_t = LogFormat::Text)]
        log_format: LogFormat,
    },
    /// Checks a configuration file: exits with 1 and names every mistake, or with 0.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Check { file } => check(&file),
        Verb::Run { file, log_format } => {
            start_log(log_format);
            keep_memory_small();
            run(&file)
        }
    }
}

fn check(file: &Path) -> ExitCode {
    match config::check(file) {
        Ok(config) => {
            let (rollouts, routes) = (config.rollouts.len(), config.routes.len());
            say(&format!("{}: valid, {rollouts} rollouts, {routes} routes", file.display()));
            ExitCode::SUCCESS
        }
        Err(errors) => refuse(&errors),
    }
}

fn run(file: &Path) -> ExitCode {
    let Err(error) = serve::run(file) else { return ExitCode::SUCCESS };
    match error.downcast_ref::<ConfigErrors>() {
        Some(errors) => refuse(errors),
        None => {
            complain(&format!("sluice-proxy: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn refuse(errors: &ConfigErrors) -> ExitCode {
    complain(&errors.with_excerpts().to_string());
    ExitCode::FAILURE
}

fn start_log(format: LogFormat) {
    // pingora announces each of its steps at info; its warnings are worth a line.
    const QUIET: &str = "info,pingora_core=warn,pingora_load_balancing=warn";
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// The allocator asks for huge pages, and a proxy that needs 2 MB would then be given 14.
fn keep_memory_small() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

/// A closed standard output or error is nothing to fail about.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
