//! Addresses to listen on, endpoints to connect to, networks to trust.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::host;
use super::scope::Scope;
use crate::endpoint::HTTPS;

/// An IP address and port to listen on; port 0 lets the system choose.
pub(super) fn listen(text: &str, scope: &Scope<'_>) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let port = text.trim_start_matches(':');
    let hint =
        if port.parse::<u16>().is_ok() { format!("; for all addresses write 0.0.0.0:{port}") } else { String::new() };
    scope.refuse(format!("{text:?}: an IP address and port such as 0.0.0.0:8080 or \"[::]:8080\" is expected{hint}"))
}

/// At least one endpoint, none twice.
pub(super) fn endpoints(written: &[String], scope: &Scope<'_>) -> Option<Vec<Arc<str>>> {
    if written.is_empty() {
        return scope.refuse("at least one endpoint is needed, such as [\"127.0.0.1:9001\"]");
    }
    let mut endpoints: Vec<Arc<str>> = Vec::new();
    for (i, text) in written.iter().enumerate() {
        match endpoint(text) {
            Ok(endpoint) if endpoints.contains(&endpoint) => {
                scope.index(i).report(format!("{text}: stands here twice"))
            }
            Ok(endpoint) => endpoints.push(endpoint),
            Err(message) => scope.index(i).report(message),
        }
    }
    (endpoints.len() == written.len()).then_some(endpoints)
}

/// `host:port` in its one spelling, behind `https://` if that is written: an IPv4 address, an IPv6 address in brackets, or a name in lower case.
///
/// # Errors
/// One sentence that names the value and what is allowed.
pub fn endpoint(text: &str) -> Result<Arc<str>, String> {
    match text.strip_prefix(HTTPS) {
        None => authority(text),
        Some(rest) => authority(rest).map(|authority| format!("{HTTPS}{authority}").into()),
    }
}

fn authority(text: &str) -> Result<Arc<str>, String> {
    let refused = |why: &str| {
        Err(format!("{text:?}: host:port such as 127.0.0.1:9001, \"[::1]:9001\" or shop:80 is expected{why}"))
    };
    if text.contains("://") {
        return refused(", with no other scheme before it than https://");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return refused("; the port is missing");
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().unwrap_or(0) == 0 {
        return refused("; a port is a number from 1 to 65535");
    }
    if host.starts_with('[') {
        return text
            .parse::<SocketAddr>()
            .map_or_else(|_| refused("; this is no IPv6 address"), |address| Ok(address.to_string().into()));
    }
    if host.contains(':') {
        return refused("; an IPv6 address stands in brackets");
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(format!("{address}:{}", port.trim_start_matches('0')).into());
    }
    if !host::is_name(host) || host.rsplit('.').next().is_some_and(is_number) {
        return refused("; this is neither address nor name");
    }
    Ok(format!("{}:{}", host.to_ascii_lowercase(), port.trim_start_matches('0')).into())
}

/// No name ends in a number (RFC 1123, section 2.1): such a text is a mistyped address.
fn is_number(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit())
}

/// A list of networks; a bare address is a network of one.
pub(super) fn networks(written: &[String], scope: &Scope<'_>) -> Option<Vec<IpNet>> {
    scope.each_of(written, |text, item| {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => Some(network.trunc()),
            Err(_) => item.refuse(format!("{text:?}: a network such as 10.0.0.0/8, or an address, is expected")),
        }
    })
}
