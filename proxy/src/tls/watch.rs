//! Notices that certificates changed and exchanges them, away from the workers.
//!
//! Files are looked at and not subscribed to, for the reasons in `reload`; so the swap of a Kubernetes volume's `..data`
//! link shows as well. A change counts when two looks in a row find the same, since certificate and key are two files
//! that are written one after the other. What is wrong is said once and changes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_rustls::rustls::RootCertStore;

use super::pair::{CertificateFiles, Pair};
use super::terminator::{Counts, Expiry, OpenError, Terminator, mk_config};
use crate::config::TlsSettings;
use crate::outbound::{CaError, add_authorities};
use crate::reload::Stamp;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(1);

/// Watches the files of all listeners.
#[derive(Debug)]
pub struct CertificateWatcher {
    watched: Vec<Watched>,
    counts: Arc<Counts>,
    asked: Arc<Notify>,
}

/// Asks to look at once, for instance upon SIGHUP.
#[derive(Clone, Debug)]
pub struct CertificateHandle(Arc<Notify>);

/// One listener's files, as they were read last.
#[derive(Debug)]
pub(super) struct Watched {
    terminator: Arc<Terminator>,
    settings: TlsSettings,
    pairs: Vec<Kept<Pair>>,
    client_roots: Option<Kept<Roots>>,
}

/// What files hold, and how they looked when that was judged.
#[derive(Debug)]
struct Kept<T> {
    files: Vec<PathBuf>,
    value: T,
    seen: Vec<Option<Stamp>>,
    judged: Vec<Option<Stamp>>,
}

/// Authorities that vouch for clients.
#[derive(Debug)]
struct Roots(Arc<RootCertStore>);

// === impl CertificateHandle ===

impl CertificateHandle {
    /// Looks at all files, as if they had not changed since the last look.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

// === impl CertificateWatcher ===

impl CertificateWatcher {
    pub(super) fn new(watched: Vec<Watched>, counts: Arc<Counts>) -> Self {
        Self { watched, counts, asked: Arc::default() }
    }

    /// To ask for a look from elsewhere.
    pub fn handle(&self) -> CertificateHandle {
        CertificateHandle(Arc::clone(&self.asked))
    }

    /// Exchanges what changes, until `shutdown`.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(POLL);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asked = Arc::clone(&self.asked);
        loop {
            let is_asked = tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = asked.notified() => true,
                _ = beat.tick(), if !self.watched.is_empty() => false,
            };
            // A network file system may block for long.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(is_asked);
                self
            });
            let Ok(watcher) = looked.await else { return };
            self = watcher;
        }
    }

    fn look(&mut self, is_asked: bool) {
        for watched in &mut self.watched {
            match watched.look(is_asked) {
                Ok(false) => {}
                Ok(true) => {
                    self.counts.accepted.fetch_add(1, Relaxed);
                    tracing::info!(listener = %watched.terminator.address, "new certificates are in use");
                }
                Err(reason) => {
                    self.counts.refused.fetch_add(1, Relaxed);
                    tracing::error!(
                        listener = %watched.terminator.address,
                        reason,
                        "certificates were refused; those in use stay"
                    );
                }
            }
        }
    }
}

// === impl Watched ===

impl Watched {
    pub(super) fn open(address: SocketAddr, settings: &TlsSettings) -> Result<Self, OpenError> {
        let mut pairs = Vec::new();
        for files in &settings.certificates {
            let kept = Kept::open(vec![files.certificate.clone(), files.key.clone()], |_| files.read());
            let kept = kept.map_err(OpenError::Pair)?;
            warn_if_over(&kept.value, files);
            pairs.push(kept);
        }
        let client_roots = match &settings.client_auth {
            None => None,
            Some(auth) => Some(
                Kept::open(vec![auth.ca.clone()], |files| read_roots(&files[0]))
                    .map_err(|error| OpenError::ClientCa(auth.ca.clone(), error))?,
            ),
        };
        let config = mk_config(settings, pairs.iter().map(|kept| &kept.value), roots(&client_roots))?;
        let expiries = expiries(address, settings, &pairs);
        let terminator =
            Terminator { address, config: ArcSwap::new(config), expiries: ArcSwap::from_pointee(expiries) };
        Ok(Self { terminator: Arc::new(terminator), settings: settings.clone(), pairs, client_roots })
    }

