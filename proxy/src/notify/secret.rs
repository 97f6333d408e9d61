//! A secret in a file. Only the path is kept: the file is read at each use, so a secret can be rotated without a
//! reload, and nothing that prints a configuration can print a secret.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longer than any key or address.
const MAX_BYTES: u64 = 8 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

/// Why there is none. Shows the path, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The system refused.
    #[error("{0}: can't be read: {1}")]
    Unreadable(PathBuf, String),
    /// Nothing in it, or no text, or too much.
    #[error("{0}: one line of text is expected, at most {MAX_BYTES} bytes")]
    Form(PathBuf),
}

// === impl SecretFile ===

impl SecretFile {
    /// The secret in the file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The secret as it is now, without white space around it. Blocks on the disk.
    ///
    /// # Errors
    /// The file can't be read or holds no line of text.
    pub fn read(&self) -> Result<String, SecretError> {
        let mut content = Vec::new();
        let unreadable = |error: std::io::Error| SecretError::Unreadable(self.0.clone(), error.to_string());
        if !std::fs::metadata(&self.0).map_err(unreadable)?.is_file() {
            return Err(SecretError::Form(self.0.clone()));
        }
        File::open(&self.0).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(unreadable)?;
        let text = std::str::from_utf8(&content).map(str::trim).unwrap_or_default();
        if text.is_empty() || content.len() as u64 > MAX_BYTES || text.chars().any(char::is_control) {
            return Err(SecretError::Form(self.0.clone()));
        }
        Ok(text.to_owned())
    }
}
