//! Any bytes as the bodies that the admin API takes: a request or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_api::{AbortRequest, CommandRequest, PromoteRequest, ReleaseRequest, RolloutList, WeightRequest};

fuzz_target!(|content: &[u8]| {
    let _ = serde_json::from_slice::<PromoteRequest>(content);
    let _ = serde_json::from_slice::<AbortRequest>(content);
    let _ = serde_json::from_slice::<CommandRequest>(content);
    let _ = serde_json::from_slice::<ReleaseRequest>(content);
    let _ = serde_json::from_slice::<WeightRequest>(content);
    let _ = serde_json::from_slice::<RolloutList>(content);
});
