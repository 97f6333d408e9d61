//! The worker threads: started on bound sockets, drained on request.
//!
//! A worker is a thread with a runtime of its own; it shares the snapshot (read), its counters (its own shard) and the
//! health of endpoints with the others, and nothing else. These are plain functions: who decides when to start and to
//! drain runs around them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::admission::Admission;
use super::listen::Listeners;
use super::mirror::Mirrored;
use super::reject::Rejections;
use super::worker::{self, Seat};
use crate::access::AccessLog;
use crate::clock::Clock;
use crate::exemplars::Exemplars;
use crate::nginx::Registry;
use crate::snapshot::Snapshot;
use crate::tls::Terminators;

/// What all workers need.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// The snapshot to route by, exchanged by whoever decides.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// The process's clock.
    pub clock: Clock,
    /// Limits towards clients.
    pub limits: Limits,
    /// Where refused requests are counted.
    pub rejections: Arc<Rejections>,
    /// Where copies of requests are counted.
    pub mirrored: Arc<Mirrored>,
    /// Where ingress-nginx's series are counted, if a configuration asks for them.
    pub series: Arc<Registry>,
    /// Where traces of failed and slow attempts are kept.
    pub exemplars: Arc<Exemplars>,
    /// The access log, if there is one.
    pub access: Option<AccessLog>,
    /// What TLS listeners present.
    pub terminators: Terminators,
    /// Who is let in while there are many.
    pub admission: Arc<Admission>,
}

/// Limits towards clients. The defaults are those of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a head to its last, and from connecting to the first head's last.
    pub header_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// Without a byte of a body, in either direction.
    pub body_idle_timeout: Duration,
    /// How long a client may keep us waiting at less than `slowest`.
    pub pace_period: Duration,
    /// Bytes a second that a client has to send or to take, on average.
    pub slowest: u64,
    /// Bytes of a request's target.
    pub target: usize,
    /// Bytes of a request's head.
    pub head: usize,
}

/// Running workers. Dropping them stops everything at once.
#[derive(Debug)]
pub struct Workers {
    stage: watch::Sender<Stage>,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

/// What the workers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Accept and serve.
    Serving,
    /// Accept no more, finish what is in flight until then.
    Draining(Instant),
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(30),
            pace_period: Duration::from_secs(30),
            slowest: 100,
            target: 8_000,
            head: 32 * 1024,
        }
    }
}

impl Limits {
    /// How often quiet connections are looked for: once a second, or more often for limits of a few seconds.
    pub(super) fn sweep_period(&self) -> Duration {
        let shortest = self.header_timeout.min(self.idle_timeout).min(self.body_idle_timeout).min(self.pace_period);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

// === impl Workers ===

impl Workers {
    /// Starts as many workers as there are sockets for each address. Returns when all of them accept.
    pub fn start(listeners: Listeners, config: &WorkersConfig) -> io::Result<Self> {
        let addresses = listeners.addresses();
        let (stage, watched) = watch::channel(Stage::Serving);
        let (ready, started) = mpsc::channel();
        let seats = Seat::allot(listeners, config, &watched);
        let mut threads = Vec::with_capacity(seats.len());
        for seat in seats {
            let ready = ready.clone();
            let name = format!("sluice-worker-{}", seat.index);
            threads.push(std::thread::Builder::new().name(name).spawn(move || worker::run(seat, &ready))?);
        }
        // Workers keep their end of the channel; one word from each is what is waited for.
        drop(ready);
        started.iter().take(threads.len()).collect::<io::Result<()>>()?;
        Ok(Self { stage, threads, addresses })
    }

    /// The addresses served, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, answers with `Connection: close`, and lets requests in flight finish for `within` at most.
    /// Returns at once; [`Workers::join`] waits.
    pub fn drain(&self, within: Duration) {
        // Nobody listens any more only if all workers have ended, which is what is wanted.
        let _ = self.stage.send(Stage::Draining(Instant::now() + within));
    }

    /// Waits until all workers have ended, blocking the thread: after [`Workers::drain`], at its deadline at the latest.
    pub fn join(self) {
        let Self { stage, threads, .. } = self;
        for thread in threads {
            // A worker that panicked has ended as well; the panic was reported where it happened.
            let _ = thread.join();
        }
        drop(stage);
    }
}
