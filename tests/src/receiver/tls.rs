//! A private authority and a certificate of it, made for one test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority with one certificate.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The authority's own certificate, for a `caFile`.
    pub pem: String,
    server: Arc<ServerConfig>,
}

// === impl Authority ===

impl Authority {
    /// An authority that vouches for `name` (a host name or an IP address).
    ///
    /// # Panics
    /// If `name` is neither.
    pub fn for_name(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![name.to_owned()]).expect("a name").signed_by(&key, &authority);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of the provider")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.expect("a certificate").der().clone()], key)
            .expect("key and certificate fit");
        Self { pem: authority.pem(), server: Arc::new(server) }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}
