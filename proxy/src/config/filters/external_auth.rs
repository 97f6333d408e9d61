//! `externalAuth`: somebody who is asked whether a request may pass, such as oauth2-proxy or Authelia.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Uri};
use sluice_engine::units::Millis;

use super::headers::{is_framing, is_of_the_proxy};
use super::optional;
use crate::config::raw::RawExternalAuth;
use crate::config::routing::header_name;
use crate::config::scope::Scope;
use crate::config::{address, range};

const TIMEOUT: Millis = Millis::new(5_000);
const MINUTE: Millis = Millis::new(60_000);

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAuth {
    /// `host:port`.
    pub endpoint: Arc<str>,
    /// `Host` of the question.
    pub host: HeaderValue,
    /// Path and query of the question.
    pub target: Uri,
    /// Where a client without credentials is sent; the place to come back to is added.
    pub signin: Option<String>,
    /// For an answer; default 5 s.
    pub timeout: Millis,
    /// Fields of a yes that the upstream gets. Nobody else may set them.
    pub copy_headers: Vec<HeaderName>,
}

// === impl ExternalAuth ===

impl ExternalAuth {
    pub(super) fn from_raw(raw: &RawExternalAuth, scope: &Scope<'_>) -> Option<Self> {
        let question = question(&raw.url, &scope.key("url"));
        let signin = optional(raw.signin.as_ref(), |text| signin(text, &scope.key("signin")));
        let timeout = range::time(raw.timeout, TIMEOUT, Millis::new(1)..=MINUTE, &scope.key("timeout"));
        let copy_headers = scope.key("copyHeaders").each_of(&raw.copy_headers, |text, item| {
            let name = header_name(text, &item)?;
            if is_framing(&name) || is_of_the_proxy(&name) {
                return item.refuse(format!("{name}: this field belongs to the proxy"));
            }
            Some(name)
        });
        let (endpoint, host, target) = question?;
        Some(Self { endpoint, host, target, signin: signin?, timeout: timeout?, copy_headers: copy_headers? })
    }
}

fn question(text: &str, scope: &Scope<'_>) -> Option<(Arc<str>, HeaderValue, Uri)> {
    let parts = text.parse::<Uri>().ok().map(Uri::into_parts);
    let Some((Some("http"), Some(authority), target)) = parts.as_ref().map(|parts| {
        (parts.scheme.as_ref().map(|scheme| scheme.as_str()), parts.authority.as_ref(), parts.path_and_query.clone())
    }) else {
        return scope.refuse(format!("{text:?}: an address such as http://127.0.0.1:4180/oauth2/auth is expected"));
    };
    let endpoint = match endpoint(authority) {
        Ok(endpoint) => endpoint,
        Err(message) => return scope.refuse(message),
    };
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    Some((endpoint, host, Uri::from(target.unwrap_or(PathAndQuery::from_static("/")))))
}

fn endpoint(authority: &Authority) -> Result<Arc<str>, String> {
    let has_port = authority.port().is_some();
    address::endpoint(&if has_port { authority.to_string() } else { format!("{authority}:80") })
}

fn signin(text: &str, scope: &Scope<'_>) -> Option<String> {
    let is_place = text.starts_with('/') && !text.starts_with("//")
        || text.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if is_place && HeaderValue::from_str(text).is_ok() && !text.contains('#') {
        return Some(text.to_owned());
    }
    scope.refuse(format!("{text:?}: an address such as https://login.example/start, or a path, is expected"))
}
