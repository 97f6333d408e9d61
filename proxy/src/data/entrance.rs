//! From an accepted socket to a client: whose address it is, and what is spoken inside TLS.
//!
//! It happens on the connection's own task, under one deadline, before there is anything that could be answered. Whoever
//! fails is closed and counted.

mod proxy_header;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::spoken;
use super::admission::Share;
use super::connection::{Client, Protocol, Scheme, connection};
use super::reject::Rejection;
use super::worker::Worker;
use crate::config::Listener;
use crate::snapshot::is_trusted;
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
    proxy_senders: Vec<IpNet>,
    terminator: Option<Arc<Terminator>>,
}

/// Why a connection has no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Without a byte.
    Silently,
    /// We closed it.
    Refused(Rejection),
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
            proxy_senders: listener.proxy_protocol.clone(),
            terminator,
        }
    }

    /// Whether the first bytes of a connection from `peer` are a request.
    pub(super) fn is_open_to(&self, peer: IpAddr) -> bool {
        self.terminator.is_none() && !self.is_told_by(peer)
    }

    /// Whether `peer` has to say who its client is.
    fn is_told_by(&self, peer: IpAddr) -> bool {
        is_trusted(&self.proxy_senders, peer)
    }

    /// The client of `peer`, as its PROXY header says.
    async fn hear(&self, stream: &mut TcpStream, peer: IpAddr) -> Result<IpAddr, Left> {
        first_byte(stream).await?;
        let told = proxy_header::read(stream).await.map_err(|_| Left::Refused(Rejection::ProxyHeader))?;
        Ok(told.unwrap_or(peer))
    }

    async fn shake_hands(&self, terminator: &Terminator, stream: TcpStream) -> Result<TlsStream<TcpStream>, Left> {
        first_byte(&stream).await?;
        TlsAcceptor::from(terminator.config()).accept(stream).await.map_err(|error| {
            tracing::debug!(%error, "a TLS handshake failed");
            Left::Refused(Rejection::Handshake)
        })
    }
}

/// Serves a connection that has something before its first request.
pub(super) async fn enter(stream: TcpStream, peer: IpAddr, worker: Rc<Worker>, entrance: Rc<Entrance>) {
    if let Err(Left::Refused(reason)) = try_enter(stream, peer, &worker, entrance).await {
        worker.rejections.count(reason);
    }
}

async fn try_enter(
    mut stream: TcpStream,
    mut peer: IpAddr,
    worker: &Rc<Worker>,
    entrance: Rc<Entrance>,
) -> Result<(), Left> {
    let deadline = Instant::now() + entrance.setup_timeout;
    let late = |reason| move |_: Elapsed| Left::Refused(reason);
    if entrance.is_told_by(peer) {
        let heard = timeout_at(deadline, entrance.hear(&mut stream, peer)).await;
        peer = heard.map_err(late(Rejection::ProxyHeader))??;
    }
    let Some(_share) = share(worker, peer) else { return Ok(()) };
    let Some(terminator) = &entrance.terminator else {
        let client = Rc::new(Client::new(Rc::clone(worker), entrance, peer, Scheme::Http));
        if let Some(protocol) = spoken(&stream, &client).await {
            connection(stream, client, protocol).await;
        }
        return Ok(());
    };
    let shaken = timeout_at(deadline, entrance.shake_hands(terminator, stream)).await;
    let stream = shaken.map_err(late(Rejection::Handshake))??;
    let protocol = Protocol::negotiated(stream.get_ref().1.alpn_protocol());
    let client = Rc::new(Client::new(Rc::clone(worker), Rc::clone(&entrance), peer, Scheme::Https));
    connection(stream, client, protocol).await;
    Ok(())
}

/// Whoever leaves before saying anything only looked whether somebody listens, as balancers do all day.
async fn first_byte(stream: &TcpStream) -> Result<(), Left> {
    match stream.peek(&mut [0]).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Left::Silently),
    }
}

/// A client's share of all connections, for as long as it is held; none is left, otherwise. Who speaks for many clients
/// has no share of its own.
pub(super) fn share(worker: &Worker, client: IpAddr) -> Option<Share> {
    let is_proxy = || is_trusted(&worker.local().snapshot.trusted_proxies, client);
    let share = worker.admission.share(client, is_proxy);
    share.map_err(|reason| worker.rejections.count(reason)).ok()
}
