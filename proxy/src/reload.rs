//! Notices that the configuration file changed and reads it, away from the workers.
//!
//! The content decides, not the time of change: a touched file is no news, and a ConfigMap whose `..data` link now
//! leads elsewhere is. A change counts when two looks in a row find the same, because an editor may be half-way
//! through writing. A file that is gone keeps the running configuration; so does one that is wrong, and why is handed
//! on. Carrying a configuration out is not done here.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::config::{Config, ConfigErrors, read_bytes};

/// How often the file is looked at. A poll and not inotify: it sees network file systems, links to links and
/// directories that are replaced, and it costs one `stat`.
pub const POLL: Duration = Duration::from_millis(500);

/// The outcome of reading the file again.
#[derive(Debug)]
pub enum Reload {
    /// A valid configuration, changed or asked for.
    Ready(Box<Config>),
    /// What is wrong with the file; whatever runs goes on running.
    Refused(ConfigErrors),
}

/// Watches one file.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    poll: Duration,
    asked: Arc<Notify>,
    /// What was read last, good or bad.
    known: Content,
    /// Changed, and seen once.
    candidate: Option<Content>,
    last_stamp: Option<Stamp>,
}

/// Asks for a reload, for instance upon SIGHUP; several at once are one.
#[derive(Clone, Debug)]
pub struct ReloadHandle(Arc<Notify>);

type Content = Result<Vec<u8>, ConfigErrors>;

/// As long as this is the same, the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Changes even if somebody sets the time of modification back.
    changed: (i64, i64),
}

// === impl Reloader ===

impl Reloader {
    /// Loads `file` and remembers what it read, so that no change from now on is missed.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn open(file: &Path) -> Result<(Config, Self), ConfigErrors> {
        let content = read_bytes(file)?;
        let config = Config::parse(&content, file)?;
        let reloader = Self {
            file: file.to_owned(),
            poll: POLL,
            asked: Arc::new(Notify::new()),
            known: Ok(content),
            candidate: None,
            last_stamp: None,
        };
        Ok((config, reloader))
    }

    /// Looks at the file every `poll` instead of every [`POLL`].
    pub fn with_poll(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// To ask for a reload from elsewhere.
    pub fn handle(&self) -> ReloadHandle {
        ReloadHandle(self.asked.clone())
    }

    /// Sends an outcome for each change of the file and each request, until `shutdown` or until nobody listens.
    /// While an outcome waits to be taken, further changes and requests become one.
    pub async fn run(mut self, outcomes: mpsc::Sender<Reload>, mut shutdown: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(self.poll);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asked = self.asked.clone();
        loop {
            let is_asked = tokio::select! {
                // Shutdown first, or a file that changes all the time could delay it.
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = asked.notified() => true,
                _ = beat.tick() => false,
            };
            // Reading and parsing block, and a network file system may block for long.
            let looked = tokio::task::spawn_blocking(move || {
                let outcome = self.look(is_asked);
                (self, outcome)
            });
            let Ok((reloader, outcome)) = looked.await else { return };
            self = reloader;
            if let Some(outcome) = outcome {
                tokio::select! {
                    biased;
                    _ = shutdown.wait_for(|stop| *stop) => return,
                    sent = outcomes.send(outcome) => if sent.is_err() { return },
                }
            }
        }
    }

    /// One look at the file. Who asked gets an answer at once, whatever the file holds.
    fn look(&mut self, is_asked: bool) -> Option<Reload> {
        let stamp = Stamp::look(&self.file);
        if !is_asked && (stamp.is_none() || (stamp == self.last_stamp && self.candidate.is_none())) {
            return None;
        }
        self.last_stamp = stamp;
        let content = read_bytes(&self.file);
        if is_asked {
            return Some(self.take(content));
        }
        if content == self.known {
            self.candidate = None;
            return None;
        }
        if self.candidate.take().as_ref() == Some(&content) {
            return Some(self.take(content));
        }
        self.candidate = Some(content);
        None
    }

    fn take(&mut self, content: Content) -> Reload {
        let outcome = match &content {
            Ok(bytes) => match Config::parse(bytes, &self.file) {
                Ok(config) => Reload::Ready(Box::new(config)),
                Err(errors) => Reload::Refused(errors),
            },
            Err(errors) => Reload::Refused(errors.clone()),
        };
        self.known = content;
        self.candidate = None;
        outcome
    }
}

// === impl ReloadHandle ===

impl ReloadHandle {
    /// Reads the file again, changed or not.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

// === impl Stamp ===

impl Stamp {
    /// None if there is no such file. Links are followed.
    pub(crate) fn look(file: &Path) -> Option<Self> {
        std::fs::metadata(file).ok().map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;
