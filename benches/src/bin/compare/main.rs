//! Side by side: Sluice, a TCP relay, HAProxy, nginx and Envoy do the same work in turn, and only ratios are concluded.
//!
//! Every peer runs on core 0, load and backend share core 1. Each round measures one peer after the other, in the same
//! order, and a ratio is formed within a round before its median is taken. Peers that are not installed are left out.

#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

mod figures;
mod measure;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sluice_benches::arguments::Measured;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::loopback::Loopback;
use sluice_benches::machine;
use sluice_benches::peers::{Kind, Peer, Settings, start_backend};
use sluice_benches::process::pin_to;

use measure::Bench;

/// The core of what is measured, and that of load and backend.
const PEER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Measures Sluice beside its peers and rewrites a section of benches/RESULTS.md.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; each measures every peer once.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second of the paced measurement, at which control threads are weighed too.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// Envoy; default: envoy of the PATH.
    #[arg(long)]
    envoy: Option<PathBuf>,
    #[command(flatten)]
    measured: Measured,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::on_signals()?;
    anyhow::ensure!(machine::cores() > LOAD_CORE, "two cores are needed: one for the peer, one for the load");
    pin_to(LOAD_CORE)?;
    let folder = tempfile::tempdir().context("make a folder for configurations and logs")?;
    let ports = Loopback::free(2)?;
    let arms @ [stable, canary] = [ports[0], ports[1]];
    let backend = start_backend(LOAD_CORE, arms, folder.path(), &interrupt)?;
    let settings = Settings {
        stable,
        canary,
        weight: 10.0,
        // Far beyond what a saturated proxy makes of 64 requests at a time: nothing is to be taken back here.
        latency: "2s",
        success: "99%",
        timeout: "60s",
        core: PEER_CORE,
        folder: folder.path().to_owned(),
    };
    let peers = start_peers(&arguments, &settings, &interrupt)?;
    let bench = Bench {
        peers: &peers,
        arms,
        connections: arguments.connections,
        duration: Duration::try_from_secs_f64(arguments.seconds)?,
        rate: arguments.rate,
        interrupt: &interrupt,
    };
    let figures = bench.run(arguments.rounds)?;
    drop(backend);
    let text = report::text(&figures, &peers, &bench, arguments.rounds);
    arguments.measured.output.write("compare", &text)
}

/// Starts every peer that is installed and makes sure that it does the work.
fn start_peers(arguments: &Arguments, settings: &Settings, interrupt: &Interrupt) -> anyhow::Result<Vec<Peer>> {
    let programs = arguments.measured.programs(arguments.envoy.clone());
    let mut peers = Vec::new();
    for kind in Kind::ALL {
        let Some(program) = kind.program(&programs) else {
            println!("{} is not installed: left out", kind.label());
            continue;
        };
        let peer = Peer::start(kind, &program, settings, interrupt)?;
        peer.check_header()?;
        println!("{} {} ready on {}", kind.label(), peer.version, peer.address);
        peers.push(peer);
    }
    Ok(peers)
}
