//! The token in force, which allows writes: compared in constant time, read again when its file changes, never logged.
//!
//! [`crate::state::Token`] makes the file at the first start. If it can't, nothing can be written until there is one,
//! and everything else goes on.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use crate::state::Token;

/// The token and the file it stands in.
pub(super) struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    token: Option<Token>,
    changed: Option<SystemTime>,
}

// === impl TokenFile ===

impl TokenFile {
    /// Reads the token, or makes one.
    pub(super) fn open(path: &Path) -> Self {
        let token = match Token::read_or_make(path) {
            Ok(token) => Some(token),
            Err(error) => {
                tracing::error!(%error, "no token of the admin API: every write is refused");
                None
            }
        };
        let known = Known { token, changed: changed(path) };
        Self { path: path.to_owned(), known: Mutex::new(known) }
    }

    /// The token in force.
    pub(super) fn token(&self) -> Option<String> {
        self.with(|token| token.map(str::to_owned))
    }

    /// Whether this is the token.
    pub(super) fn is(&self, presented: &str) -> bool {
        self.with(|token| token.is_some_and(|token| token.as_bytes().ct_eq(presented.as_bytes()).into()))
    }

    /// Looks at the token that is in the file now. A file that is gone or holds none leaves the former one in force.
    fn with<T>(&self, look: impl FnOnce(Option<&str>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = changed(&self.path);
        if changed.is_some() && changed != known.changed {
            known.changed = changed;
            if let Ok(token) = Token::read_or_make(&self.path) {
                known.token = Some(token);
            }
        }
        look(known.token.as_ref().map(Token::secret))
    }
}

impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "first-token-of-this-server";
    const SECOND: &str = "second-token-of-this-server";

    /// Two writes may come within one tick of the file system's clock.
    fn touch(path: &Path) {
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
    }

    #[test]
    fn a_token_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let token = TokenFile::open(&path).token().unwrap();
        assert!(TokenFile::open(&path).is(&token));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_leaves_the_token_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        std::fs::write(&path, format!("{FIRST}\n")).unwrap();
        let file = TokenFile::open(&path);
        assert!(file.is(FIRST) && !file.is("") && !file.is(&FIRST[1..]));
        std::fs::write(&path, SECOND).unwrap();
        touch(&path);
        assert!(file.is(SECOND) && !file.is(FIRST));
        std::fs::remove_file(&path).unwrap();
        assert!(file.is(SECOND));
    }

    #[test]
    fn without_a_usable_token_nothing_is_the_token_until_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        for text in ["", " \n", "short", "a token with spaces in it", "a-token-with-\u{7}-in-it"] {
            std::fs::write(&path, text).unwrap();
            let file = TokenFile::open(&path);
            assert!(file.token().is_none() && !file.is("") && !file.is(text), "{text:?}");
        }
        let file = TokenFile::open(&path);
        std::fs::write(&path, FIRST).unwrap();
        touch(&path);
        assert!(file.is(FIRST));
    }
}
