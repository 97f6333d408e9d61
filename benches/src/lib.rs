//! Measures Sluice beside its peers: a load generator, a scripted backend, and what the drivers in `bin/` share.
//!
//! `load` sends requests, `backend` answers them, `process` starts and surely ends what is measured, `usage` reads what
//! it cost, `peers` knows the peers' configurations, `series` turns rounds into medians and ratios, and `results`
//! writes them down. `argo`, `exporter`, `prometheus` and `splitter` are a polling loop of the usual parts, and `chart`
//! draws. Nothing here speaks to anything but loopback, and every run is bounded in count and in time.

pub mod argo;
pub mod arguments;
pub mod backend;
pub mod chance;
pub mod chart;
pub mod control;
pub mod exporter;
pub mod faults;
pub mod histogram;
pub mod http;
pub mod interrupt;
pub mod load;
pub mod loopback;
pub mod machine;
pub mod peers;
pub mod poll_model;
pub mod polling;
pub mod process;
pub mod prometheus;
pub mod results;
pub mod series;
pub mod splitter;
pub mod usage;
