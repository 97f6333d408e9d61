//! `listeners:`, the data ports.

use std::path::Path;

use ipnet::IpNet;
use sluice_engine::units::Millis;

use super::raw::{RawListener, RawProxyProtocol};
use super::scope::Scope;
use super::{Listener, TlsSettings, address, range};

/// Of `setupTimeout`.
const SHORTEST: Millis = Millis::new(100);
const LONGEST: Millis = Millis::new(60_000);

impl Listener {
    /// At least one, no address twice.
    pub(super) fn list_from_raw(scope: &Scope<'_>, directory: &Path) -> Option<Vec<Self>> {
        if scope.length() == 0 && !scope.is_written() {
            return scope.refuse("at least one listener is needed, such as `listeners: [{ address: 0.0.0.0:8080 }]`");
        }
        let listeners = scope.each(|item| Self::from_raw(&item.read()?, directory, &item))?;
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

    fn from_raw(raw: &RawListener, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let address = address::listen(&raw.address, &scope.key("address"))?;
        let default = Self::plain(address);
        let max_connections = range::count(
            raw.max_connections,
            default.max_connections as u64,
            1..=1_000_000,
            &scope.key("maxConnections"),
        );
        let tls = match &raw.tls {
            None => Some(None),
            Some(tls) => TlsSettings::from_raw(tls, directory, &scope.key("tls")).map(Some),
        };
        if raw.redirect_to_https && raw.tls.is_some() {
            scope.key("redirectToHttps").report("true: what comes to a listener with tls is https already");
        }
        let proxy_protocol = match &raw.proxy_protocol {
            None => Some(Vec::new()),
            Some(proxy) => senders(proxy, &scope.key("proxyProtocol").key("trustedSources")),
        };
        let setup_timeout =
            range::time(raw.setup_timeout, default.setup_timeout, SHORTEST..=LONGEST, &scope.key("setupTimeout"));
        Some(Self {
            address,
            max_connections: max_connections?,
            tls: tls?,
            redirect_to_https: raw.redirect_to_https,
            proxy_protocol: proxy_protocol?,
            setup_timeout: setup_timeout?,
        })
    }
}

/// Whoever may send a PROXY header may name any client, so they are named here, all of them.
fn senders(raw: &RawProxyProtocol, scope: &Scope<'_>) -> Option<Vec<IpNet>> {
    if raw.trusted_sources.is_empty() {
        return scope.refuse("at least one network is needed, such as [10.0.0.0/8]: who else is believed?");
    }
    address::networks(&raw.trusted_sources, scope)
}
