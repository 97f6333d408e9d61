//! The head of a request or an answer: one look at all fields, and the checks that need no more.
//!
//! Looking for a field that is not there costs as much as finding it. So the fields are walked through once, those that
//! need work are marked, and only what is marked is touched later. Checks here refuse what would be read in two ways;
//! they refuse nothing that is merely unusual.

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};

use super::error::Error;
use super::grpc;
use super::http2;
use super::reject::Rejection;
use super::target;
use super::workers::Limits;

/// Fields of a head that need work, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    pub(super) const CONNECTION: Self = Self(1);
    pub(super) const TRANSFER_ENCODING: Self = Self(1 << 1);
    pub(super) const CONTENT_LENGTH: Self = Self(1 << 2);
    /// Fields for one hop that go without further questions: `Keep-Alive`, `Proxy-Connection`, `TE`, `Upgrade`,
    /// `HTTP2-Settings`, `Proxy-Authenticate`, `Proxy-Authorization`.
    pub(super) const ONE_HOP: Self = Self(1 << 3);
    pub(super) const HOST: Self = Self(1 << 4);
    pub(super) const SECOND_HOST: Self = Self(1 << 5);
    /// `Forwarded`, `X-Forwarded-*`, `X-Real-IP`.
    pub(super) const FORWARDED: Self = Self(1 << 6);
    pub(super) const REQUEST_ID: Self = Self(1 << 7);
    /// `Content-Type: text/event-stream`.
    pub(super) const EVENT_STREAM: Self = Self(1 << 8);
    /// `traceparent`, `tracestate`.
    pub(super) const TRACE: Self = Self(1 << 9);
    /// A name with `_`, which some servers take for the same as one with `-`.
    pub(super) const UNDERSCORE: Self = Self(1 << 10);
    /// `Content-Length` with zeros in front, which some take for an octal number.
    pub(super) const PADDED_LENGTH: Self = Self(1 << 11);
    pub(super) const EMPTY_HOST: Self = Self(1 << 13);

    /// `Content-Type: application/grpc`.
    pub(super) const GRPC: Self = Self(1 << 14);
    /// `Upgrade`.
    pub(super) const UPGRADE: Self = Self(1 << 12);

    #[inline]
    pub(super) fn has(self, marks: Self) -> bool {
        self.0 & marks.0 != 0
    }

    #[inline]
    fn add(&mut self, marks: Self) {
        self.0 |= marks.0;
    }

    /// Walks through a head once.
    #[inline]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut marks = Self::default();
        for (name, value) in headers {
            marks.see(name, value);
        }
        marks
    }

    #[inline]
    fn see(&mut self, name: &HeaderName, value: &HeaderValue) {
        // One comparison of lengths for each name, and of bytes only where the length fits.
        let mark = match name.as_str() {
            "host" if self.has(Self::HOST) => Self::SECOND_HOST,
            "host" if value.is_empty() => Self(Self::HOST.0 | Self::EMPTY_HOST.0),
            "host" => Self::HOST,
            "connection" => Self::CONNECTION,
            "transfer-encoding" => Self::TRANSFER_ENCODING,
            "content-length" if value.len() > 1 && value.as_bytes().starts_with(b"0") => {
                Self(Self::CONTENT_LENGTH.0 | Self::PADDED_LENGTH.0)
            }
            "content-length" => Self::CONTENT_LENGTH,
            "content-type" if begins(value, b"text/event-stream") => Self::EVENT_STREAM,
            "content-type" if begins(value, grpc::MEDIA_TYPE) => Self::GRPC,
            "upgrade" => {
                self.add(Self::UPGRADE);
                Self::ONE_HOP
            }
            "te"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "http2-settings" => Self::ONE_HOP,
            "forwarded" | "x-real-ip" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => Self::FORWARDED,
            "x-request-id" => Self::REQUEST_ID,
            "traceparent" | "tracestate" => Self::TRACE,
            name if name.contains('_') => Self::UNDERSCORE,
            _ => return,
        };
        self.add(mark);
    }
}

