//! The users: a steady stream of requests, nine reads to one write.
//!
//! Many clients, each with its own rhythm and its own kept connection, so that a few slow answers don't slow the rest.
//! A failed request is not repeated: the demo counts what users see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

const CLIENTS: u32 = 200;

/// How many requests there are to one write.
const READS_PER_WRITE: u64 = 10;

/// The stream; it ends when dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    tally: Arc<Tally>,
    _clients: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Tally {
    reads: AtomicU64,
    failed_reads: AtomicU64,
    writes: AtomicU64,
    failed_writes: AtomicU64,
}

/// What users have seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) reads: u64,
    pub(super) failed_reads: u64,
    pub(super) writes: u64,
    pub(super) failed_writes: u64,
}

// === impl Traffic ===

impl Traffic {
    /// Starts `rate` requests a second to `proxy`.
    pub(super) fn start(proxy: SocketAddr, rate: u32) -> Self {
        let tally = Arc::new(Tally::default());
        let period = Duration::from_secs(1) * CLIENTS / rate;
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let first = Instant::now() + period * n / CLIENTS;
            clients.spawn(client(proxy, first, period, u64::from(n), Arc::clone(&tally)));
        }
        Self { tally, _clients: clients }
    }

    /// What users have seen so far.
    pub(super) fn seen(&self) -> Seen {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { reads, failed_reads, writes, failed_writes } = &*self.tally;
        Seen {
            reads: load(reads),
            failed_reads: load(failed_reads),
            writes: load(writes),
            failed_writes: load(failed_writes),
        }
    }
}

impl Seen {
    /// What was seen since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            failed_reads: self.failed_reads - before.failed_reads,
            writes: self.writes - before.writes,
            failed_writes: self.failed_writes - before.failed_writes,
        }
    }
}

async fn client(proxy: SocketAddr, first: Instant, period: Duration, mut n: u64, tally: Arc<Tally>) {
    let mut beat = tokio::time::interval_at(first, period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut kept = None;
    loop {
        beat.tick().await;
        n += 1;
        let is_write = n.is_multiple_of(READS_PER_WRITE);
        let outcome = exchange(proxy, &mut kept, is_write).await;
        // Before the proxy listens there is nobody to fail.
        let Some(succeeded) = outcome else { continue };
        let (all, failed) =
            if is_write { (&tally.writes, &tally.failed_writes) } else { (&tally.reads, &tally.failed_reads) };
        all.fetch_add(1, Ordering::Relaxed);
        failed.fetch_add(u64::from(!succeeded), Ordering::Relaxed);
    }
}

/// One request; whether it succeeded, or `None` without a connection.
async fn exchange(proxy: SocketAddr, kept: &mut Option<SendRequest<Full<Bytes>>>, is_write: bool) -> Option<bool> {
    let mut sender = match kept.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(proxy).await.ok()?,
    };
    let answered = async {
        sender.ready().await?;
        let response = sender.send_request(request(is_write)?).await?;
        let status = response.status();
        response.into_body().collect().await?;
        anyhow::Ok(status)
    };
    let status = answered.await;
    if status.is_ok() {
        *kept = Some(sender);
    }
    Some(status.is_ok_and(|status| !status.is_server_error()))
}

fn request(is_write: bool) -> anyhow::Result<Request<Full<Bytes>>> {
    let (method, body) = if is_write { (Method::POST, "one of these, please\n") } else { (Method::GET, "") };
    let request = Request::builder().method(method).uri("/").header("host", "shop.example");
    Ok(request.body(Full::new(Bytes::from_static(body.as_bytes())))?)
}

async fn connect(proxy: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(proxy).await.context("connect to the proxy")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Owned by nobody: it ends when its sender does.
    tokio::spawn(connection);
    Ok(sender)
}
