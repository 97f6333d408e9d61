//! How fast a failing canary loses its traffic, in failed requests and milliseconds, counted where the traffic arrives.
//!
//! For each rate and each share of failing requests: a fresh proxy, healthy traffic, then the canary is told to fail.
//! The backend notes its first failure and its last request; the load counts what users saw. Beside it stands what a
//! poll of Prometheus would have needed, from a model (`poll_model`).

#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

mod report;
mod trial;

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sluice_benches::arguments::Measured;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::loopback::Loopback;
use sluice_benches::machine;
use sluice_benches::peers::{Kind, Settings, start_backend};
use sluice_benches::process::pin_to;

use report::Row;
use trial::{Case, Method, Stage};

const PEER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Measures how fast Sluice takes a failing canary back and rewrites a section of benches/RESULTS.md.
#[derive(Debug, Parser)]
struct Arguments {
    /// Requests a second.
    #[arg(long, value_delimiter = ',', default_values_t = [100.0, 1_000.0, 5_000.0])]
    rates: Vec<f64>,
    /// Shares of the canary's requests that fail, 0 to 1.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 0.2, 0.05])]
    failing: Vec<f64>,
    /// Percent of the requests to the canary.
    #[arg(long, default_value_t = 10.0)]
    weight: f64,
    /// Fresh starts of each case.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Seconds of healthy traffic before the canary fails.
    #[arg(long, default_value_t = 2.0)]
    healthy: f64,
    /// Seconds after which a case counts as not decided.
    #[arg(long, default_value_t = 60.0)]
    give_up: f64,
    #[command(flatten)]
    measured: Measured,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::on_signals()?;
    anyhow::ensure!(machine::cores() > LOAD_CORE, "two cores are needed: one for the proxy, one for the load");
    let programs = arguments.measured.programs(None);
    let program = Kind::Sluice.program(&programs).context("sluice-proxy is missing: build it with --release first")?;
    pin_to(LOAD_CORE)?;
    let folder = tempfile::tempdir().context("make a folder for configurations and logs")?;
    let ports = Loopback::free(2)?;
    let _backend = start_backend(LOAD_CORE, [ports[0], ports[1]], folder.path(), &interrupt)?;
    let stage = Stage {
        program,
        settings: Settings {
            stable: ports[0],
            canary: ports[1],
            weight: arguments.weight,
            success: "99%",
            latency: "200ms",
            timeout: "60s",
            core: PEER_CORE,
            folder: folder.path().to_owned(),
        },
        healthy: Duration::try_from_secs_f64(arguments.healthy)?,
        give_up: Duration::try_from_secs_f64(arguments.give_up)?,
        interrupt: &interrupt,
    };
    let rows = run(&arguments, &stage)?;
    let text = report::text(&rows, &stage, arguments.repetitions);
    arguments.measured.output.write("reaction", &text)
}

fn run(arguments: &Arguments, stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for method in [Method::Post, Method::Get] {
        for &rate in &arguments.rates {
            for &failing in &arguments.failing {
                let case = Case { method, rate, failing };
                let trials = (0..arguments.repetitions)
                    .map(|_| stage.run(case))
                    .collect::<anyhow::Result<Vec<_>>>()
                    .with_context(|| format!("{case:?}"))?;
                let row = Row { case, trials };
                println!("{}", row.summary());
                rows.push(row);
            }
        }
    }
    Ok(rows)
}
