//! A small HTTP/1.1 client for receivers that people configure: notifications and gates.
//!
//! It refuses more than it can do. Redirects are not followed: whoever answers one would choose where a message goes.
//! Link-local and metadata addresses are refused, checked on the address that is connected to, so that no name and no
//! second look-up leads around it. TLS is verified, always. Each request has a connection of its own, a deadline for
//! everything together, and reads no more than [`MAX_ANSWER`] of an answer. No proxy is taken from the environment,
//! no cookie is kept. What it says of a failure never holds a path, a query, a header or a body: addresses of
//! webhooks are secrets.
//!
//! Never used on the way of a request.

mod address;
mod connect;
mod secret;
mod tls;
mod url;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

pub use address::refused_address;
pub use secret::{SecretError, SecretFile, signature};
pub use tls::{CaError, Trust};
pub(crate) use tls::{SYSTEM, add_authorities, system_roots};
pub use url::{Scheme, Url, UrlError};

/// An answer may be so long; receivers have little to say.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Sends requests to receivers; clones share the trusted roots.
#[derive(Clone, Debug)]
pub struct Client {
    trust: Trust,
}

/// What a receiver said. Every status but 3xx comes as an answer: what it means is the caller's business.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Why there was no answer. `Display` names host and cause, never a path, a header or a body.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The name leads only to addresses that no receiver may have.
    #[error("{0} is refused: link-local and metadata addresses are no receivers")]
    RefusedAddress(std::net::IpAddr),
    /// No address by this name.
    #[error("its name can't be resolved: {0}")]
    Resolve(io::Error),
    /// No connection.
    #[error("it can't be connected to: {0}")]
    Connect(io::Error),
    /// No trustworthy connection.
    #[error("its TLS is refused: {0}")]
    Tls(io::Error),
    /// Connected, but what came back was no whole HTTP answer.
    #[error("the exchange broke off: {0}")]
    Exchange(hyper::Error),
    /// Nothing, or too little, in time.
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    /// A redirect, which is not followed.
    #[error("it answers {0}, a redirect, which is not followed: configure where it leads")]
    Redirect(StatusCode),
    /// The answer is longer than [`MAX_ANSWER`].
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    TooLarge,
}

// === impl Client ===

impl Client {
    /// A client that trusts the machine's roots and those of `trust`.
    pub fn new(trust: Trust) -> Self {
        Self { trust }
    }

    /// Posts `body` on a fresh connection; everything together takes `timeout` at most.
    ///
    /// # Errors
    /// There was no answer, or it was a redirect.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, OutboundError> {
        let exchange = self.exchange(url, mk_request(url, headers, body));
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(OutboundError::Timeout(timeout)))
    }

    async fn exchange(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Answer, OutboundError> {
        let stream = connect::to(url).await?;
        match url.scheme() {
            Scheme::Http => converse(TokioIo::new(stream), request).await,
            Scheme::Https => converse(TokioIo::new(tls::wrap(stream, url, &self.trust).await?), request).await,
        }
    }
}

/// Ours are the lines that make a request what it is; `headers` can't change them.
fn mk_request(url: &Url, mut headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    headers.insert(HOST, url.host_header());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("sluice-proxy/", env!("CARGO_PKG_VERSION"))));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.target();
    *request.headers_mut() = headers;
    request
}

async fn converse<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, OutboundError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(stream).await.map_err(OutboundError::Exchange)?;
    let asking = async move {
        let answer = sender.send_request(request).await.map_err(OutboundError::Exchange)?;
        take_answer(answer).await
    };
    let mut connection = std::pin::pin!(connection);
    let mut asking = std::pin::pin!(asking);
    // The connection is driven by whoever asks: it ends with the answer, and no task outlives it.
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        // It may end first with the whole answer already read; if it broke, `asking` knows how.
        _ = &mut connection => asking.await,
    }
}

async fn take_answer(answer: http::Response<hyper::body::Incoming>) -> Result<Answer, OutboundError> {
    let (head, body) = answer.into_parts();
    if head.status.is_redirection() {
        return Err(OutboundError::Redirect(head.status));
    }
    if body.size_hint().lower() > MAX_ANSWER as u64 {
        return Err(OutboundError::TooLarge);
    }
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() }),
        Err(error) => Err(error
            .downcast::<hyper::Error>()
            .map_or(OutboundError::TooLarge, |error| OutboundError::Exchange(*error))),
    }
}

#[cfg(test)]
mod tests;
