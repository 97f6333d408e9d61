//! TLS towards upstreams: whom to believe, and who we are.
//!
//! The certificate of an upstream is verified against the machine's roots, or against those of a file and no others, by
//! the name in the endpoint's address or by the one that is configured. Leaving that out has to be spelled out.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

use super::pair::CertificateFiles;
use super::terminator::OpenError;
use crate::outbound::{SYSTEM, add_authorities, system_roots};

/// How upstreams are spoken to.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTls {
    settings: Arc<UpstreamTlsSettings>,
    /// None: the machine's roots, nothing of our own.
    config: Option<Arc<ClientConfig>>,
    /// Of what is in the files, which the settings only name.
    digest: Option<[u8; 32]>,
}

/// `upstream.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTlsSettings {
    /// Authorities, instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// The name to find in certificates, instead of the endpoint's host.
    pub server_name: Option<ServerName<'static>>,
    /// Our own certificate, for upstreams that ask.
    pub identity: Option<CertificateFiles>,
    /// Believes everybody.
    pub skips_verification: bool,
}

/// Takes every certificate, if only its owner signs.
#[derive(Debug)]
struct Anybody(CryptoProvider);

// === impl UpstreamTls ===

impl UpstreamTls {
    /// Reads the files.
    ///
    /// # Errors
    /// They can't be used.
    pub fn try_new(settings: UpstreamTlsSettings) -> Result<Self, OpenError> {
        let needs_own = settings.ca_file.is_some() || settings.identity.is_some() || settings.skips_verification;
        if !needs_own {
            return Ok(Self { settings: Arc::new(settings), config: None, digest: None });
        }
        let provider = ring::default_provider();
        let roots = match &settings.ca_file {
            None => system_roots(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                add_authorities(&mut roots, file).map_err(|error| OpenError::ClientCa(file.clone(), error))?;
                roots
            }
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Setup(error.to_string()))?;
        let builder = if settings.skips_verification {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(roots)
        };
        let pair = settings.identity.as_ref().map(CertificateFiles::read).transpose()?;
        let config = match &pair {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&pair.key)))),
        };
        Ok(Self { settings: Arc::new(settings), config: Some(Arc::new(config)), digest: pair.map(|pair| pair.digest) })
    }

    /// Reads the machine's roots now and not with the first connection, which waits for them otherwise.
    pub fn prepare(&self) {
        if self.config.is_none() {
            LazyLock::force(&SYSTEM);
        }
    }

    /// Says so if everybody is believed.
    pub fn warn(&self) {
        if self.settings.skips_verification {
            tracing::warn!("upstream.tls.insecureSkipVerify: certificates of upstreams are not verified");
        }
    }

    /// A handshake with the upstream at `authority`, a `host:port`.
    pub(crate) async fn wrap(&self, stream: TcpStream, authority: &str) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config.as_ref().unwrap_or_else(|| &*SYSTEM);
        TlsConnector::from(Arc::clone(config)).connect(self.name_of(authority)?, stream).await
    }

    fn name_of(&self, authority: &str) -> io::Result<ServerName<'static>> {
        if let Some(name) = &self.settings.server_name {
            return Ok(name.clone());
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(ServerName::from(address)),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(io::Error::other),
        }
    }
}

/// Made by the same settings from the same files; those of an authority are not compared.
impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.digest == other.digest
    }
}

impl Eq for UpstreamTls {}

// === impl Anybody ===

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_endpoints_unless_another_is_configured() {
        let named = |settings: UpstreamTlsSettings, authority: &str| {
            UpstreamTls::try_new(settings).unwrap().name_of(authority).unwrap().to_str().into_owned()
        };
        let plain = UpstreamTlsSettings::default;
        assert_eq!(named(plain(), "shop.internal:443"), "shop.internal");
        assert_eq!(named(plain(), "127.0.0.1:443"), "127.0.0.1");
        assert_eq!(named(plain(), "[::1]:443"), "::1");
        let server_name = Some(ServerName::try_from("shop.internal").unwrap());
        assert_eq!(named(UpstreamTlsSettings { server_name, ..plain() }, "127.0.0.1:443"), "shop.internal");
    }
}
