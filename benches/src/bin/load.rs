//! Sends requests to one loopback address and says how they were answered.

#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

use std::time::Duration;

use clap::Parser;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::load::{self, Load, Pace, Phase, Report};
use sluice_benches::loopback::Loopback;

/// Sends requests over keep-alive connections: as fast as they are answered, or at a fixed rate.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to: a loopback address.
    target: Loopback,
    /// Path: / (64 bytes), /16k or /1m with our own backend.
    #[arg(long, default_value = "/")]
    path: String,
    /// How many connections.
    #[arg(long, short, default_value_t = 64)]
    connections: usize,
    /// Requests a second, due at fixed times; without it each connection asks as soon as it was answered.
    #[arg(long, short)]
    rate: Option<f64>,
    /// For how many seconds (at most 3600).
    #[arg(long, short, default_value_t = 10.0)]
    seconds: f64,
    /// How many requests at most.
    #[arg(long, default_value_t = load::MAX_REQUESTS)]
    requests: u64,
    /// POST a small body instead of GET.
    #[arg(long)]
    post: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::on_signals()?;
    let phase = Phase {
        pace: arguments.rate.map_or(Pace::Closed, Pace::PerSecond),
        duration: Duration::try_from_secs_f64(arguments.seconds)?,
        requests: arguments.requests,
    };
    let request = if arguments.post { load::post(&arguments.path) } else { load::get(&arguments.path, "") };
    let report = Load::connect(arguments.target, arguments.connections, request, &interrupt)?.run(&phase)?;
    print(&report);
    Ok(())
}

fn print(report: &Report) {
    let quantile = |q| report.latency.quantile(q).as_secs_f64() * 1_000.0;
    println!(
        "{} requests in {:.2} s: {:.0} a second; 1xx to 5xx {:?}, without answer {}",
        report.requests(),
        report.elapsed.as_secs_f64(),
        report.rate(),
        report.classes,
        report.errors
    );
    println!(
        "latency p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, greatest {:.3} ms",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0)
    );
}
