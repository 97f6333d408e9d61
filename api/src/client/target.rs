//! Which server, and which path on it.
//!
//! An address is checked once, here. A rollout's name becomes exactly one path segment, whatever is in it: the names
//! of Kubernetes hold a slash, and a name that could climb out of its place is refused.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;

use super::ClientError;

/// Port of the admin API, for an address that is only a host. One with a scheme has that scheme's port.
const ADMIN_PORT: u16 = 9900;
const HTTP_PORT: u16 = 80;

/// The address of an admin API: `http://host[:port][/prefix]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    authority: Authority,
    port: u16,
    prefix: String,
}

impl Server {
    /// Reads an address; `host:port` alone means `http://host:port`, and `host` alone means port 9900.
    pub fn try_new(given: &str) -> Result<Self, ClientError> {
        let refuse = |why| ClientError::BadServer { given: given.to_owned(), why };
        let (text, default_port) = match given.contains("://") {
            true => (given.to_owned(), HTTP_PORT),
            false => (format!("http://{given}"), ADMIN_PORT),
        };
        let uri: Uri = text.parse().map_err(|_| refuse("write http://HOST:PORT, such as http://127.0.0.1:9900"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refuse("https is not supported yet: use http on the same machine or through a tunnel"));
            }
            _ => return Err(refuse("only http:// is supported")),
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?.clone();
        if authority.as_str().contains('@') {
            return Err(refuse("a user name or password has no meaning here: use a token"));
        }
        if authority.host().is_empty() {
            return Err(refuse("it has no host"));
        }
        if authority.port_u16().is_none() && authority.as_str().len() > authority.host().len() {
            return Err(refuse("the port must be a number from 0 to 65535"));
        }
        if uri.query().is_some() {
            return Err(refuse("a query has no meaning here"));
        }
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { authority, port, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Whether the server is this machine, by its address: only then may a token found on this machine be sent to it.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Host without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The `Host` field.
    pub(super) fn host_field(&self) -> String {
        format!("{}:{}", self.authority.host(), self.port)
    }

    pub(super) fn list_path(&self) -> String {
        format!("{}/v1/rollouts", self.prefix)
    }

    /// The path of a report, with those of the `query` that have a value.
    pub(super) fn report_path(&self, report: &str, query: &[(&str, Option<&str>)]) -> String {
        let given = query.iter().filter_map(|(key, value)| value.map(|value| format!("{key}={}", one_segment(value))));
        let query = given.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/v1/reports/{report}{mark}{query}", self.prefix)
    }

    /// The path of a rollout, followed by `suffix`.
    pub(super) fn rollout_path(&self, name: &str, suffix: &str) -> Result<String, ClientError> {
        if matches!(name, "" | "." | "..") {
            return Err(ClientError::BadName(name.to_owned()));
        }
        Ok(format!("{}/v1/rollouts/{}{suffix}", self.prefix, one_segment(name)))
    }
}

impl Server {
    /// The path that tests a destination of notifications.
    pub(super) fn notification_test_path(&self, name: &str) -> Result<String, ClientError> {
        if matches!(name, "" | "." | "..") {
            return Err(ClientError::BadName(name.to_owned()));
        }
        Ok(format!("{}/v1/notifications/{}/test", self.prefix, one_segment(name)))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host_field(), self.prefix)
    }
}

/// `name` with everything escaped but the unreserved characters of RFC 3986.
fn one_segment(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut segment, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
        segment
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_scheme_and_port() {
        for (given, meant) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("127.0.0.1:9901", "http://127.0.0.1:9901"),
            ("proxy.example", "http://proxy.example:9900"),
            ("http://[::1]:9900/", "http://[::1]:9900"),
            ("http://ops.example/sluice/", "http://ops.example:80/sluice"),
        ] {
            assert_eq!(Server::try_new(given).unwrap().to_string(), meant, "{given}");
        }
    }

    #[test]
    fn what_can_not_be_used_is_refused_with_the_address_and_the_reason() {
        for (given, reason) in [
            ("https://proxy.example", "https is not supported yet"),
            ("ftp://proxy.example", "only http://"),
            ("http://user:secret@proxy.example", "use a token"),
            ("http://proxy.example/?a=b", "query"),
            ("http://proxy.example:99999", "port"),
            ("", "http://HOST:PORT"),
            ("http://a b", "http://HOST:PORT"),
        ] {
            let error = Server::try_new(given).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(&format!("{given:?}")), "{given}: {error}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_count_as_such() {
        for (given, local) in [
            ("127.0.0.1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("10.0.0.1", false),
            ("localhost.evil", false),
        ] {
            assert_eq!(Server::try_new(given).unwrap().is_loopback(), local, "{given}");
        }
    }

    #[test]
    fn a_query_holds_what_is_given_and_nothing_that_could_mean_more() {
        let server = Server::try_new("proxy.example/base").unwrap();
        assert_eq!(server.report_path("dora", &[("since", None), ("until", None)]), "/base/v1/reports/dora");
        let path = server.report_path("dora", &[("since", Some("1d&until=2")), ("until", Some("5"))]);
        assert_eq!(path, "/base/v1/reports/dora?since=1d%26until%3D2&until=5");
    }

    #[test]
    fn a_name_is_one_path_segment_whatever_it_holds() {
        let server = Server::try_new("proxy.example/base").unwrap();
        assert_eq!(server.rollout_path("shop", "").unwrap(), "/base/v1/rollouts/shop");
        assert_eq!(server.rollout_path("prod/shop", "/history").unwrap(), "/base/v1/rollouts/prod%2Fshop/history");
        assert_eq!(server.rollout_path("../x?y#z\r\n", "").unwrap(), "/base/v1/rollouts/..%2Fx%3Fy%23z%0D%0A");
        for name in ["", ".", ".."] {
            assert_eq!(server.rollout_path(name, ""), Err(ClientError::BadName(name.to_owned())));
        }
    }
}
