//! Any JSON as strategy and analysis: a plan or problems, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_engine::plan::Plan;
use sluice_engine::plan::raw::{RawAnalysis, RawStrategy};

fuzz_target!(|content: (&str, &str)| {
    let (strategy, analysis) = content;
    if let (Ok(strategy), Ok(analysis)) =
        (serde_json::from_str::<RawStrategy>(strategy), serde_json::from_str::<RawAnalysis>(analysis))
        && let Err(problems) = Plan::try_from_raw(strategy, &analysis, false, false)
    {
        assert!(!problems.is_empty(), "a refusal without a problem");
    }
});
