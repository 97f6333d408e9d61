//! What a TLS listener needs for a handshake, as one pointer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::pair::{Pair, PairError};
use super::shelf::Shelf;
use super::watch::{CertificateWatcher, Watched};
use crate::config::{Listener, TlsSettings, TlsVersion};
use crate::outbound::CaError;

/// What may be spoken inside, the best first.
pub const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What one listener presents at this moment.
#[derive(Debug)]
pub struct Terminator {
    /// Where it listens, as configured.
    pub(super) address: SocketAddr,
    pub(super) config: ArcSwap<ServerConfig>,
    pub(super) expiries: ArcSwap<Vec<Expiry>>,
}

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The listener, as configured.
    pub listener: SocketAddr,
    /// The certificate's file.
    pub name: String,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// Those of all listeners, by the listeners' order.
#[derive(Clone, Debug, Default)]
pub struct Terminators {
    listeners: Arc<[Option<Arc<Terminator>>]>,
    pub(super) counts: Arc<Counts>,
}

/// How reloads ended.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Why a side can't speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A pair is none.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The authorities for the other side are none.
    #[error("{}: {}", .0.display(), .1)]
    ClientCa(PathBuf, CaError),
    /// Something of rustls.
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

// === impl Terminators ===

impl Terminators {
    /// Reads all certificates.
    ///
    /// # Errors
    /// Any of them can't be used.
    pub fn open(listeners: &[Listener]) -> Result<(Self, CertificateWatcher), OpenError> {
        let counts = Arc::<Counts>::default();
        let mut watched = Vec::new();
        let mut terminators = Vec::new();
        for listener in listeners {
            let opened = listener.tls.as_ref().map(|settings| Watched::open(listener.address, settings)).transpose()?;
            terminators.push(opened.as_ref().map(Watched::terminator));
            watched.extend(opened);
        }
        let watcher = CertificateWatcher::new(watched, Arc::clone(&counts));
        Ok((Self { listeners: terminators.into(), counts }, watcher))
    }

    /// That of the `index`-th listener, if it speaks TLS.
    pub(crate) fn of(&self, index: usize) -> Option<Arc<Terminator>> {
        self.listeners.get(index).cloned().flatten()
    }

    /// When the certificates in use end.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.listeners.iter().flatten().flat_map(|terminator| terminator.expiries.load().to_vec()).collect()
    }

    /// Whether any listener speaks TLS.
    pub fn is_empty(&self) -> bool {
        self.listeners.iter().flatten().next().is_none()
    }

    /// Reloads that were accepted and refused.
    pub fn reloads(&self) -> [(&'static str, u64); 2] {
        [("accepted", self.counts.accepted.load(Relaxed)), ("refused", self.counts.refused.load(Relaxed))]
    }
}

impl Terminator {
    /// What the next handshake goes by.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

/// Everything anew, the keys of session tickets too: a session from before a change is not resumed after it.
pub(super) fn mk_config<'a>(
    settings: &TlsSettings,
    pairs: impl Iterator<Item = &'a Pair>,
    client_roots: Option<&Arc<RootCertStore>>,
) -> Result<Arc<ServerConfig>, OpenError> {
    let setup = |error: &dyn std::fmt::Display| OpenError::Setup(error.to_string());
    let provider = Arc::new(ring::default_provider());
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| setup(&error))?;
    let builder = match client_roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
            let is_required = settings.client_auth.as_ref().is_some_and(|auth| auth.is_required);
            let verifier = if is_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| setup(&error))?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Shelf::new(pairs)));
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    // Tickets need no memory here and no lock between workers.
    config.ticketer = ring::Ticketer::new().map_err(|error| setup(&error))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
