//! Any bytes as a trace or vector file: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_engine::replay::{Trace, VectorFile};

/// Longer traces only cost time.
const MAX_TICKS: u64 = 20_000;

fuzz_target!(|content: &[u8]| {
    if let Ok(trace) = serde_json::from_slice::<Trace>(content)
        && trace.end_tick <= MAX_TICKS
    {
        let _ = trace.replay();
    }
    if let Ok(file) = serde_json::from_slice::<VectorFile>(content) {
        for vector in &file.vectors {
            let _ = vector.answer();
        }
    }
});
