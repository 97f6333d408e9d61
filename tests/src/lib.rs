//! A whole proxy between scripted backends and a paced load: real sockets, real processes, nothing mocked.
//!
//! A test builds [`Backend`]s, a [`Config`] and a [`Sluice`] (one process of its own, so tests run side by side), sends
//! [`Request`]s by hand or a [`Load`], and waits for what it wants to see with [`eventually`]. Time is never slept away
//! and never asserted: every wait is for a condition, with a deadline.
//!
//! The binaries under test are built once per run (see [`binaries`]). Everything listens on and connects to 127.0.0.1.

pub mod backend;
pub mod binaries;
pub mod config;
pub mod gate;
pub mod hostile;
pub mod load;
pub mod metrics;
pub mod ports;
pub mod prometheus;
pub mod receiver;
pub mod sluice;
pub mod tls;
pub mod wait;
pub mod wire;

pub use self::backend::{Answer, Backend};
pub use self::config::Config;
pub use self::gate::GateReceiver;
pub use self::load::{Load, Report};
pub use self::metrics::Metrics;
pub use self::receiver::{Authority, Receiver};
pub use self::sluice::Sluice;
pub use self::tls::{Issuer, Leaf, TlsClient, TlsFront};
pub use self::wait::{eventually, within};
pub use self::wire::{Request, Response, Wire};
