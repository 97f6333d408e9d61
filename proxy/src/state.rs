//! The state directory: what a proxy must still know after a restart, its admin token, and the lock that keeps a
//! second proxy out.
//!
//! A veto that is forgotten sends people back to a broken version, so the file is replaced whole and synced before a
//! save counts, and a file that can't be trusted is never guessed at: it is set aside and reported as lost, upon
//! which stable gets everything. Nothing here decides what a lost state means for a rollout.
//!
//! All calls block on the disk; callers on an async runtime use its blocking threads.

mod atomic;
mod saved;
mod token;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use atomic::replace as replace_file;
pub use token::Token;

/// Only the proxy's own user may look into the directory: it holds the admin token.
const DIRECTORY_MODE: u32 = 0o700;
const LOCK: &str = "lock";
const ROLLOUTS: &str = "rollouts.json";
/// Files set aside that are kept; older ones are removed, or a crash loop would fill the disk.
const MAX_ASIDE: usize = 5;

/// The state directory of this process.
#[derive(Debug)]
pub struct StateStore {
    directory: PathBuf,
    /// Held open for its lock.
    _lock: Option<File>,
    /// The present file could neither be read nor set aside yet: it must not be replaced.
    unreadable: Mutex<Option<Aside>>,
}

/// What was found at the start.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded<T> {
    /// No file: a first start.
    Missing,
    /// By name of the rollout.
    Found(BTreeMap<String, T>),
    /// There was a file, but it can't be used. It was set aside if that was possible.
    Lost {
        /// For people, and for the rollouts' messages.
        reason: String,
    },
}

/// Why the state directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has the lock.
    #[error("the state directory {0} is used by another proxy: give each its own stateDir")]
    InUse(PathBuf),
    /// The system refused.
    #[error("can't {action} {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// What was to be saved has no JSON form.
    #[error("can't write the state as JSON: {0}")]
    Form(#[from] serde_json::Error),
    /// The token's file holds no usable token.
    #[error("{path}: {reason}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why a file is set aside; part of its new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aside {
    Corrupt,
    Future,
}

// === impl StateStore ===

impl StateStore {
    /// Creates the directory if need be and locks it.
    ///
    /// A directory that can't be written (read-only, full) is opened all the same: a proxy must go on serving from
    /// it. [`StateStore::save`] then says so each time.
    ///
    /// # Errors
    /// Another proxy uses it, or it is no directory that can be read.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let created = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
        created.map_err(StateError::io("create", directory))?;
        let lock = lock(directory)?;
        Ok(Self { directory: directory.to_owned(), _lock: lock, unreadable: Mutex::new(None) })
    }

    /// What the last [`StateStore::save`] wrote.
    pub fn load<T: DeserializeOwned>(&self) -> Loaded<T> {
        let content = match std::fs::read(self.rollouts_file()) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Loaded::Missing,
            Err(error) => return self.lose(Aside::Corrupt, &format!("can't be read: {error}")),
        };
        match saved::decode(&content) {
            Ok(rollouts) => Loaded::Found(rollouts),
            Err(saved::Unusable::Corrupt(reason)) => self.lose(Aside::Corrupt, &reason),
            Err(saved::Unusable::Future(reason)) => self.lose(Aside::Future, &reason),
        }
    }

    /// Replaces the saved state; when it returns, the new one has reached the disk.
    ///
    /// # Errors
    /// The old state is untouched, unless syncing the directory was all that failed.
    pub fn save<T: Serialize>(&self, rollouts: &BTreeMap<String, T>) -> Result<(), StateError> {
        let content = saved::encode(rollouts)?;
        self.clear_the_way()?;
        atomic::replace(&self.rollouts_file(), &content).map_err(StateError::io("write", &self.rollouts_file()))
    }

    fn rollouts_file(&self) -> PathBuf {
        self.directory.join(ROLLOUTS)
    }

    fn lose<T>(&self, aside: Aside, reason: &str) -> Loaded<T> {
        let file = self.rollouts_file();
        let reason = match self.set_aside(aside) {
            Ok(kept) => format!("{} {reason}; kept as {}", file.display(), kept.display()),
            Err(error) => {
                *self.lock_unreadable() = Some(aside);
                format!("{} {reason}; {error}", file.display())
            }
        };
        Loaded::Lost { reason }
    }

    /// Tries again to keep a file that nobody could read, before it would be replaced.
    fn clear_the_way(&self) -> Result<(), StateError> {
        let mut unreadable = self.lock_unreadable();
        if let Some(aside) = *unreadable {
            self.set_aside(aside)?;
            *unreadable = None;
        }
        Ok(())
    }

    fn lock_unreadable(&self) -> std::sync::MutexGuard<'_, Option<Aside>> {
        self.unreadable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Renames the file to the next free number and removes the oldest beyond [`MAX_ASIDE`].
    fn set_aside(&self, aside: Aside) -> Result<PathBuf, StateError> {
        let prefix = format!("{ROLLOUTS}.{}-", aside.label());
        let mut numbers = self.numbers_after(&prefix).map_err(StateError::io("list", &self.directory))?;
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let kept = self.directory.join(format!("{prefix}{next}"));
        std::fs::rename(self.rollouts_file(), &kept).map_err(StateError::io("rename", &self.rollouts_file()))?;
        let superfluous = (numbers.len() + 1).saturating_sub(MAX_ASIDE);
        for number in numbers.into_iter().take(superfluous) {
            // One file too many does no harm.
            let _ = std::fs::remove_file(self.directory.join(format!("{prefix}{number}")));
        }
        Ok(kept)
    }

    fn numbers_after(&self, prefix: &str) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u64>().ok()));
        }
        Ok(numbers)
    }
}

/// The lock; `None` where nothing can be created, in which case no second proxy can save either.
fn lock(directory: &Path) -> Result<Option<File>, StateError> {
    let path = directory.join(LOCK);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = match opened.or_else(|_| File::open(&path)) {
        Ok(file) => file,
        Err(error) => {
            std::fs::read_dir(directory).map_err(StateError::io("read", directory))?;
            tracing::warn!(path = %path.display(), %error, "state directory can't be locked or written");
            return Ok(None);
        }
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse(directory.to_owned())),
        Err(TryLockError::Error(cause)) => Err(StateError::io("lock", &path)(cause)),
    }
}

// === impl StateError ===

impl StateError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }
}

// === impl Aside ===

impl Aside {
    const fn label(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Future => "future",
        }
    }
}

#[cfg(test)]
mod tests;
