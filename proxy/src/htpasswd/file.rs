//! A file of users, read again when it has changed: a password that was taken back works for a second at most.
//!
//! Blocks on the disk, and on hashing: only for threads that may. A file that became unreadable or wrong keeps the users
//! that were known, and the log says so.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::Users;

/// Thousands of users fit.
const MAX_BYTES: u64 = 1024 * 1024;

/// Hashes computed at a time. Each takes a processor for a tenth of a second, which workers need too.
const AT_A_TIME: usize = 2;

/// Requests that wait for their turn; more are turned away, since whoever guesses passwords would fill any queue.
const MAX_WAITING: usize = 64;

/// The users of a file, shared by all workers.
#[derive(Debug)]
pub struct PasswordFile {
    path: PathBuf,
    known: ArcSwap<Known>,
    /// Hashing takes one of these.
    pub turns: Semaphore,
    /// So does waiting for it.
    pub places: Semaphore,
}

#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    users: Arc<Users>,
}

/// As long as this is the same, the content is.
type Stamp = (u64, u64, u64, i64, i64);

// === impl PasswordFile ===

impl PasswordFile {
    /// The file at `path`, of which `users` were read just now.
    pub fn new(path: PathBuf, users: Users) -> Self {
        // Without a stamp: what was read may be older than what is there by now.
        let known = ArcSwap::from_pointee(Known { stamp: None, users: Arc::new(users) });
        Self { path, known, turns: Semaphore::new(AT_A_TIME), places: Semaphore::new(MAX_WAITING) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The users as they are now; the same pointer as long as they are the same.
    pub fn users(&self) -> Arc<Users> {
        let known = self.known.load_full();
        let stamp = fs::metadata(&self.path).ok().map(|metadata| stamp(&metadata));
        if stamp == known.stamp && stamp.is_some() {
            return Arc::clone(&known.users);
        }
        let users = match Self::read(&self.path) {
            Ok(users) if users == *known.users => Arc::clone(&known.users),
            Ok(users) => Arc::new(users),
            Err(error) => {
                if stamp != known.stamp {
                    tracing::warn!(file = %self.path.display(), error, "the users of a route can't be read, those before stay");
                }
                Arc::clone(&known.users)
            }
        };
        self.known.store(Arc::new(Known { stamp, users: Arc::clone(&users) }));
        users
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Why there are no users in it.
    pub fn read(path: &Path) -> Result<Users, String> {
        let unreadable = |error: std::io::Error| format!("can't be read: {error}");
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err("is no regular file".to_owned());
        }
        let mut text = String::new();
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("is larger than {MAX_BYTES} bytes, which are allowed"));
        }
        Users::parse(&text)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        metadata.ctime(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = ":$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n";

    #[test]
    fn a_change_counts_at_the_next_look_and_a_broken_file_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::fs::write(&path, format!("ann{USER}")).unwrap();
        let file = PasswordFile::new(path.clone(), PasswordFile::read(&path).unwrap());
        let first = file.users();
        assert!(first.verify("ann", "s3cret") && Arc::ptr_eq(&first, &file.users()));
        std::fs::write(&path, format!("benjamin{USER}")).unwrap();
        assert!(!file.users().verify("ann", "s3cret") && file.users().verify("benjamin", "s3cret"));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(file.users().verify("benjamin", "s3cret"));
        std::fs::remove_file(&path).unwrap();
        assert!(file.users().verify("benjamin", "s3cret"));
    }
}
