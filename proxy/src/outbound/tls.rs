//! TLS towards receivers: rustls, the machine's roots and, where one is configured, a private authority beside them.
//! There is no way to leave the verification out.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{OutboundError, Url};

/// Larger than any list of authorities.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// Whom to believe besides the machine's roots.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Nobody.
    #[default]
    System,
    /// A private authority too.
    Also(PrivateRoots),
}

/// Certificates of a private authority, at least one.
#[derive(Clone, Debug)]
pub struct PrivateRoots(Arc<ClientConfig>);

/// Why a file holds no authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(String),
    /// It holds no usable certificate.
    #[error("holds no certificate in PEM form that can be trusted")]
    NoCertificate,
}

/// Read at the first use, off the start of the process, and kept.
pub(crate) static SYSTEM: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| mk_config(system_roots()));

// === impl Trust ===

impl Trust {
    /// The machine's roots, and the authorities in a PEM file.
    ///
    /// # Errors
    /// The file can't be read, or holds none.
    pub fn also(ca_file: &Path) -> Result<Self, CaError> {
        let mut roots = system_roots();
        add_authorities(&mut roots, ca_file)?;
        Ok(Self::Also(PrivateRoots(mk_config(roots))))
    }

    fn config(&self) -> Arc<ClientConfig> {
        match self {
            Self::System => Arc::clone(&SYSTEM),
            Self::Also(PrivateRoots(config)) => Arc::clone(config),
        }
    }
}

/// Adds the certificates of a PEM file, which must hold at least one and nothing else.
pub(crate) fn add_authorities(roots: &mut RootCertStore, file: &Path) -> Result<(), CaError> {
    let unreadable = |error: io::Error| CaError::Unreadable(error.to_string());
    let about = std::fs::metadata(file).map_err(unreadable)?;
    // Reading a device or a pipe might never end.
    if !about.is_file() || about.len() > MAX_CA_BYTES {
        return Err(CaError::NoCertificate);
    }
    let pem = std::fs::read(file).map_err(unreadable)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let (added, refused) = roots.add_parsable_certificates(certificates.map_err(|_| CaError::NoCertificate)?);
    if added == 0 || refused > 0 { Err(CaError::NoCertificate) } else { Ok(()) }
}

/// A machine without roots trusts nobody: then each connection fails and says so.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn mk_config(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions of TLS");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Verifies the receiver by the host that was configured.
pub(super) async fn wrap(stream: TcpStream, url: &Url, trust: &Trust) -> Result<TlsStream<TcpStream>, OutboundError> {
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|error| OutboundError::Tls(io::Error::other(error.to_string())))?;
    TlsConnector::from(trust.config()).connect(name, stream).await.map_err(OutboundError::Tls)
}
