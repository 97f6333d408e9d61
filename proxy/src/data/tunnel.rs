//! What follows a 101: bytes in both directions, until both sides have had enough.
//!
//! It knows nothing of what is spoken inside. Either side may end its half while the other goes on. No limit of time holds,
//! since such a connection may be quiet for as long as its two ends like; a worker that drains waits for it as long as for
//! any other. For the judge it is over after a second: what fails within that is the upstream's failure, what comes later
//! is the session's own business.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};

use super::connection::Client;
use super::flight::Flight;
use super::upstream::Upstream;
use crate::counters::FailureKind;

/// After this long a session has proved itself.
const PROVED_AFTER: Duration = Duration::from_secs(1);

/// An upstream that has granted an upgrade.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) upstream: Box<Upstream>,
    /// None for what is not counted.
    pub(super) flight: Option<Flight>,
}

/// A stream that remembers whether it broke.
struct Watched<'a, S> {
    stream: S,
    is_broken: &'a Cell<bool>,
}

// === impl Tunnel ===

impl Tunnel {
    /// Passes bytes until both sides have ended.
    pub(super) async fn run<S>(self, client: &Rc<Client>, mut downstream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { upstream, mut flight } = self;
        let is_broken = Cell::new(false);
        if let Some((stream, early, _open)) = upstream.into_stream().await {
            let mut upstream = Watched { stream, is_broken: &is_broken };
            // An error is known to the watch if it is of interest.
            let passing = async {
                downstream.write_all(&early).await?;
                copy_bidirectional(&mut downstream, &mut upstream).await
            };
            let mut passing = std::pin::pin!(passing);
            let ended = tokio::time::timeout(PROVED_AFTER, passing.as_mut()).await.is_ok();
            settle(client, flight.take(), ended && is_broken.get());
            if !ended {
                let _ = passing.await;
            }
        } else {
            settle(client, flight.take(), true);
        }
        client.report.answered(client, client.now_us());
    }
}

fn settle(client: &Client, flight: Option<Flight>, has_failed: bool) {
    let Some(mut flight) = flight else { return };
    let now_us = client.now_us();
    if has_failed {
        flight.failed(FailureKind::Reset, now_us);
    } else {
        flight.answered(now_us);
    }
}

// === impl Watched ===

impl<S> Watched<'_, S> {
    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(polled, Poll::Ready(Err(_))) {
            self.is_broken.set(true);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.note(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
