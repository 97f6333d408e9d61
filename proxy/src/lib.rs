//! The data plane of Sluice and its pilot.
//!
//! `config` says what a file means; `snapshot` is that meaning in the form a worker routes by; `data` carries the
//! requests; `counters` is what workers write and the pilot reads; `pilot` feeds counts and time into the engine and
//! carries out its actions; `admin` shows and commands it; `metrics` exports it; `gates` asks before a weight rises;
//! `notify` tells people; `outbound` speaks to receivers; `releases` keeps what ended, from which `dora` reports. `access`,
//! `nginx` and `exemplars` keep what is shown of single requests where somebody asked for that.

pub mod access;
pub mod admin;
pub mod clock;
pub mod config;
pub mod counters;
pub mod data;
pub mod descriptors;
pub mod dora;
pub mod endpoint;
pub mod exemplars;
pub mod gates;
pub mod health;
pub mod htpasswd;
pub mod limit;
mod linger;
pub mod memory;
pub mod metrics;
pub mod nginx;
pub mod notify;
pub mod outbound;
pub mod pilot;
pub mod releases;
pub mod reload;
pub mod resolve;
pub mod serve;
pub mod snapshot;
pub mod state;
pub mod tls;
