//! `redirect` and `rewrite`: another place for the client, another target for the upstream.

use http::{HeaderValue, StatusCode};

use super::path::{PathChange, Written};
use super::{Redirect, Rewrite};
use crate::config::host;
use crate::config::raw::{RawRedirect, RawRewrite, RawScheme};
use crate::config::scope::Scope;

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

impl Redirect {
    pub(super) fn from_raw(raw: &RawRedirect, scope: &Scope<'_>) -> Option<Self> {
        let scheme = raw.scheme.map(|scheme| match scheme {
            RawScheme::Http => "http",
            RawScheme::Https => "https",
        });
        let host = super::optional(raw.host.as_ref(), |text| host::name(text, &scope.key("host")));
        let port = super::optional(raw.port.as_ref(), |port| match u16::try_from(*port) {
            Ok(port) if port > 0 => Some(port),
            _ => scope.key("port").refuse(format!("{port}: 1 to 65535 is allowed")),
        });
        let written = Written {
            path: raw.path.as_ref(),
            prefix: raw.prefix.as_ref(),
            regex: raw.regex.as_ref(),
            to: raw.to.as_ref(),
        };
        let path = PathChange::from_raw(written, scope);
        let status = status(raw.status.unwrap_or(302), &scope.key("status"));
        let redirect = Self { scheme, host: host?, port: port?, path: path?, status: status? };
        if redirect.scheme.is_none() && redirect.host.is_none() && redirect.port.is_none() && redirect.path.is_none() {
            return scope.refuse("a redirect needs at least one of scheme, host, port, path, prefix and regex");
        }
        Some(redirect)
    }
}

fn status(written: u64, scope: &Scope<'_>) -> Option<StatusCode> {
    let known = STATUSES.into_iter().find(|status| u64::from(*status) == written);
    match known.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => Some(status),
        None => scope.refuse(format!("{written}: 301, 302, 303, 307 or 308 is allowed")),
    }
}

impl Rewrite {
    pub(super) fn from_raw(raw: &RawRewrite, scope: &Scope<'_>) -> Option<Self> {
        let host = super::optional(raw.host.as_ref(), |text| {
            let host = host::name(text, &scope.key("host"))?;
            Some(HeaderValue::try_from(host).expect("a host name is visible ASCII"))
        });
        let written = Written {
            path: raw.path.as_ref(),
            prefix: raw.prefix.as_ref(),
            regex: raw.regex.as_ref(),
            to: raw.to.as_ref(),
        };
        let rewrite = Self { path: PathChange::from_raw(written, scope)?, host: host? };
        if rewrite.host.is_none() && rewrite.path.is_none() {
            return scope.refuse("a rewrite needs at least one of host, path, prefix and regex");
        }
        Some(rewrite)
    }
}
