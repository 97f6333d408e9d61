//! Writes what `cargo bench` measured (criterion's estimates) into benches/RESULTS.md.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use serde_json::Value;
use sluice_benches::arguments::Output;
use sluice_benches::{machine, results};

/// Turns criterion's estimates into a section of benches/RESULTS.md.
#[derive(Debug, Parser)]
struct Arguments {
    /// Criterion's folder; default: `criterion` in the target folder of this program.
    #[arg(long)]
    criterion: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = match arguments.criterion {
        Some(folder) => folder,
        None => default_folder()?,
    };
    let mut rows = Vec::new();
    collect(&folder, &mut rows).with_context(|| format!("read {} (run cargo bench first)", folder.display()))?;
    rows.sort();
    let head = ["operation", "median", "95 % confidence interval of the median"].map(str::to_owned);
    let text = format!("{}\n\n{}", machine::description(), results::table(&head, &rows));
    arguments.output.write("micro", &text)
}

fn default_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the own program")?;
    let target = own.parent().and_then(Path::parent).context("the program is in no target folder")?;
    Ok(target.join("criterion"))
}

/// Every `<name>/new/estimates.json` below `folder`, however deep the name is nested.
fn collect(folder: &Path, rows: &mut Vec<Vec<String>>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let estimates = path.join("new/estimates.json");
        if estimates.is_file() {
            rows.push(row(&path).with_context(|| format!("read {}", estimates.display()))?);
        } else if path.is_dir() {
            collect(&path, rows)?;
        }
    }
    Ok(())
}

fn row(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = |name: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join("new").join(name))?)?)
    };
    let (estimates, benchmark) = (read("estimates.json")?, read("benchmark.json")?);
    let nanos = |pointer: &str| estimates.pointer(pointer).and_then(Value::as_f64).context("an estimate is missing");
    let name = benchmark.pointer("/full_id").and_then(Value::as_str).context("the name is missing")?;
    let (low, high) =
        (nanos("/median/confidence_interval/lower_bound")?, nanos("/median/confidence_interval/upper_bound")?);
    Ok(vec![name.to_owned(), time(nanos("/median/point_estimate")?), format!("{} – {}", time(low), time(high))])
}

fn time(nanos: f64) -> String {
    match nanos {
        short if short < 1_000.0 => format!("{short:.2} ns"),
        middle if middle < 1_000_000.0 => format!("{:.2} µs", middle / 1_000.0),
        long => format!("{:.2} ms", long / 1_000_000.0),
    }
}
