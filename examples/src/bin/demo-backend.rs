//! `demo-backend ADDRESS VERSION`: a backend to try things with; see `sluice_examples::backend`.

use std::process::ExitCode;

use anyhow::Context;

const USAGE: &str = "usage: demo-backend ADDRESS VERSION, such as demo-backend 127.0.0.1:9001 v1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-backend: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (address, version) = arguments.next().zip(arguments.next()).context(USAGE)?;
    let address = address.parse().with_context(|| format!("{address:?}: {USAGE}"))?;
    sluice_examples::backend::serve(address, version).await
}
