//! From a file to a [`Config`]: read, parse, then each section in turn, so that all findings come together.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::findings::{ConfigErrors, Finding, Position};
use super::scope::Scope;
use super::{
    AccessLog, Admin, Compat, Config, ConnectionLimits, Listener, RolloutConfig, RouteConfig, Tracing,
    UpstreamSettings, address, notifications, workers, yaml,
};

/// Hundreds of rollouts fit; a log file given by mistake does not.
const MAX_BYTES: u64 = 1024 * 1024;

/// The sections of the file.
const SECTIONS: &[&str] = &[
    "listeners",
    "admin",
    "stateDir",
    "workers",
    "rollouts",
    "routes",
    "limits",
    "upstream",
    "trustedProxies",
    "notifications",
    "compat",
    "accessLog",
    "tracing",
];

/// What `sluice-proxy check` does: everything but starting.
///
/// # Errors
/// All findings.
pub fn check(file: &Path) -> Result<Config, ConfigErrors> {
    Config::load(file)
}

impl Config {
    /// Reads and validates `file`.
    ///
    /// # Errors
    /// All findings; if the text is no YAML, the first place where it is not.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&read_bytes(file)?, file)
    }

    /// Validates the `content` of `file`, whose directory relative paths refer to.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn parse(content: &[u8], file: &Path) -> Result<Self, ConfigErrors> {
        let text = std::str::from_utf8(content).map_err(|error| not_text(content, error.valid_up_to(), file))?;
        let tree = yaml::parse(text).map_err(|finding| ConfigErrors::new(file, text, vec![finding]))?;
        let findings = RefCell::new(Vec::new());
        let directory = file.parent().unwrap_or_else(|| Path::new(""));
        let config = Self::from_scope(&Scope::root(&tree, &findings), directory);
        match (config, findings.into_inner()) {
            (Some(config), findings) if findings.is_empty() => Ok(config),
            (_, findings) => Err(ConfigErrors::new(file, text, findings)),
        }
    }

    fn from_scope(root: &Scope<'_>, directory: &Path) -> Option<Self> {
        root.allow(SECTIONS);
        let state_dir = state_dir(&root.key("stateDir"), directory);
        let listeners = Listener::list_from_raw(&root.key("listeners"), directory);
        let admin = Admin::from_raw(&root.key("admin"), &state_dir, directory);
        let workers = workers::from_raw(&root.key("workers"));
        let rollouts = RolloutConfig::list_from_raw(&root.key("rollouts"), directory);
        let limits = ConnectionLimits::from_raw(&root.key("limits"));
        let routes = RouteConfig::list_from_raw(&root.key("routes"), &root.key("rollouts"), directory);
        let upstream = UpstreamSettings::from_raw(&root.key("upstream"), directory);
        let trusted_proxies = trusted_proxies(&root.key("trustedProxies"));
        let notifications = notifications::from_raw(&root.key("notifications"), &root.key("rollouts"), directory);
        let compat = Compat::from_raw(&root.key("compat"));
        let access_log = AccessLog::from_raw(&root.key("accessLog"), directory);
        let tracing = Tracing::from_raw(&root.key("tracing"));
        let config = Self {
            listeners: listeners?,
            admin: admin?,
            state_dir,
            workers: workers?,
            rollouts: rollouts?,
            routes: routes?,
            limits: limits?,
            upstream: upstream?,
            trusted_proxies: trusted_proxies?,
            notifications: notifications?,
            compat: compat?,
            access_log: access_log?,
            tracing: tracing?,
        };
        config.check_as_a_whole(root);
        Some(config)
    }

    /// What no section can see alone.
    fn check_as_a_whole(&self, root: &Scope<'_>) {
        if self.admin.address.port() != 0
            && self.listeners.iter().any(|listener| listener.address == self.admin.address)
        {
            root.key("admin")
                .key("address")
                .report(format!("{}: is also the address of a listener", self.admin.address));
        }
        super::routes::check_reachable(self, root);
    }
}

/// The file's content, at most [`MAX_BYTES`].
pub(crate) fn read_bytes(file: &Path) -> Result<Vec<u8>, ConfigErrors> {
    let unreadable = |error: std::io::Error| ConfigErrors::whole_file(file, format!("can't be read: {error}"));
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(ConfigErrors::whole_file(file, "is no regular file".to_owned()));
    }
    let mut content = Vec::new();
    File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(unreadable)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(ConfigErrors::whole_file(file, format!("is larger than {MAX_BYTES} bytes, which are allowed")));
    }
    Ok(content)
}

fn not_text(content: &[u8], valid: usize, file: &Path) -> ConfigErrors {
    let before = String::from_utf8_lossy(&content[..valid]);
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    let at = Position { line: before.matches('\n').count() + 1, column: last_line.chars().count() + 1 };
    let byte = content.get(valid).copied().unwrap_or_default();
    ConfigErrors::new(
        file,
        "",
        vec![Finding { at: Some(at), path: String::new(), message: format!("byte {byte:#04x} is not UTF-8") }],
    )
}

fn trusted_proxies(scope: &Scope<'_>) -> Option<Vec<IpNet>> {
    let written: Vec<String> = scope.read_or_default()?;
    address::networks(&written, scope)
}

/// `./state` beside the file unless another is given.
fn state_dir(scope: &Scope<'_>, directory: &Path) -> PathBuf {
    let written = if scope.is_written() { scope.read::<String>() } else { None };
    if written.as_deref() == Some("") {
        scope.report("a directory is expected");
    }
    directory.join(written.as_deref().unwrap_or("state"))
}
