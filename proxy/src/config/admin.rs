//! `admin:`, where the admin API listens and who may use it.

use std::path::{Path, PathBuf};

use super::raw::RawAdmin;
use super::scope::Scope;
use super::{Admin, address, host};

const DEFAULT_ADDRESS: &str = "127.0.0.1:9900";
/// Name of the token's file in the state directory.
const TOKEN_FILE: &str = "admin.token";

impl Admin {
    /// Paths are relative to `directory`.
    pub(super) fn from_raw(scope: &Scope<'_>, state_dir: &Path, directory: &Path) -> Option<Self> {
        let raw: RawAdmin = scope.read_or_default()?;
        let address = address::listen(raw.address.as_deref().unwrap_or(DEFAULT_ADDRESS), &scope.key("address"));
        let allowed_hosts = scope.key("allowedHosts").each_of(&raw.allowed_hosts, |host, item| host::name(host, &item));
        let has_auth = raw.auth.is_some() || scope.key("auth").is_present();
        let auth = raw.auth.unwrap_or_default();
        let token_file = token_file(auth.token_file.as_deref(), state_dir, directory, scope);
        let address = address?;
        if !address.ip().to_canonical().is_loopback() && !has_auth {
            return scope.key("address").refuse(format!(
                "{address}: can be reached from other machines, which is allowed only with an `auth` section, such as `auth: {{ reads: true }}`"
            ));
        }
        Some(Self { address, auth_for_reads: auth.reads, allowed_hosts: allowed_hosts?, token_file: token_file? })
    }
}

fn token_file(written: Option<&str>, state_dir: &Path, directory: &Path, scope: &Scope<'_>) -> Option<PathBuf> {
    match written {
        Some("") => scope.key("auth").key("tokenFile").refuse("a file is expected"),
        Some(path) => Some(directory.join(path)),
        None => Some(state_dir.join(TOKEN_FILE)),
    }
}
