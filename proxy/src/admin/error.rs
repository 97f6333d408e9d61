//! One function from what went wrong to an HTTP answer.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sluice_api::{ErrorBody, ErrorDetail, codes};

use crate::pilot::CommandError;

/// Why a request of the admin API is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The request can't be meant.
    BadRequest(String),
    /// No token or a wrong one.
    Unauthorized,
    /// A Host or Origin that is not ours.
    Forbidden(String),
    /// Nothing there.
    NotFound(String),
    /// The path knows other methods.
    MethodNotAllowed,
    /// Not within ten seconds.
    TimedOut,
    /// Not in this state.
    Conflict(String),
    /// A destination of notifications did not take a test.
    NotDelivered(String),
    /// A body over the limit.
    TooLarge,
    /// Too many writes; again in so many seconds.
    TooMany { retry_seconds: u64 },
    /// A fault of the server.
    Internal(String),
    /// The process is ending.
    Stopping,
}

// === impl ApiError ===

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::NotDelivered(_) => StatusCode::BAD_GATEWAY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::MethodNotAllowed | Self::TimedOut => codes::BAD_REQUEST,
            Self::Unauthorized => codes::UNAUTHORIZED,
            Self::Forbidden(_) => codes::FORBIDDEN,
            Self::NotFound(_) => codes::NOT_FOUND,
            Self::Conflict(_) => codes::CONFLICT,
            Self::NotDelivered(_) => codes::NOT_DELIVERED,
            Self::TooLarge => codes::TOO_LARGE,
            Self::TooMany { .. } => codes::TOO_MANY,
            Self::Internal(_) | Self::Stopping => codes::INTERNAL,
        }
    }

    fn message(self) -> String {
        match self {
            Self::BadRequest(message)
            | Self::Forbidden(message)
            | Self::NotFound(message)
            | Self::Conflict(message)
            | Self::NotDelivered(message)
            | Self::Internal(message) => message,
            Self::Unauthorized => "this needs `Authorization: Bearer` with the token of the admin API".to_owned(),
            Self::MethodNotAllowed => "this path does not know that method".to_owned(),
            Self::TimedOut => "the request was not complete within 10 s".to_owned(),
            Self::TooLarge => "the body is larger than 64 KiB".to_owned(),
            Self::TooMany { retry_seconds } => format!("too many requests: try again in {retry_seconds} s"),
            Self::Stopping => "the proxy is shutting down".to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, retry) = (self.status(), self.code(), self.retry_after());
        let body = ErrorBody { error: ErrorDetail { code: code.to_owned(), message: self.message() } };
        let mut response = json(status, &body);
        if let Some(retry) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, retry);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl ApiError {
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::TooMany { retry_seconds } => Some(HeaderValue::from(*retry_seconds)),
            _ => None,
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(_) => Self::NotFound(error.to_string()),
            CommandError::Invalid(message) => Self::BadRequest(message),
            CommandError::Refused(refusal) => Self::Conflict(refusal.to_string()),
            CommandError::Conflict(message) => Self::Conflict(message),
            CommandError::Stopped => Self::Stopping,
        }
    }
}

/// A JSON answer. Our own types can always be written; if one can't, the answer is an empty 500.
pub(super) fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "an answer of the admin API can't be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
