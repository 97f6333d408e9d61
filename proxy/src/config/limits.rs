//! `limits:`, on what clients may take of the machine.

use super::raw::RawLimits;
use super::scope::Scope;
use super::{ConnectionLimits, range};

/// A proxy without any traffic has a few megabytes.
const LEAST_MEMORY: u64 = 1 << 20;

impl ConnectionLimits {
    pub(super) fn from_raw(scope: &Scope<'_>) -> Option<Self> {
        let raw: RawLimits = scope.read_or_default()?;
        let count = |written: Option<u64>, key: &str| match written {
            None => Some(None),
            Some(_) => range::count(written, 1, 1..=10_000_000, &scope.key(key)).map(Some),
        };
        let max_connections = count(raw.max_connections, "maxConnections");
        let max_connections_per_client = count(raw.max_connections_per_client, "maxConnectionsPerClient");
        let max_memory = match &raw.max_memory {
            None => Some(None),
            Some(text) => memory(text, &scope.key("maxMemory")).map(Some),
        };
        Some(Self {
            max_connections: max_connections?,
            max_connections_per_client: max_connections_per_client?,
            max_memory: max_memory?,
        })
    }
}

/// A whole number of MiB or GiB, as Kubernetes writes it or in full.
fn memory(text: &str, scope: &Scope<'_>) -> Option<u64> {
    let units = [("MiB", 20), ("Mi", 20), ("GiB", 30), ("Gi", 30)];
    let found = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let bytes = found.and_then(|(digits, shift)| digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= LEAST_MEMORY => Some(bytes),
        _ => scope.refuse(format!("{text:?}: an amount such as 512MiB or 2GiB is expected, 1MiB at least")),
    }
}
