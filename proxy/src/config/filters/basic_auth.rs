//! `basicAuth`: users with passwords.

use std::path::{Path, PathBuf};

use http::HeaderValue;

use crate::config::raw::RawBasicAuth;
use crate::config::scope::Scope;
use crate::htpasswd::{PasswordFile, Users};

/// The settings. Whether the file is good is looked at here, so that a slip shows now.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// Names and hashes.
    pub file: PathBuf,
    /// What was in it.
    pub users: Users,
    /// `WWW-Authenticate` of a refusal.
    pub challenge: HeaderValue,
}

// === impl BasicAuth ===

impl BasicAuth {
    pub(super) fn from_raw(raw: &RawBasicAuth, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let file = directory.join(&raw.file);
        let users = match PasswordFile::read(&file) {
            Ok(users) => Some(users),
            Err(error) => scope.key("file").refuse(format!("{}: {error}", file.display())),
        };
        let challenge = challenge(raw.realm.as_deref().unwrap_or("Restricted"), &scope.key("realm"));
        Some(Self { users: users?, challenge: challenge?, file })
    }
}

fn challenge(realm: &str, scope: &Scope<'_>) -> Option<HeaderValue> {
    let is_plain = realm.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
    match HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")) {
        Ok(challenge) if is_plain => Some(challenge),
        _ => scope.refuse(format!("{realm:?}: visible ASCII characters without quotes are expected")),
    }
}
