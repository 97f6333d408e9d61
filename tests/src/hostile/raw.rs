//! An upstream that answers with given bytes, whatever it is asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What follows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request is awaited.
    Keep,
    /// The end.
    Close,
    /// A reset.
    Reset,
    /// Nothing, for ever.
    Hang,
}

/// How every request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The bytes.
    pub answer: Vec<u8>,
    /// Between two of them; none if zero.
    pub pause: Duration,
    /// What follows.
    pub after: After,
}

/// A running upstream; it ends when dropped.
#[derive(Debug)]
pub struct RawUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    reuses: AtomicUsize,
}

// === impl Script ===

impl Script {
    /// An answer without a fault.
    pub fn good() -> Self {
        Self::of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ngood\n", After::Keep)
    }

    /// These bytes at once.
    pub fn of(answer: impl Into<Vec<u8>>, after: After) -> Self {
        Self { answer: answer.into(), pause: Duration::ZERO, after }
    }
}

// === impl RawUpstream ===

impl RawUpstream {
    /// An upstream that gives good answers.
    ///
    /// # Panics
    /// If it can't listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared {
            script: Mutex::new(Script::good()),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            reuses: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers like this from now on.
    ///
    /// # Panics
    /// If another change panicked.
    pub fn script(&self, script: Script) {
        *self.shared.script.lock().expect("nobody panics here") = script;
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Relaxed)
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Relaxed)
    }

    /// Requests that came over a connection that had carried a broken answer before.
    pub fn reuses(&self) -> usize {
        self.shared.reuses.load(Relaxed)
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Relaxed);
        tasks.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// Answers every head; bodies are read as far as they come with it.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut received = Vec::new();
    let mut is_spoiled = false;
    loop {
        while !received.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
        received.clear();
        shared.requests.fetch_add(1, Relaxed);
        shared.reuses.fetch_add(usize::from(is_spoiled), Relaxed);
        let script = shared.script.lock().expect("nobody panics here").clone();
        is_spoiled |= script != Script::good();
        let size = if script.pause.is_zero() { script.answer.len().max(1) } else { 1 };
        for piece in script.answer.chunks(size) {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            if !script.pause.is_zero() {
                tokio::time::sleep(script.pause).await;
            }
        }
        match script.after {
            After::Keep => {}
            After::Close => return,
            After::Reset => {
                stream.set_zero_linger().ok();
                return;
            }
            After::Hang => std::future::pending().await,
        }
    }
}
