//! Authorities, certificates and TLS clients, made for one test.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::backend::Backend;
use crate::wire::Wire;

/// An authority.
#[derive(Debug)]
pub struct Issuer {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
}

/// A client that trusts one authority.
#[derive(Clone, Debug)]
pub struct TlsClient {
    roots: Arc<RootCertStore>,
    versions: Vec<&'static SupportedProtocolVersion>,
    identity: Option<Leaf>,
    trusts_anybody: bool,
    /// Kept over connections, so that sessions can be resumed.
    memory: Option<Arc<ClientConfig>>,
}

/// A server that ends TLS and passes everything on to a backend; it ends when dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// Believes every certificate, to look at it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

// === impl Issuer ===

impl Issuer {
    /// A new authority of this name.
    ///
    /// # Panics
    /// If no certificate can be made.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = distinguished(name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        Self { issuer, name: name.to_owned() }
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names, for servers and clients.
    ///
    /// # Panics
    /// If a name is none.
    pub fn issue(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = distinguished(&format!("leaf of {}", self.name));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn distinguished(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

// === impl Leaf ===

impl Leaf {
    /// DER.
    ///
    /// # Panics
    /// If it is no certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }
}

// === impl TlsClient ===

impl TlsClient {
    /// Both versions, no certificate of its own.
    ///
    /// # Panics
    /// If the authority is none.
    pub fn trusting(issuer: &Issuer) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(issuer.issuer.der().clone()).expect("an authority");
        Self {
            roots: Arc::new(roots),
            versions: vec![&TLS13, &TLS12],
            identity: None,
            trusts_anybody: false,
            memory: None,
        }
    }

    /// Only TLS 1.2.
    #[must_use]
    pub fn only_1_2(self) -> Self {
        Self { versions: vec![&TLS12], ..self }
    }

    /// Only TLS 1.3.
    #[must_use]
    pub fn only_1_3(self) -> Self {
        Self { versions: vec![&TLS13], ..self }
    }

    /// Shows this certificate when it is asked for one.
    #[must_use]
    pub fn showing(self, leaf: &Leaf) -> Self {
        Self { identity: Some(leaf.clone()), ..self }
    }

    /// Takes every certificate, to see which it is.
    #[must_use]
    pub fn trusting_anybody(self) -> Self {
        Self { trusts_anybody: true, memory: None, ..self }
    }

    /// Resumes sessions.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { memory: Some(Arc::new(self.config())), ..self }
    }

    /// A handshake over `stream` that asks for `name`.
    ///
    /// # Errors
    /// Either side refuses.
    ///
    /// # Panics
    /// If `name` is none.
    pub async fn wrap(&self, stream: TcpStream, name: &str) -> io::Result<Wire<TlsStream<TcpStream>>> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let config = self.memory.as_ref().map_or_else(|| Arc::new(self.config()), Arc::clone);
        let connector = TlsConnector::from(config);
        Ok(Wire::over(connector.connect(name, stream).await?))
    }

    /// A connection that asks for `name`.
    ///
    /// # Errors
    /// Nobody listens, or either side refuses.
    pub async fn connect(&self, address: SocketAddr, name: &str) -> io::Result<Wire<TlsStream<TcpStream>>> {
        self.wrap(TcpStream::connect(address).await?, name).await
    }

    fn config(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("versions of the provider")
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![leaf.der()], key).expect("key and certificate fit")
            }
        };
        if self.trusts_anybody {
            config.dangerous().set_certificate_verifier(Arc::new(Anybody(Arc::new(ring::default_provider()))));
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

// === impl TlsFront ===

impl TlsFront {
    /// One before `backend` that shows `leaf`, and lets only clients of `clients` in, if that is given.
    ///
    /// # Panics
    /// If it can't listen.
    pub async fn start(leaf: &Leaf, clients: Option<&Issuer>, backend: &Backend) -> Self {
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions of the provider");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.issuer.der().clone()).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("an authority"))
            }
        };
        let config = builder.with_single_cert(vec![leaf.der()], key).expect("key and certificate fit");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let accepting = tokio::spawn(pass_on(listener, TlsAcceptor::from(Arc::new(config)), backend.address()));
        Self { address, accepting }
    }

    /// As an endpoint of a configuration.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn pass_on(listener: TcpListener, acceptor: TlsAcceptor, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut backend) = TcpStream::connect(to).await else { return };
                    tokio::io::copy_bidirectional(&mut stream, &mut backend).await.ok();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

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
