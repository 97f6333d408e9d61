//! `listeners:`, the data ports.

use super::raw::RawListener;
use super::scope::Scope;
use super::{Listener, address, range};

const DEFAULT_MAX_CONNECTIONS: u64 = 10_000;

impl Listener {
    /// At least one, no address twice.
    pub(super) fn list_from_raw(scope: &Scope<'_>) -> Option<Vec<Self>> {
        if scope.length() == 0 && !scope.is_written() {
            return scope.refuse("at least one listener is needed, such as `listeners: [{ address: 0.0.0.0:8080 }]`");
        }
        let listeners = scope.each(|item| Self::from_raw(&item.read()?, &item))?;
        if listeners.is_empty() {
            return scope.refuse("at least one listener is needed");
        }
        for (i, listener) in listeners.iter().enumerate() {
            let first = listeners.iter().position(|other| other.address == listener.address);
            if let Some(first) = first.filter(|first| *first < i && listener.address.port() != 0) {
                scope
                    .index(i)
                    .key("address")
                    .report(format!("{}: is also the address of listeners[{first}]", listener.address));
            }
        }
        Some(listeners)
    }

    fn from_raw(raw: &RawListener, scope: &Scope<'_>) -> Option<Self> {
        let address = address::listen(&raw.address, &scope.key("address"));
        let max_connections =
            range::count(raw.max_connections, DEFAULT_MAX_CONNECTIONS, 1..=1_000_000, &scope.key("maxConnections"));
        Some(Self { address: address?, max_connections: max_connections? })
    }
}
