//! Why a call of the admin API failed: one variant for each thing that a caller does differently.
//!
//! Messages are sentences for people. What the server said is passed on as it came; whoever prints it has to escape
//! it first.

use std::time::Duration;

use http::StatusCode;

use crate::ErrorDetail;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server's address can't be used.
    #[error("server {given:?}: {why}")]
    BadServer {
        /// As it was given.
        given: String,
        /// What is wrong with it and what would be right.
        why: &'static str,
    },
    /// The token can't be a token.
    #[error("the token can't be used: {0}")]
    BadToken(&'static str),
    /// The name can't be the name of a rollout.
    #[error("{0:?} can't be the name of a rollout")]
    BadName(String),
    /// No connection; nothing was sent.
    #[error("no connection to {server}: {cause}")]
    Unreachable {
        /// The server.
        server: String,
        /// What the system said.
        cause: String,
    },
    /// Connected, but no whole answer in time. A command may have been carried out.
    #[error("{server} did not answer within {} s", waited.as_secs_f64())]
    TimedOut {
        /// The server.
        server: String,
        /// How long it was waited.
        waited: Duration,
    },
    /// The connection broke before the whole answer came. A command may have been carried out.
    #[error("the connection broke before the answer was complete: {0}")]
    Interrupted(String),
    /// 401.
    #[error("{0}")]
    Unauthorized(String),
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 404: no such rollout.
    #[error("{0}")]
    NotFound(String),
    /// 409: a stale generation, or not possible in this phase.
    #[error("{0}")]
    Conflict(String),
    /// 400, 413, 429: the request was not accepted.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the server said.
        message: String,
    },
    /// 5xx: a fault of the server.
    #[error("the server failed (HTTP {status}): {message}")]
    ServerFault {
        /// HTTP status.
        status: u16,
        /// What the server said.
        message: String,
    },
    /// The answer is none of an admin API, or of another version.
    #[error("the answer can't be used: {0}")]
    BadAnswer(String),
}

impl ClientError {
    /// The error that an [`ErrorDetail`] with this status means.
    pub(super) fn from_detail(status: StatusCode, detail: ErrorDetail) -> Self {
        let message = detail.message;
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized(message),
            StatusCode::FORBIDDEN => Self::Forbidden(message),
            StatusCode::NOT_FOUND => Self::NotFound(message),
            StatusCode::CONFLICT => Self::Conflict(message),
            status if status.is_client_error() => Self::Refused { status: status.as_u16(), message },
            status if status.is_server_error() => Self::ServerFault { status: status.as_u16(), message },
            status => Self::BadAnswer(format!("HTTP {status} with an error body")),
        }
    }

    /// Whether a later attempt to *read* may succeed: the server was not there or not well.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Interrupted(_) | Self::ServerFault { .. } => true,
            Self::BadServer { .. }
            | Self::BadToken(_)
            | Self::BadName(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_) => false,
            Self::NotFound(_) | Self::Conflict(_) | Self::Refused { .. } | Self::BadAnswer(_) => false,
        }
    }
}