/// Whether a media type is this one, whatever its parameters.
pub(super) fn begins(value: &HeaderValue, name: &[u8]) -> bool {
    value.as_bytes().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Checks a request's head and puts it into the form in which it is routed and forwarded: origin form, one `Host`.
#[inline]
pub(super) fn check<B>(request: &mut Request<B>, limits: &Limits) -> Result<Marks, Error> {
    let refused = |reason| Err(Error::Refused(reason));
    if is_unwanted(request.method()) {
        return refused(Rejection::Method);
    }
    if request.version() == Version::HTTP_2 {
        http2::check(request)?;
    }
    let mut marks = Marks::of(request.headers());
    check_host(request, marks)?;
    if request.uri().authority().is_some() {
        into_origin_form(request)?;
        marks.add(Marks::HOST);
    }
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > limits.target) {
        return refused(Rejection::TargetTooLong);
    }
    let path = request.uri().path();
    if !path.starts_with('/') || !target::is_plain(path) {
        return Err(without_path(request));
    }
    if !marks.has(Marks::HOST) {
        // HTTP/1.0 knows no Host; towards the upstream we speak 1.1, which needs one, if only an empty one.
        request.headers_mut().insert(header::HOST, HeaderValue::from_static(""));
    }
    if marks.has(Marks::TRANSFER_ENCODING) && !is_plain_chunked(request.headers()) {
        return refused(Rejection::TransferCoding);
    }
    Ok(marks)
}

/// A tunnel through us, or a mirror of what we send, is nobody's business.
#[inline]
fn is_unwanted(method: &Method) -> bool {
    matches!(*method, Method::CONNECT | Method::TRACE) || method.as_str() == "TRACK"
}

/// One `Host`, which only HTTP/1.0 may leave out or empty. HTTP/2 has its own way to say it.
#[inline]
fn check_host<B>(request: &Request<B>, marks: Marks) -> Result<(), Error> {
    let is_missing = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => false,
        Version::HTTP_11 => !marks.has(Marks::HOST) || marks.has(Marks::EMPTY_HOST),
        _ => !marks.has(Marks::HOST) && request.uri().authority().is_none(),
    };
    if is_missing || marks.has(Marks::SECOND_HOST) { Err(Error::Refused(Rejection::Host)) } else { Ok(()) }
}

/// `OPTIONS *` asks what we can do; anything else without a plain path asks for nothing that there is.
#[cold]
fn without_path<B>(request: &Request<B>) -> Error {
    if request.uri().path() == "*" && *request.method() == Method::OPTIONS {
        Error::AskedItself
    } else {
        Error::Refused(Rejection::Target)
    }
}

/// Absolute form: the host of the target wins over the field (RFC 9112 section 3.2.2).
#[cold]
fn into_origin_form<B>(request: &mut Request<B>) -> Result<(), Error> {
    let refused = Error::Refused(Rejection::Host);
    // Without scheme it is what only CONNECT may send.
    if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
        return Err(Error::Refused(Rejection::Target));
    }
    let authority = request.uri().authority().map(Authority::as_str).unwrap_or_default();
    let host = HeaderValue::from_str(authority).map_err(|_| refused)?;
    if authority.contains('@') {
        return Err(refused);
    }
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = target.map_or_else(|| http::Uri::from_static("/"), http::Uri::from);
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// Exactly one `Transfer-Encoding` line with exactly `chunked`. Anything else is read differently by somebody.
pub(super) fn is_plain_chunked(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = lines.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && lines.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_what_needs_work_is_marked() {
        assert_eq!(
            Marks::of(&headers(&[("accept", "*/*"), ("x-canary", "always"), ("content-type", "text/html")])),
            Marks::default()
        );
        let marks = Marks::of(&headers(&[
            ("host", "a"),
            ("keep-alive", "1"),
            ("content-type", "Text/Event-Stream; charset=utf-8"),
        ]));
        assert!(marks.has(Marks::HOST) && marks.has(Marks::ONE_HOP) && marks.has(Marks::EVENT_STREAM));
        assert!(!marks.has(Marks::SECOND_HOST) && !marks.has(Marks::CONNECTION));
        assert!(Marks::of(&headers(&[("host", "a"), ("host", "a")])).has(Marks::SECOND_HOST));
    }

    #[test]
    fn only_one_line_of_chunked_is_a_transfer_coding() {
        for (lines, plain) in [
            (&[("transfer-encoding", "chunked")][..], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(is_plain_chunked(&headers(lines)), plain, "{lines:?}");
        }
    }
}
