//! Reads the body of a command: small, JSON, and nothing in it that is not understood.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Largest body.
pub(super) const MAX_BODY: usize = 64 << 10;

/// A body that has to be there.
#[derive(Debug)]
pub(super) struct Required<T>(pub(super) T);

/// A body that may be left out; then every field has its default.
#[derive(Debug)]
pub(super) struct Optional<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Required<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (headers, body) = read(request).await?;
        if body.is_empty() {
            return Err(ApiError::BadRequest("a JSON body is needed".to_owned()));
        }
        parse(&headers, &body).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Optional<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (headers, body) = read(request).await?;
        if body.is_empty() { Ok(Self(T::default())) } else { parse(&headers, &body).map(Self) }
    }
}

async fn read(request: Request) -> Result<(HeaderMap, Bytes), ApiError> {
    let (head, body) = request.into_parts();
    match Limited::<Body>::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok((head.headers, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge),
        Err(_) => Err(ApiError::BadRequest("the body broke off".to_owned())),
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::BadRequest(format!("content type {kind:?}: application/json is allowed")));
    }
    // A list would be taken for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::BadRequest("the body can't be meant: a JSON object is needed".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::BadRequest(format!("the body can't be meant: {error}")))
}
