//! A secret in a file. Only the path is kept and the file is read at each use: so a secret can be rotated without a
//! reload, and nothing that prints a configuration can print one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ring::hmac;

use super::Url;

/// Longer than any key.
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
        let unreadable = |error: std::io::Error| SecretError::Unreadable(self.0.clone(), error.to_string());
        if !std::fs::metadata(&self.0).map_err(unreadable)?.is_file() {
            return Err(SecretError::Form(self.0.clone())); // reading a pipe would never end
        }
        let mut content = Vec::new();
        File::open(&self.0).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(unreadable)?;
        let text = std::str::from_utf8(&content).map(str::trim).unwrap_or_default();
        if text.is_empty() || content.len() as u64 > MAX_BYTES || text.chars().any(char::is_control) {
            return Err(SecretError::Form(self.0.clone()));
        }
        Ok(text.to_owned())
    }

    /// The address in the file.
    ///
    /// # Errors
    /// There is none, or one that no receiver may have.
    pub fn read_url(&self) -> Result<Url, String> {
        let text = self.read().map_err(|error| error.to_string())?;
        Url::parse(&text).map_err(|error| format!("{}: {error}", self.path().display()))
    }
}

/// Value of `X-Sluice-Signature`: HMAC-SHA256 over the time, a point and the body, so that neither can be changed and an
/// old request can't be passed off as a new one.
pub fn signature(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(unix_seconds.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix_seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_an_error_shows_only_where_it_should_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let secret = SecretFile::new(path.clone());
        assert!(matches!(secret.read(), Err(SecretError::Unreadable(..))));
        for (content, expected) in [("s3cret\n", Some("s3cret")), (" \n", None), ("SECRET\nSECRET", None)] {
            std::fs::write(&path, content).unwrap();
            let read = secret.read();
            assert_eq!(read.as_deref().ok(), expected, "{content:?}");
            assert!(expected.is_some() || !format!("{read:?}").contains("SECRET"));
        }
        assert!(SecretFile::new(directory.path().to_owned()).read().is_err());
    }

    #[test]
    fn a_signature_binds_the_time_and_the_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac s3cret
        assert_eq!(
            signature("s3cret", 1_700_000_000, b"{}"),
            "t=1700000000,v1=97926816e98fbb41ccb1673225ff29a2f35369099990e1b1561651e7bd097ebf"
        );
    }
}
