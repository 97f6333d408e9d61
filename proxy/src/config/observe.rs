//! `compat:`, `accessLog:` and `tracing:`, what is shown of requests beyond the product's own metrics. All of it is off
//! until it is asked for.

use std::path::Path;

use super::raw::{RawAccessLog, RawCompat, RawTracing};
use super::scope::Scope;
use super::{AccessLog, Compat, LogPath, Propagate, Sample, Tracing, range};

/// Lines that a worker may be ahead of the writer, unless the file says otherwise.
const DEFAULT_BUFFER: u64 = 4_096;

/// Of the traces begun here, the share that is sampled, unless the file says otherwise.
const DEFAULT_SAMPLE: f64 = 0.01;

// === impl Compat ===

impl Compat {
    pub(super) fn from_raw(scope: &Scope<'_>) -> Option<Self> {
        let raw: RawCompat = scope.read_or_default()?;
        let namespace = raw.namespace.unwrap_or_else(|| "default".to_owned());
        if !is_label(&namespace) {
            return scope.key("namespace").refuse(format!(
                "{namespace:?}: a name of small letters, digits and `-` is expected, such as default"
            ));
        }
        Some(Self { nginx_metrics: raw.nginx_metrics, namespace: namespace.into() })
    }
}

/// A name as Kubernetes gives it to a namespace (RFC 1123 label).
fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

// === impl AccessLog ===

impl AccessLog {
    /// None unless the section is there. Paths are relative to `directory`.
    pub(super) fn from_raw(scope: &Scope<'_>, directory: &Path) -> Option<Option<Self>> {
        if !scope.is_present() {
            return Some(None);
        }
        let raw: RawAccessLog = scope.read_or_default()?;
        let path = match raw.path.as_deref() {
            None | Some("stdout") => Some(LogPath::Stdout),
            Some("") => scope.key("path").refuse("stdout or a file is expected"),
            Some(path) => Some(LogPath::File(directory.join(path))),
        };
        let sample = share(raw.sample, 1.0, &scope.key("sample"));
        let buffer = range::count(raw.buffer, DEFAULT_BUFFER, 16..=65_536, &scope.key("buffer"));
        Some(Some(Self { format: raw.format, path: path?, sample: sample?, failures: raw.failures, buffer: buffer? }))
    }
}

// === impl Tracing ===

impl Tracing {
    pub(super) fn from_raw(scope: &Scope<'_>) -> Option<Self> {
        let raw: RawTracing = scope.read_or_default()?;
        let sample = share(raw.sample, DEFAULT_SAMPLE, &scope.key("sample"))?;
        Some(Self { propagate: raw.propagate, sample })
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self { propagate: Propagate::default(), sample: Sample::try_new(DEFAULT_SAMPLE).expect("1 % is a share") }
    }
}

/// A share from 0 to 1.
fn share(written: Option<f64>, default: f64, scope: &Scope<'_>) -> Option<Sample> {
    let share = written.unwrap_or(default);
    Sample::try_new(share).or_else(|| scope.refuse(format!("{share}: 0 to 1 is allowed")))
}

// === impl Sample ===

impl Sample {
    /// The share from 0 to 1.
    pub fn try_new(share: f64) -> Option<Self> {
        // A cast from a float saturates, and 1 is every number.
        (0.0..=1.0).contains(&share).then(|| Self((share * 2f64.powi(64)) as u64))
    }

    /// Whether `number`, one of 64 random bits, falls into the share.
    #[inline]
    pub fn takes(self, number: u64) -> bool {
        number < self.0 || self.0 == u64::MAX
    }
}
