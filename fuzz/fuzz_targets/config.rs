//! Any bytes as a configuration file: a configuration or findings, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sluice_proxy::config::Config;

fuzz_target!(|content: &[u8]| {
    if let Err(errors) = Config::parse(content, Path::new("fuzz.yaml")) {
        assert!(!errors.findings().is_empty(), "a refusal without a finding");
        let _ = errors.with_excerpts().to_string();
    }
});