    pub(super) fn terminator(&self) -> Arc<Terminator> {
        Arc::clone(&self.terminator)
    }

    /// Whether anything was exchanged; what is wrong, if anything is. One broken pair does not hold up the others.
    fn look(&mut self, is_asked: bool) -> Result<bool, String> {
        let mut problems = Vec::new();
        let mut is_new = false;
        for (kept, files) in self.pairs.iter_mut().zip(&self.settings.certificates) {
            if !kept.is_due(is_asked) {
                continue;
            }
            match files.read() {
                Ok(pair) if pair.digest == kept.value.digest => {}
                Ok(pair) => {
                    warn_if_over(&pair, files);
                    kept.value = pair;
                    is_new = true;
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        if let Some(kept) = &mut self.client_roots
            && kept.is_due(is_asked)
        {
            match read_roots(&kept.files[0]) {
                Ok(found) if found.0.roots == kept.value.0.roots => {}
                Ok(found) => {
                    kept.value = found;
                    is_new = true;
                }
                Err(error) => problems.push(format!("{}: {error}", kept.files[0].display())),
            }
        }
        if is_new {
            let pairs = self.pairs.iter().map(|kept| &kept.value);
            match mk_config(&self.settings, pairs, roots(&self.client_roots)) {
                Ok(config) => self.terminator.config.store(config),
                Err(error) => problems.push(error.to_string()),
            }
            let expiries = expiries(self.terminator.address, &self.settings, &self.pairs);
            self.terminator.expiries.store(Arc::new(expiries));
        }
        if problems.is_empty() { Ok(is_new) } else { Err(problems.join("; ")) }
    }
}

fn roots(kept: &Option<Kept<Roots>>) -> Option<&Arc<RootCertStore>> {
    kept.as_ref().map(|kept| &kept.value.0)
}

fn read_roots(file: &Path) -> Result<Roots, CaError> {
    let mut roots = RootCertStore::empty();
    add_authorities(&mut roots, file)?;
    Ok(Roots(Arc::new(roots)))
}

fn expiries(listener: SocketAddr, settings: &TlsSettings, pairs: &[Kept<Pair>]) -> Vec<Expiry> {
    let named = settings.certificates.iter().zip(pairs);
    let expiry = |(files, kept): (&CertificateFiles, &Kept<Pair>)| Expiry {
        listener,
        name: files.certificate.display().to_string(),
        not_after: kept.value.not_after,
    };
    named.map(expiry).collect()
}

/// It is presented all the same: a client that looks says so, and one that does not is served.
fn warn_if_over(pair: &Pair, files: &CertificateFiles) {
    if pair.remaining().is_none() {
        tracing::warn!(certificate = %files.certificate.display(), "the certificate has expired");
    }
}

// === impl Kept ===

impl<T> Kept<T> {
    /// The stamps are taken first: a change while it is read shows at the next look.
    fn open<E>(files: Vec<PathBuf>, read: impl FnOnce(&[PathBuf]) -> Result<T, E>) -> Result<Self, E> {
        let seen = stamps(&files);
        let value = read(&files)?;
        Ok(Self { files, value, judged: seen.clone(), seen })
    }

    /// Whether to read the files again: who asks always, else once for each change, when it has come to rest.
    fn is_due(&mut self, is_asked: bool) -> bool {
        let seen = stamps(&self.files);
        let is_at_rest = seen == self.seen;
        self.seen = seen;
        if !is_asked && (!is_at_rest || self.seen == self.judged) {
            return false;
        }
        self.judged.clone_from(&self.seen);
        true
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::look(file)).collect()
}
