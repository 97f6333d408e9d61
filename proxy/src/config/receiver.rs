//! Where a receiver is, who it is, and what proves us to it: the values that notifications and gates share. Files are
//! looked into here so that a slip shows now; no finding shows what is in them.

use std::path::Path;

use super::scope::Scope;
use crate::outbound::{SecretFile, Trust, Url};

/// The text may hold a secret, so no finding repeats it.
pub(super) fn url(written: &str, scope: &Scope<'_>) -> Option<Url> {
    Url::parse(written).map_or_else(|error| scope.refuse(error.to_string()), Some)
}

/// A file that holds a secret now.
pub(super) fn secret(written: &str, directory: &Path, scope: &Scope<'_>) -> Option<SecretFile> {
    let file = file(written, directory, scope)?;
    file.read().map_or_else(|error| scope.refuse(error.to_string()), |_| Some(file.clone()))
}

/// A file that holds an address now.
pub(super) fn secret_url(written: &str, directory: &Path, scope: &Scope<'_>) -> Option<SecretFile> {
    let file = file(written, directory, scope)?;
    file.read_url().map_or_else(|error| scope.refuse(error), |_| Some(file.clone()))
}

/// An address or a key in place of a file's name is not repeated.
fn file(written: &str, directory: &Path, scope: &Scope<'_>) -> Option<SecretFile> {
    if written.is_empty() || written.contains("://") {
        return scope.refuse("the name of a file is expected, which holds the secret");
    }
    Some(SecretFile::new(directory.join(written)))
}

/// The roots of the machine and those in a file.
pub(super) fn trust(written: &str, directory: &Path, scope: &Scope<'_>) -> Option<Trust> {
    let path = directory.join(written);
    Trust::also(&path).map_or_else(|error| scope.refuse(format!("{}: {error}", path.display())), Some)
}
