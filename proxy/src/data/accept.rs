//! Accepting connections: up to the limit, and without spinning when the system has none to give.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::connection::{Client, Protocol, Scheme, connection};
use super::entrance::{self, Entrance, enter};
use super::http2::is_http2;
use super::reject::Rejection;
use super::worker::Worker;
use super::workers::Stage;

/// Pause after an error that a moment may heal: no file descriptors, no memory.
const PAUSE: Duration = Duration::from_millis(50);

/// One worker's socket of one port.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) socket: TcpListener,
    pub(super) entrance: Rc<Entrance>,
    /// Connections over all workers.
    pub(super) count: Arc<AtomicUsize>,
    pub(super) stage: watch::Receiver<Stage>,
}

/// A connection's place among those allowed; given back when dropped.
struct Place {
    worker: Rc<Worker>,
    count: Arc<AtomicUsize>,
}

/// Accepts until the stage changes. Closing the socket is what makes the kernel send new connections elsewhere.
pub(super) async fn accept(mut door: Door, worker: Rc<Worker>) {
    loop {
        let accepted = tokio::select! {
            // Draining wins over a connection that comes at the same moment.
            biased;
            _ = door.stage.changed() => return,
            accepted = next(&door.socket, &door.count, door.entrance.max_connections) => accepted,
        };
        match accepted {
            Ok(stream) => {
                let place = Place::take(&worker, &door.count);
                admit(stream, &worker, &door.entrance, place);
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "accepting failed, pausing");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Waits for a place, then for a connection: what waits beyond the limit waits in the kernel.
async fn next(socket: &TcpListener, count: &AtomicUsize, limit: usize) -> io::Result<TcpStream> {
    while count.load(Relaxed) >= limit {
        tokio::time::sleep(PAUSE).await;
    }
    socket.accept().await.map(|(stream, _)| stream)
}

fn admit(stream: TcpStream, worker: &Rc<Worker>, entrance: &Rc<Entrance>, place: Place) {
    let pass = match worker.admission.admit(stream.as_raw_fd()) {
        Ok(pass) => pass,
        Err(reason) => return worker.rejections.count(reason),
    };
    // Both fail only on a socket that its peer has closed already.
    let (Ok(peer), Ok(())) = (stream.peer_addr(), stream.set_nodelay(true)) else { return };
    // A dual-stack socket shows IPv4 peers as mapped addresses; rules are written for the plain ones.
    let peer = peer.ip().to_canonical();
    let (worker, entrance) = (Rc::clone(worker), Rc::clone(entrance));
    // Nobody awaits it: its place is given back when it ends, and draining waits for all places.
    tokio::task::spawn_local(async move {
        if entrance.is_open_to(peer) {
            let Some(_share) = entrance::share(&worker, peer) else { return };
            let client = Rc::new(Client::new(worker, entrance, peer, Scheme::Http));
            let Some(protocol) = spoken(&stream, &client).await else { return };
            connection(stream, client, protocol).await;
        } else {
            Box::pin(enter(stream, peer, worker, entrance)).await;
        }
        drop((pass, place));
    });
}

/// What a client speaks on a port without TLS, from its first bytes; nothing, if they do not come before the time for a
/// head is over or the worker drains.
pub(super) async fn spoken(stream: &TcpStream, client: &Client) -> Option<Protocol> {
    let mut look = std::pin::pin!(is_http2(stream));
    std::future::poll_fn(|cx| {
        client.slot.gate.attach(cx.waker());
        if let Poll::Ready(seen) = look.as_mut().poll(cx) {
            // Whoever reads next learns of an error as well.
            return Poll::Ready(Some(if seen.is_ok_and(|seen| seen) { Protocol::Http2 } else { Protocol::Http1 }));
        }
        if client.slot.take_expired().is_some() {
            client.worker.rejections.count(Rejection::HeadTimeout);
            return Poll::Ready(None);
        }
        if client.worker.draining.get() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// Errors of the one connection that was about to be accepted, not of the socket.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
    )
}

// === impl Place ===

impl Place {
    fn take(worker: &Rc<Worker>, count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        worker.opened();
        Self { worker: Rc::clone(worker), count: Arc::clone(count) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
        self.worker.closed();
    }
}
