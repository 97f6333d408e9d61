//! A scripted HTTP/1.1 server: what it answers can be changed while it runs, and it remembers what it was asked.
//!
//! It lives as a task of the test's own runtime. Every answer names the backend in `X-Arm`. Paths with a meaning:
//! `/healthz` (the health check, not recorded), `/echo` (the request as JSON), `/drip` (first half of a body at once, the
//! rest when the [gate](Backend::open_gate) opens), `/wait` (the whole answer when the gate opens). All others get the
//! scripted answer.

mod serve;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ports;
use crate::wire::Head;

/// How the scripted part of the requests is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status and the usual body.
    Status(u16),
    /// Never.
    Hang,
    /// By a TCP reset instead of an answer.
    Reset,
    /// By closing the connection instead of an answer.
    Close,
    /// A head and half of the announced body, then a reset.
    ResetInBody,
    /// A head and half of the announced body, then an orderly close.
    Truncate,
    /// A whole answer, byte by byte with this gap.
    Slow(Duration),
}

/// What a backend does at present. Requests that `answer` does not cover get 200.
#[derive(Clone, Debug)]
pub struct Script {
    /// The answer.
    pub answer: Answer,
    /// Share of the requests that get it, spread evenly: 0.05 is every twentieth.
    pub share: f64,
    /// Time before any answer.
    pub delay: Duration,
    /// Requests after which a connection is closed without announcement.
    pub close_after: Option<u32>,
    /// The usual body.
    pub body: Vec<u8>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Request line and fields.
    pub head: Head,
    /// Body, whole.
    pub body: Vec<u8>,
}

/// What the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) script: Mutex<Script>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) turn: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) healthy: AtomicBool,
    pub(crate) health_checks: AtomicU64,
    pub(crate) gate: watch::Sender<bool>,
}

/// A running backend; it ends when dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// Requests kept for inspection; a load must not fill the memory.
pub(crate) const KEPT_REQUESTS: usize = 20_000;

// === impl Script ===

impl Default for Script {
    fn default() -> Self {
        Self {
            answer: Answer::Status(200),
            share: 0.0,
            delay: Duration::ZERO,
            close_after: None,
            body: b"hello\n".to_vec(),
        }
    }
}

// === impl Backend ===

impl Backend {
    /// A backend that calls itself `name` and answers 200 at once.
    ///
    /// # Panics
    /// If it can't listen.
    pub async fn start(name: &str) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            script: Mutex::default(),
            seen: Mutex::default(),
            turn: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            health_checks: AtomicU64::new(0),
            gate: watch::Sender::new(false),
        });
        let mut backend = Self { address: ports::free_address(), shared, accepting: None };
        backend.reopen().await;
        backend
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens (or listened).
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as an endpoint of a configuration.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Changes what it does.
    ///
    /// # Panics
    /// If another change panicked.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().expect("nobody panics here"));
    }

    /// Answers `share` of the requests like this.
    pub fn answers(&self, answer: Answer, share: f64) {
        self.script(|script| (script.answer, script.share) = (answer, share));
    }

    /// Fails this share of the requests with 500.
    pub fn fails(&self, share: f64) {
        self.answers(Answer::Status(500), share);
    }

    /// Waits this long before each answer.
    pub fn delays(&self, delay: Duration) {
        self.script(|script| script.delay = delay);
    }

    /// Good again, at once.
    pub fn recovers(&self) {
        self.script(|script| *script = Script { body: script.body.clone(), ..Script::default() });
    }

    /// What the health check gets: 200 or 503.
    pub fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Closes the port and every connection.
    pub async fn refuse(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            accepting.await.ok();
        }
    }

    /// Opens the port again.
    ///
    /// # Panics
    /// If it is in use.
    pub async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port was free a moment ago");
        self.accepting = Some(tokio::spawn(serve::accept(listener, Arc::clone(&self.shared))));
    }

    /// Lets `/drip` and `/wait` go on, now and from now on.
    pub fn open_gate(&self) {
        self.shared.gate.send_replace(true);
    }

    /// Holds `/drip` and `/wait` again.
    pub fn close_gate(&self) {
        self.shared.gate.send_replace(false);
    }

    /// Requests so far, without health checks.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Requests so far that got the scripted answer.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Health checks so far.
    pub fn health_checks(&self) -> u64 {
        self.shared.health_checks.load(Ordering::Relaxed)
    }

    /// Bytes of request bodies that arrived so far, those of unfinished requests included.
    pub fn body_bytes(&self) -> u64 {
        self.shared.body_bytes.load(Ordering::Relaxed)
    }

    /// The requests kept so far, oldest first.
    ///
    /// # Panics
    /// If a connection panicked while it wrote here.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("nobody panics here").clone()
    }

    /// The newest request.
    ///
    /// # Panics
    /// If there was none.
    pub fn last_seen(&self) -> Seen {
        self.seen().pop().unwrap_or_else(|| panic!("{} was never asked", self.name()))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}
