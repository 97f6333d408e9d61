//! Arguments that several programs have in common, to be flattened into theirs.

use std::path::PathBuf;

use clap::Args;

use crate::peers::Programs;
use crate::results;

/// Where a section goes.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// The file whose section is rewritten.
    #[arg(long, default_value_os_t = results::default_file())]
    results: PathBuf,
    /// Only print.
    #[arg(long)]
    dry_run: bool,
}

/// What a program that starts the proxy needs besides.
#[derive(Clone, Debug, Args)]
pub struct Measured {
    /// The proxy; default: sluice-proxy beside this program.
    #[arg(long)]
    sluice: Option<PathBuf>,
    /// Where its section goes.
    #[command(flatten)]
    pub output: Output,
}

// === impl Output ===

impl Output {
    /// Prints the section `name`, and rewrites it unless this is a dry run.
    #[allow(clippy::print_stdout, reason = "the report is what the programs are for")]
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        println!("{text}");
        if self.dry_run {
            return Ok(());
        }
        results::write(&self.results, name, text)
    }

    /// Rewrites the file `name` beside the results, unless this is a dry run.
    pub fn write_beside(&self, name: &str, text: &str) -> anyhow::Result<()> {
        if self.dry_run {
            return Ok(());
        }
        results::write_file(&self.results.with_file_name(name), text)
    }
}

// === impl Measured ===

impl Measured {
    /// Where the programs are; Envoy where it is told to be.
    pub fn programs(&self, envoy: Option<PathBuf>) -> Programs {
        Programs { sluice: self.sluice.clone(), envoy }
    }
}
