//! Where a receiver is. A webhook's path and query are a secret, so nothing here shows them: `Debug` and `Display`
//! give scheme and host only, and so do errors.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

use super::address::refused_address;

const MAX_LENGTH: usize = 2_048;

/// An address of a receiver: `http` or `https`, a host, and what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// Without brackets.
    host: String,
    port: u16,
    target: PathAndQuery,
}

/// How a receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// By TLS.
    Https,
}

/// Why a text is no address of a receiver. Shows nothing of the text but a refused address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not of the form `https://host[:port]/path`.
    #[error("an address such as https://hooks.example/path is expected")]
    Form,
    /// Neither `http` nor `https`.
    #[error("only http and https are allowed")]
    Scheme,
    /// A name or password before the host.
    #[error("user names and passwords in an address are not allowed: use headers")]
    UserInfo,
    /// Too long.
    #[error("at most {MAX_LENGTH} characters are allowed")]
    Length,
    /// No receiver may have this address.
    #[error("{0} is refused: link-local and metadata addresses are no receivers")]
    RefusedAddress(IpAddr),
}

// === impl Url ===

impl Url {
    /// Reads an address; white space around it (a file's last line break) is no part of it.
    ///
    /// # Errors
    /// It is none, or one that no receiver may have.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(UrlError::Length);
        }
        let parts = text.parse::<Uri>().map_err(|_| UrlError::Form)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(UrlError::Form) };
        let scheme = match scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UrlError::Scheme),
        };
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host).ok_or(UrlError::Form)? {
            "" => scheme.default_port(),
            written => match written.strip_prefix(':').map(str::parse::<u16>) {
                Some(Ok(port)) if port > 0 => port,
                _ => return Err(UrlError::Form),
            },
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(UrlError::Form);
        }
        match host.parse::<IpAddr>() {
            Ok(address) if refused_address(address) => Err(UrlError::RefusedAddress(address)),
            _ => {
                Ok(Self { scheme, host, port, target: parts.path_and_query.unwrap_or(PathAndQuery::from_static("/")) })
            }
        }
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also if it was not written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The request's target: path and query.
    pub(super) fn target(&self) -> Uri {
        Uri::from(self.target.clone())
    }

    pub(super) fn host_header(&self) -> HeaderValue {
        HeaderValue::try_from(self.authority()).expect("what was read from an authority fits into a header")
    }

    fn authority(&self) -> String {
        let host = if self.host.parse::<Ipv6Addr>().is_ok() { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.label(), self.authority())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self}/…)")
    }
}

// === impl Scheme ===

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_nor_an_error_shows_path_or_query() {
        let url = Url::parse("https://hooks.example:8443/services/T0/SECRET?key=SECRET#SECRET\n").unwrap();
        assert_eq!(url.to_string(), "https://hooks.example:8443");
        assert!(!format!("{url:?}").contains("SECRET"));
        assert_eq!(url.target().to_string(), "/services/T0/SECRET?key=SECRET");
        for text in [
            "ftp://h/SECRET",
            "https://SECRET@h/",
            "SECRET",
            "https:///SECRET",
            "https://h:0/SECRET",
            "https://h:x/SECRET",
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("SECRET"), "{text}");
        }
    }

    #[test]
    fn host_and_port_are_what_was_written_or_the_scheme_s_own() {
        for (text, shown, header, port) in [
            ("http://Hook.Example", "http://hook.example", "hook.example", 80),
            ("https://[::1]/x", "https://[::1]", "[::1]", 443),
            ("http://[::1]:99/x", "http://[::1]:99", "[::1]:99", 99),
            ("http://127.0.0.1:80/?a", "http://127.0.0.1", "127.0.0.1", 80),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.port()), (shown, port), "{text}");
            assert_eq!(url.host_header(), header, "{text}");
        }
    }

    #[test]
    fn literal_link_local_addresses_are_refused_at_once() {
        for text in ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"] {
            assert!(matches!(Url::parse(text), Err(UrlError::RefusedAddress(_))), "{text}");
        }
    }
}
