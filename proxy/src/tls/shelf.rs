//! Which certificate a client gets: by the whole name it asks for, else by a wildcard for its first label, else the
//! first one. Of several for one name (RSA beside ECDSA) the first that the client can verify.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::pair::Pair;

/// The certificates of one listener, by name.
#[derive(Debug)]
pub(super) struct Shelf {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// In the order of the configuration; the first is everybody's.
    all: Vec<Arc<CertifiedKey>>,
}

// === impl Shelf ===

impl Shelf {
    pub(super) fn new<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Self {
        let mut shelf = Self { exact: HashMap::new(), wildcard: HashMap::new(), all: Vec::new() };
        for pair in pairs {
            for name in &pair.names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut shelf.wildcard, parent),
                    None => (&mut shelf.exact, name.as_str()),
                };
                names.entry(name.to_owned()).or_default().push(Arc::clone(&pair.key));
            }
            shelf.all.push(Arc::clone(&pair.key));
        }
        shelf
    }

    /// Those that fit a name, the best first.
    fn named(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let everybodys = self.all.get(..1).unwrap_or_default();
        let Some(name) = name.map(str::to_ascii_lowercase) else { return everybodys };
        let parent = || self.wildcard.get(name.split_once('.')?.1);
        match self.exact.get(&name).or_else(parent) {
            Some(named) => named,
            None => everybodys,
        }
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = self.named(hello.server_name());
        let verifiable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        named.iter().find(verifiable).or_else(|| named.first()).cloned()
    }
}
