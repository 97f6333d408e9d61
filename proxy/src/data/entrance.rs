//! From an accepted socket to a client: whose address it is, and what is spoken inside TLS.
//!
//! It happens on the connection's own task, under one deadline, before there is anything that could be answered. Whoever
//! fails is closed and counted.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Client, Protocol, Scheme, connection};
use super::reject::Rejection;
use super::worker::Worker;
use crate::config::Listener;
use crate::tls::Terminator;

/// What all connections of one listener share, one for each worker.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Connections at a time, over all workers.
    pub(super) max_connections: usize,
    /// Requests are sent on to https.
    pub(super) redirects: bool,
    /// `Strict-Transport-Security` of answers; a copy for each worker, since clones count on one word.
    pub(super) hsts: Option<HeaderValue>,
    setup_timeout: Duration,
    terminator: Option<Arc<Terminator>>,
}

// === impl Entrance ===

impl Entrance {
    pub(super) fn new(listener: &Listener, terminator: Option<Arc<Terminator>>) -> Self {
        let hsts = listener.tls.as_ref().and_then(|tls| tls.hsts.as_ref());
        Self {
            max_connections: listener.max_connections,
            redirects: listener.redirect_to_https,
            hsts: hsts.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()),
            setup_timeout: listener.setup_timeout.into(),
            terminator,
        }
    }

    /// Whether the first bytes of a connection are a request.
    pub(super) fn is_open(&self) -> bool {
        self.terminator.is_none()
    }

    async fn shake_hands(&self, terminator: &Terminator, stream: TcpStream) -> Result<TlsStream<TcpStream>, Rejection> {
        TlsAcceptor::from(terminator.config()).accept(stream).await.map_err(|error| {
            tracing::debug!(%error, "a TLS handshake failed");
            Rejection::Handshake
        })
    }
}

/// Serves a connection that has something before its first request.
pub(super) async fn enter(stream: TcpStream, peer: IpAddr, worker: Rc<Worker>, entrance: Rc<Entrance>) {
    let deadline = tokio::time::Instant::now() + entrance.setup_timeout;
    let Some(terminator) = &entrance.terminator else { return };
    let shaken = tokio::time::timeout_at(deadline, entrance.shake_hands(terminator, stream)).await;
    match shaken.unwrap_or(Err(Rejection::Handshake)) {
        Ok(stream) => {
            let protocol = Protocol::negotiated(stream.get_ref().1.alpn_protocol());
            let client = Rc::new(Client::new(worker, Rc::clone(&entrance), peer, Scheme::Https));
            connection(stream, client, protocol).await;
        }
        Err(reason) => worker.rejections.count(reason),
    }
}
