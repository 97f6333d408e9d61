//! Requests that ask to leave HTTP: `Upgrade`, most often to WebSocket.
//!
//! Both fields that carry the wish are for one hop, so it is read here, and told to the upstream in our own words. Only
//! the upstream grants it, and only what was asked for. Until its 101 has come nothing behind the request's head is passed
//! on. It refuses WebSocket handshakes that RFC 6455 calls wrong (section 4.2.1), and does not pass on a wish for `h2c`.

use std::cell::RefCell;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};

use super::error::Error;
use super::head::Marks;
use super::reject::Rejection;
use super::tunnel::Tunnel;

const WEBSOCKET: &[u8] = b"websocket";

/// What a connection's present request has asked for, and what has become of it.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    asked: RefCell<Option<HeaderValue>>,
    granted: RefCell<Option<Tunnel>>,
}

// === impl Upgrade ===

impl Upgrade {
    /// A new request, and what it asks for.
    #[inline]
    pub(super) fn ask(&self, protocol: Option<HeaderValue>) {
        let mut asked = self.asked.borrow_mut();
        if asked.is_some() || protocol.is_some() {
            *asked = protocol;
        }
    }

    /// Tells the upstream what is asked for.
    #[inline]
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Some(protocol) = &*self.asked.borrow() {
            put(headers, protocol);
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.borrow().is_some()
    }

    /// Whether the head of a 101 grants what was asked for; if so, its fields are as the client has to see them. The
    /// fields for one hop have been removed from `headers` already, `protocol` is what stood there.
    pub(super) fn is_granted(&self, headers: &mut HeaderMap, protocol: Option<&HeaderValue>) -> bool {
        let asked = self.asked.borrow();
        match (&*asked, protocol) {
            (Some(asked), Some(granted)) if asked.as_bytes().eq_ignore_ascii_case(granted.as_bytes()) => {
                put(headers, granted);
                true
            }
            _ => false,
        }
    }

    /// What follows the 101.
    pub(super) fn grant(&self, tunnel: Tunnel) {
        *self.granted.borrow_mut() = Some(tunnel);
    }

    /// The connection has left HTTP: what to do with it.
    pub(super) fn take_granted(&self) -> Option<Tunnel> {
        self.granted.borrow_mut().take()
    }
}

fn put(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// The one protocol that a request asks to change to. Where the wish has no meaning (RFC 9110 section 7.8) or is one of
/// several, the request is like any other.
pub(super) fn asked_for<B>(request: &Request<B>, marks: Marks) -> Result<Option<HeaderValue>, Error> {
    let headers = request.headers();
    let is_plain = *request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && !marks.has(Marks::TRANSFER_ENCODING)
        && headers.get(header::CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let Some(protocol) = only(headers, &header::UPGRADE).filter(|_| is_plain && names_upgrade(headers)) else {
        return Ok(None);
    };
    let is_token = protocol.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    if !is_token || protocol.as_bytes().eq_ignore_ascii_case(b"h2c") {
        return Ok(None);
    }
    if protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET) {
        check_websocket(headers)?;
    }
    Ok(Some(protocol.clone()))
}

fn check_websocket(headers: &HeaderMap) -> Result<(), Error> {
    if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version.as_bytes() != b"13") {
        return Err(Error::Refused(Rejection::WebSocketVersion));
    }
    if only(headers, &header::SEC_WEBSOCKET_KEY).is_none_or(|key| !is_key(key.as_bytes())) {
        return Err(Error::Refused(Rejection::Upgrade));
    }
    Ok(())
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let digits = key.strip_suffix(b"==");
    digits.is_some_and(|digits| {
        digits.len() == 22 && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
    })
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let mut options = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// A field's value, if it has exactly one line.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");

    fn asked(fields: &[(&str, &str)]) -> Result<Option<HeaderValue>, Error> {
        let request = fields.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request.body(()).unwrap();
        let marks = Marks::of(request.headers());
        asked_for(&request, marks)
    }

    #[test]
    fn one_protocol_that_connection_names_is_asked_for() {
        let wish = asked(&[("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"), KEY, VERSION]);
        assert_eq!(wish, Ok(Some(HeaderValue::from_static("WebSocket"))));
        assert_eq!(asked(&[("Connection", "upgrade"), ("Upgrade", "x/1")]), Ok(Some(HeaderValue::from_static("x/1"))));
        for plain in [
            &[("Upgrade", "websocket"), KEY, VERSION][..],
            &[("Connection", "upgrade")],
            &[("Connection", "upgrade"), ("Upgrade", "h2c")],
            &[("Connection", "upgrade"), ("Upgrade", "websocket, x")],
            &[("Connection", "upgrade"), ("Upgrade", "websocket"), ("Upgrade", "x")],
            &[("Connection", "upgrade"), ("Upgrade", "x"), ("Content-Length", "5")],
        ] {
            assert_eq!(asked(plain), Ok(None), "{plain:?}");
        }
    }

    #[test]
    fn a_websocket_handshake_needs_version_13_and_a_key_of_16_bytes() {
        let wish = [("Connection", "upgrade"), ("Upgrade", "websocket")];
        for (more, reason) in [
            (&[KEY][..], Rejection::WebSocketVersion),
            (&[KEY, ("Sec-WebSocket-Version", "8")], Rejection::WebSocketVersion),
            (&[KEY, VERSION, VERSION], Rejection::WebSocketVersion),
            (&[VERSION], Rejection::Upgrade),
            (&[VERSION, KEY, KEY], Rejection::Upgrade),
            (&[VERSION, ("Sec-WebSocket-Key", "c2hvcnQ=")], Rejection::Upgrade),
            (&[VERSION, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!!==")], Rejection::Upgrade),
        ] {
            assert_eq!(asked(&[&wish, more].concat()), Err(Error::Refused(reason)), "{more:?}");
        }
    }
}
