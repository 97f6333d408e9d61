//! A certificate with its key, as two PEM files have them.
//!
//! Reading is judging: what comes out can be presented. The names it is for are those in the certificate itself, so that
//! no list of names has to be kept beside it. It refuses a key that does not belong to the certificate.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as TlsError, InconsistentKeys};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Larger than any chain of certificates.
const MAX_BYTES: u64 = 256 * 1024;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate whose key is at hand.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The DNS names that it is for, in lower case.
    pub names: Vec<String>,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
    /// Tells contents apart.
    pub(super) digest: [u8; 32],
}

/// Why two files are no pair. Nothing of a key is ever said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The certificate can't be read.
    #[error("{}: can't be read: {}", .0.display(), .1)]
    CertificateUnreadable(PathBuf, String),
    /// It is none.
    #[error("{}: holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// The key can't be read.
    #[error("{}: can't be read: {}", .0.display(), .1)]
    KeyUnreadable(PathBuf, String),
    /// It is none.
    #[error("{}: holds no private key in PEM form that can be used", .0.display())]
    NoKey(PathBuf),
    /// They are not each other's.
    #[error("{}: is not the key of {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The one file.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
    },
}

// === impl CertificateFiles ===

impl CertificateFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// They are no pair.
    pub fn read(&self) -> Result<Pair, PairError> {
        let (certificate, key) = (&self.certificate, &self.key);
        let chain = read(certificate)
            .map_err(|error| PairError::CertificateUnreadable(certificate.clone(), error.to_string()))?;
        let secret = read(key).map_err(|error| PairError::KeyUnreadable(key.clone(), error.to_string()))?;
        let no_certificate = || PairError::NoCertificate(certificate.clone());
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
        let first = certificates.first().ok_or_else(no_certificate)?;
        let (names, not_after) = look_into(first).ok_or_else(no_certificate)?;
        let no_key = || PairError::NoKey(key.clone());
        let private = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| no_key())?;
        let certified = CertifiedKey::from_der(certificates, private, &default_provider());
        let certified = certified.map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                PairError::Mismatch { certificate: certificate.clone(), key: key.clone() }
            }
            _ => no_key(),
        })?;
        Ok(Pair { key: Arc::new(certified), names, not_after, digest: digest(&[&chain, &secret]) })
    }
}

// === impl Pair ===

impl Pair {
    /// How long it is still valid; none if it is over.
    pub fn remaining(&self) -> Option<Duration> {
        let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(self.not_after).ok()?))?;
        end.duration_since(SystemTime::now()).ok()
    }
}

// === impl PairError ===

impl PairError {
    /// Whether it is the key that is at fault.
    pub fn is_about_key(&self) -> bool {
        matches!(self, Self::KeyUnreadable(..) | Self::NoKey(_) | Self::Mismatch { .. })
    }
}

/// The names and the end of a certificate.
fn look_into(der: &CertificateDer<'_>) -> Option<(Vec<String>, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let alternatives = certificate.subject_alternative_name().ok()?;
    let alternatives = alternatives.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    let names = alternatives.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Some((names.collect(), certificate.validity().not_after.timestamp()))
}

/// A device or a pipe might never end.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(content)
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
