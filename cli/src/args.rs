//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sluice_engine::units::{Millis, Weight};

use crate::exit::EXIT_CODES;

/// Watches and steers canary releases of a Sluice proxy.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb understands.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Address of the admin API
    #[arg(long, global = true, value_name = "URL", env = "SLUICE_SERVER", default_value = "http://127.0.0.1:9900")]
    pub(crate) server: String,
    /// Token for commands (other users see it in the process list; prefer a file or SLUICE_TOKEN)
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// File that holds the token
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// State directory of a proxy on this machine, to find its token; ./state if not given
    #[arg(long, global = true, value_name = "DIR", env = "SLUICE_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// What the output looks like; json and yaml are the types of the admin API
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
    /// When to use colour; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Remote(Remote),
    #[command(flatten)]
    Local(Local),
}

/// What a server is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Remote {
    /// Shows every rollout, or one in detail
    Get {
        /// The rollout; all of them without it
        name: Option<String>,
        /// Go on showing changes until interrupted
        #[arg(short, long)]
        watch: bool,
    },
    /// Waits until a rollout is healthy (exit 0) or degraded (exit 1)
    Status {
        /// The rollout
        name: String,
        /// How long to wait at most, such as 30s or 10m (then exit 2); 0s looks once, `none` waits as long as it takes
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = patience)]
        timeout: Patience,
    },
    /// Shows what the requests seen so far prove
    Analysis {
        /// The rollout
        name: String,
    },
    /// Ends the present wait: resumes a pause or skips the rest of a step
    Promote {
        #[command(flatten)]
        target: Target,
        /// Go to 100 % at once, without analysis
        #[arg(long)]
        full: bool,
    },
    /// Takes the canary back: weight 0, now
    Abort {
        #[command(flatten)]
        target: Target,
        /// Why, for events and history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Starts a taken-back canary again from its first step
    Retry(Target),
    /// Holds weight and clock; a failing canary is still taken back
    Pause(Target),
    /// Ends a pause
    Resume(Target),
    /// Shows past generations
    History {
        /// The rollout
        name: String,
    },
    /// Looks back over many releases
    #[command(subcommand)]
    Report(Report),
    /// Starts a release: a new canary version
    Release {
        /// The rollout
        name: String,
        /// Name of the new version
        #[arg(long)]
        version: String,
        /// Address of the new version, HOST:PORT; may be repeated
        #[arg(long = "endpoint", value_name = "ADDRESS", required = true, num_args = 1..)]
        endpoints: Vec<String>,
    },
    /// Notifications
    #[command(subcommand)]
    Notify(Notify),
    /// Sets the canary's weight (strategy `manual` only)
    Weight {
        #[command(flatten)]
        target: Target,
        /// 0 to 100, such as 25, 2.5 or 25%
        #[arg(value_parser = weight)]
        percent: Weight,
    },
}

/// About notifications.
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Sends a test to one destination and says whether it took it
    Test {
        /// The destination, as the configuration names it
        name: String,
    },
}

/// What to look back on.
#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Deployment frequency, lead time, change failure rate and time to restore
    Dora {
        /// From when on: a time ago such as 12h or 90d, or Unix milliseconds; 30 days up to the end without it
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Until when; now without it
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
}

/// What needs no server.
#[derive(Debug, Subcommand)]
pub(crate) enum Local {
    /// Recomputes verdicts from a file: a trace, or a file of vectors; prints one JSON line for each
    Replay {
        /// The file; `-` is standard input
        file: PathBuf,
        /// The file holds vectors (they are recognised without it, too)
        #[arg(long)]
        vectors: bool,
    },
    /// Prints a completion script
    Completion {
        /// For which shell
        shell: Shell,
    },
}

/// What a command is meant for.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// The rollout
    pub(crate) name: String,
    /// Only if the rollout is still at this generation
    #[arg(long, value_name = "N")]
    pub(crate) generation: Option<u64>,
}

/// What the output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For people, with everything
    Wide,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal
    Auto,
    /// In pipes, too
    Always,
    /// Not at all
    Never,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    AtMost(Duration),
    Endless,
}

// === impl Format ===

impl Format {
    /// Whether people read it.
    pub(crate) const fn is_for_people(self) -> bool {
        match self {
            Self::Table | Self::Wide => true,
            Self::Json | Self::Yaml => false,
        }
    }
}

// === impl Colour ===

impl Colour {
    /// Whether colour is used; what is asked for on the command line outranks `NO_COLOR`.
    pub(crate) const fn applies(self, is_terminal: bool, is_refused: bool) -> bool {
        match self {
            Self::Auto => is_terminal && !is_refused,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

fn patience(text: &str) -> Result<Patience, String> {
    match text {
        "none" => Ok(Patience::Endless),
        _ => Millis::parse(text).map(|length| Patience::AtMost(length.into())).map_err(|error| error.to_string()),
    }
}

fn weight(text: &str) -> Result<Weight, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let percent = number.parse().map_err(|_| format!("weight {text:?}: a percentage from 0 to 100 is allowed"))?;
    Weight::try_from_percent(percent).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_documentation_are_understood() {
        for line in [
            "sluice get",
            "sluice get shop -w -o wide",
            "sluice -o json get shop",
            "sluice status shop --timeout 90s",
            "sluice status shop --timeout none",
            "sluice analysis shop",
            "sluice promote shop --full --generation 7",
            "sluice abort shop --reason slow",
            "sluice retry shop",
            "sluice pause shop",
            "sluice resume shop",
            "sluice history shop",
            "sluice report dora",
            "sluice report dora --since 90d --until 1d -o json",
            "sluice release shop --version v3 --endpoint 127.0.0.1:1 127.0.0.1:2 --endpoint [::1]:3",
            "sluice weight shop 2.5%",
            "sluice replay --vectors -",
            "sluice completion bash",
            "sluice get --server http://proxy:9900 --token-file t --color never",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "sluice",
            "sluice promote",
            "sluice report",
            "sluice weight shop 101",
            "sluice weight shop ten",
            "sluice weight shop NaN",
            "sluice status shop --timeout 10",
            "sluice release shop --version v3",
            "sluice get --token a --token-file b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn colour_is_for_terminals_unless_it_is_asked_for() {
        assert!(Colour::Auto.applies(true, false));
        assert!(!Colour::Auto.applies(false, false));
        assert!(!Colour::Auto.applies(true, true));
        assert!(Colour::Always.applies(false, true));
        assert!(!Colour::Never.applies(true, false));
    }
}
