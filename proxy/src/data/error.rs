//! Every failure of a request, and the one place where it becomes an answer.
//!
//! What the client is told is short and says nothing of the inside; what happened is in the counters.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::answer::Body;
use super::reject::Rejection;
use crate::counters::FailureKind;

/// Why a request got no answer from an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// Refused before an arm was chosen.
    Refused(Rejection),
    /// The request's body stopped coming.
    UploadStalled,
    /// The request's body was broken off or wrongly framed.
    UploadBroken,
    /// The attempt failed at the upstream.
    Upstream(FailureKind),
    /// No failure: `OPTIONS *` is not for an upstream. It is here because we answer it.
    AskedItself,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Client,
    Proxy,
    Upstream,
}

// === impl Error ===

impl Error {
    /// Whose fault it is: the client's never counts against an arm.
    pub(super) fn source(self) -> Source {
        match self {
            Self::Upstream(FailureKind::NoEndpoint) | Self::AskedItself => Source::Proxy,
            Self::Refused(reason) if reason.is_policy() => Source::Proxy,
            Self::Refused(_) | Self::UploadStalled | Self::UploadBroken => Source::Client,
            Self::Upstream(_) => Source::Upstream,
        }
    }

    /// What the access log calls it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.label(),
            Self::UploadStalled => "upload_stalled",
            Self::UploadBroken => "upload_broken",
            Self::Upstream(kind) => kind.label(),
            Self::AskedItself => "options",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Refused(reason) => match reason {
                Rejection::Malformed
                | Rejection::Framing
                | Rejection::Body
                | Rejection::Target
                | Rejection::Host
                | Rejection::Connection
                | Rejection::Upgrade => StatusCode::BAD_REQUEST,
                Rejection::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
                Rejection::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                // There is nobody who could read an answer.
                Rejection::Handshake | Rejection::ProxyHeader => StatusCode::BAD_REQUEST,
                Rejection::Connections | Rejection::ClientConnections | Rejection::Descriptors | Rejection::Memory => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                Rejection::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Rejection::TargetTooLong => StatusCode::URI_TOO_LONG,
                Rejection::Method => StatusCode::METHOD_NOT_ALLOWED,
                Rejection::TransferCoding => StatusCode::NOT_IMPLEMENTED,
                Rejection::NoRoute => StatusCode::NOT_FOUND,
                Rejection::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
                Rejection::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Rejection::Address => StatusCode::FORBIDDEN,
                Rejection::Unauthorized => StatusCode::UNAUTHORIZED,
                Rejection::AuthUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                Rejection::RateLimited | Rejection::TooMany => StatusCode::TOO_MANY_REQUESTS,
            },
            Self::UploadStalled => StatusCode::REQUEST_TIMEOUT,
            Self::UploadBroken => StatusCode::BAD_REQUEST,
            Self::Upstream(kind) => match kind {
                FailureKind::Timeout | FailureKind::ConnectTimeout => StatusCode::GATEWAY_TIMEOUT,
                FailureKind::NoEndpoint => StatusCode::SERVICE_UNAVAILABLE,
                FailureKind::Status
                | FailureKind::Connect
                | FailureKind::Reset
                | FailureKind::Truncated
                | FailureKind::Protocol => StatusCode::BAD_GATEWAY,
            },
            Self::AskedItself => StatusCode::OK,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Refused(reason) => match reason {
                Rejection::Malformed => "malformed request\n",
                Rejection::HeadTooLarge => "request head too large\n",
                Rejection::TargetTooLong => "request target too long\n",
                Rejection::Method => "method not allowed\n",
                Rejection::Host => "missing or invalid Host\n",
                Rejection::TransferCoding => "unknown transfer coding\n",
                Rejection::Framing => "ambiguous length of the request\n",
                Rejection::Body => "malformed request body\n",
                Rejection::Version => "HTTP/1.0 and HTTP/1.1 are spoken here\n",
                Rejection::Target => "invalid path\n",
                Rejection::Connection => "Connection names a protected field\n",
                Rejection::Upgrade => "malformed WebSocket handshake\n",
                Rejection::WebSocketVersion => "WebSocket version 13 is supported\n",
                Rejection::NoRoute => "no route\n",
                Rejection::BodyTooLarge => "request body too large\n",
                Rejection::Address => "forbidden\n",
                Rejection::Unauthorized => "authentication required\n",
                Rejection::AuthUnavailable => "authentication unavailable\n",
                Rejection::RateLimited | Rejection::TooMany => "too many requests\n",
                Rejection::HeadTimeout => "request head timed out\n",
                Rejection::Handshake => "no TLS\n",
                Rejection::ProxyHeader => "no PROXY header\n",
                Rejection::Connections | Rejection::ClientConnections | Rejection::Descriptors | Rejection::Memory => {
                    "overloaded\n"
                }
            },
            Self::UploadStalled => "request body stalled\n",
            Self::UploadBroken => "malformed request body\n",
            Self::Upstream(kind) => match kind {
                FailureKind::Timeout | FailureKind::ConnectTimeout => "upstream timed out\n",
                FailureKind::NoEndpoint => "no upstream available\n",
                FailureKind::Status
                | FailureKind::Connect
                | FailureKind::Reset
                | FailureKind::Truncated
                | FailureKind::Protocol => "upstream failed\n",
            },
            Self::AskedItself => "",
        }
    }

    /// The same as bytes, where no request has come so far that it could be answered as one.
    #[cold]
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (status, text) = (self.status(), self.text());
        let (code, reason) = (status.as_str(), status.canonical_reason().unwrap_or_default());
        let length = text.len();
        format!(
            "HTTP/1.1 {code} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{text}"
        )
        .into_bytes()
    }

    /// The answer to the client. Whose request we could not trust gets no second one on the same connection.
    #[cold]
    pub(super) fn into_answer(self) -> Response<Body> {
        let text = self.text();
        let mut answer = Response::new(Body::Text(Some(Bytes::from_static(text.as_bytes()))));
        *answer.status_mut() = self.status();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        // A connection that is kept takes memory as well.
        if self.source() == Source::Client || self == Self::Refused(Rejection::Memory) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::Refused(Rejection::WebSocketVersion) {
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        if matches!(self, Self::Refused(Rejection::Method) | Self::AskedItself) {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_upstream_keep_the_connection_and_faults_of_the_client_close_it() {
        for (error, status, closes) in [
            (Error::Upstream(FailureKind::Connect), 502, false),
            (Error::Upstream(FailureKind::Protocol), 502, false),
            (Error::Upstream(FailureKind::Timeout), 504, false),
            (Error::Upstream(FailureKind::ConnectTimeout), 504, false),
            (Error::Upstream(FailureKind::NoEndpoint), 503, false),
            (Error::Refused(Rejection::NoRoute), 404, false),
            (Error::Refused(Rejection::Host), 400, true),
            (Error::Refused(Rejection::Method), 405, true),
            (Error::Refused(Rejection::TargetTooLong), 414, true),
            (Error::UploadStalled, 408, true),
            (Error::Refused(Rejection::Memory), 503, true),
            (Error::Refused(Rejection::BodyTooLarge), 413, true),
        ] {
            let answer = error.into_answer();
            assert_eq!(answer.status(), status, "{error:?}");
            assert_eq!(answer.headers().contains_key(header::CONNECTION), closes, "{error:?}");
        }
    }
}
