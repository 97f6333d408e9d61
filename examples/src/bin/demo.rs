//! `demo [--short]`: four releases in a minute and a half; see `sluice_examples::demo`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let short = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--short") => true,
        Some(_) => {
            eprintln!("usage: demo [--short]");
            return ExitCode::from(64);
        }
    };
    match sluice_examples::demo::run(short).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
