//! A scripted backend: the first address is stable, the second the canary. Told what to do under `/-/`.

use clap::Parser;
use sluice_benches::backend::Backend;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::loopback::Loopback;

/// Answers requests: `/` 64 bytes, `/16k` 16 KiB, `/1m` 1 MiB.
///
/// Each address is an arm that can be told how to answer: `/-/set?fail=0.2&delay_ms=10&hang=false`, `/-/reset`,
/// `/-/stats` (requests, failures, requests after the first failure, µs of the first request, of the first failure and of the last request).
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; once for each arm.
    #[arg(long, required = true)]
    listen: Vec<Loopback>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let interrupt = Interrupt::on_signals()?;
    Backend::listen(&arguments.listen)?.run(&interrupt)
}
