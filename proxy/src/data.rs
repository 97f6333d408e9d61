//! The data plane: how a request gets from a socket to an arm, and its answer back.
//!
//! A worker is a thread with its own runtime, sockets, connection pools and counters. The way of a request: `accept` and
//! `connection` (one task for a client's connection), `handle` (check, route, choose, forward), `attempt` (an endpoint,
//! a connection, the head of the answer), `answer` (the body, and the end of the account). `choose` and `record` are
//! plain functions that can be measured without a socket. `filters` is what a route does besides: between the lookup and
//! the choice in `handle`, and between the answer and the client.
//!
//! What holds throughout: one snapshot load and two clock reads per request, no lock, no allocation and no formatting
//! of our own between the load and the sending; an upstream connection is polled by the task of the request that uses
//! it; every failure becomes an answer in `error`.

mod accept;
mod admission;
mod answer;
mod attempt;
pub mod budget;
pub mod choose;
pub mod client_address;
mod compressed;
mod connection;
mod deadlines;
mod entrance;
mod error;
mod filters;
mod flight;
mod gate;
mod grpc;
pub mod guard;
mod handle;
mod head;
mod headers;
pub mod host;
mod http2;
mod ids;
mod lines;
mod listen;
mod local;
mod mirror;
mod pool;
pub mod random;
pub mod record;
mod redirect;
mod refusal;
pub mod rehearsal;
mod reject;
mod report;
mod shield;
mod stop;
mod stream;
pub mod target;
mod trace;
mod tunnel;
mod upgrade;
mod upload;
mod upstream;
mod worker;
mod workers;

#[cfg(test)]
mod tests;

pub use self::admission::Admission;
pub use self::listen::{BindError, Listeners, Port};
pub use self::mirror::Mirrored;
pub use self::reject::{Rejection, Rejections};
pub use self::workers::{Limits, Workers, WorkersConfig};
