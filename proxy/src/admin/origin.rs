//! Who may be asked for: the names that this server answers to.
//!
//! A page of any site can make a browser send requests to `127.0.0.1`, under its own name if that name is made to
//! resolve there (DNS rebinding). So every request has to name a host that is known to be this server, and a write that
//! comes from a page has to come from this server's own.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::{Authority, Uri};

use super::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names that this server answers to.
#[derive(Clone, Debug)]
pub(super) struct Names {
    listen: SocketAddr,
    configured: Vec<String>,
}

// === impl Names ===

impl Names {
    /// A server at `listen` (with the port that was really bound); `configured` names may come with or without port.
    pub(super) fn new(listen: SocketAddr, configured: &[String]) -> Self {
        Self { listen, configured: configured.to_vec() }
    }

    /// Whether the request names this server; `local` is the address that the client connected to.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> Result<(), ApiError> {
        let refused = |host: &str| {
            Err(ApiError::Forbidden(format!(
                "{host:?} is no name of this server: add it to admin.allowedHosts if it should be one"
            )))
        };
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return refused("") };
        let Ok(host) = host.to_str() else { return refused("") };
        let target = uri.authority().map(Authority::as_str);
        match [Some(host), target].into_iter().flatten().find(|name| !self.allows(name, local)) {
            Some(unknown) => refused(unknown),
            None => Ok(()),
        }
    }

    /// Whether a write comes from this server's own page, or from no page at all.
    pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
        let foreign = || Err(ApiError::Forbidden("a page of another site may not command this server".to_owned()));
        let host = headers.get(HOST).map(http::HeaderValue::as_bytes).unwrap_or_default();
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.as_bytes();
            let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            if !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
                return foreign();
            }
        }
        let is_own = |site: &http::HeaderValue| site == "same-origin" || site == "none";
        if headers.get_all(SEC_FETCH_SITE).iter().all(is_own) { Ok(()) } else { foreign() }
    }

    fn allows(&self, host: &str, local: Option<SocketAddr>) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if host.contains('@') || host.ends_with(':') {
            return false;
        }
        let name = authority.host();
        if self
            .configured
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host))
        {
            return true;
        }
        authority.port_u16().unwrap_or(80) == self.listen.port()
            && (name.eq_ignore_ascii_case("localhost") || self.is_own_address(name, local))
    }

    /// An address can't be rebound to another: loopback, where we listen, and what the client connected to.
    fn is_own_address(&self, name: &str, local: Option<SocketAddr>) -> bool {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let Ok(address) = bare.parse::<IpAddr>() else { return false };
        let address = address.to_canonical();
        address.is_loopback()
            || address == self.listen.ip()
            || local.is_some_and(|local| local.ip().to_canonical() == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    fn mk_names() -> Names {
        Names::new("127.0.0.1:9900".parse().unwrap(), &["sluice.example".to_owned(), "page.example:8443".to_owned()])
    }

    #[test]
    fn only_loopback_names_with_the_port_our_own_addresses_and_configured_names_are_answered() {
        let local = Some("10.1.2.3:9900".parse().unwrap());
        let table = [
            ("127.0.0.1:9900", true),
            ("127.0.0.2:9900", true),
            ("localhost:9900", true),
            ("LocalHost:9900", true),
            ("[::1]:9900", true),
            ("10.1.2.3:9900", true),
            ("sluice.example", true),
            ("sluice.example:1234", true),
            ("page.example:8443", true),
            ("page.example", false),
            ("localhost", false),
            ("localhost:80", false),
            ("127.0.0.1", false),
            ("127.0.0.1:9901", false),
            ("10.9.9.9:9900", false),
            ("evil.example:9900", false),
            ("localhost.evil.example:9900", false),
            ("127.0.0.1.evil.example:9900", false),
            ("evil@localhost:9900", false),
            ("localhost:9900:9900", false),
            ("localhost:", false),
            ("", false),
        ];
        for (host, allowed) in table {
            let checked = mk_names().check_host(&Uri::from_static("/"), &mk_headers(&[("host", host)]), local);
            assert_eq!(checked.is_ok(), allowed, "{host:?}");
        }
    }

    #[test]
    fn a_request_names_exactly_one_host_and_its_target_names_no_other() {
        let names = mk_names();
        let own = ("host", "localhost:9900");
        assert!(names.check_host(&Uri::from_static("/"), &mk_headers(&[]), None).is_err());
        assert!(names.check_host(&Uri::from_static("/"), &mk_headers(&[own, own]), None).is_err());
        assert!(names.check_host(&Uri::from_static("http://evil.example:9900/"), &mk_headers(&[own]), None).is_err());
        assert!(names.check_host(&Uri::from_static("http://localhost:9900/"), &mk_headers(&[own]), None).is_ok());
    }

    #[test]
    fn a_write_comes_from_our_own_page_or_from_no_page() {
        let own = ("host", "localhost:9900");
        let table: [(&[(&'static str, &str)], bool); 10] = [
            (&[own], true),
            (&[own, ("origin", "http://localhost:9900")], true),
            (&[own, ("origin", "http://localhost:9900"), ("sec-fetch-site", "same-origin")], true),
            (&[own, ("sec-fetch-site", "none")], true),
            (&[own, ("origin", "null")], false),
            (&[own, ("origin", "http://localhost:9901")], false),
            (&[own, ("origin", "http://evil.example")], false),
            (&[own, ("origin", "ftp://localhost:9900")], false),
            (&[own, ("sec-fetch-site", "cross-site")], false),
            (&[own, ("sec-fetch-site", "same-site")], false),
        ];
        for (headers, allowed) in table {
            assert_eq!(Names::check_origin(&mk_headers(headers)).is_ok(), allowed, "{headers:?}");
        }
    }
}
