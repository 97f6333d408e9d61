//! One HTTP/1.1 connection for one call.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{ClientError, Server};

/// A connection and the task that moves its bytes. The task ends with this value, so it needs no other owner.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(server: &Server, timeout: Duration) -> Result<Self, ClientError> {
        let unreachable = |cause| ClientError::Unreachable { server: server.to_string(), cause };
        let stream = tokio::time::timeout(timeout, TcpStream::connect((server.host(), server.port())))
            .await
            .map_err(|_| unreachable(format!("no connection within {} s", timeout.as_secs_f64())))?
            .map_err(|error| unreachable(plain(&error)))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        // Its errors reach the caller through `sender` and the body; there is nothing to add to them here.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        self.sender.send_request(request).await.map_err(|error| broken(&error))
    }

    /// The whole body, if it is not larger than `limit` bytes.
    pub(super) async fn collect(&mut self, body: Incoming, limit: usize) -> Result<Bytes, ClientError> {
        let collected = http_body_util::Limited::new(body, limit).collect().await;
        collected.map(http_body_util::Collected::to_bytes).map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => broken(&error),
            Err(_) => ClientError::BadAnswer(format!("it is larger than {limit} bytes")),
        })
    }

    /// The next piece of a body; `None` at its end.
    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = body.frame().await.transpose().map_err(|error| broken(&error))? {
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A request with the header fields that the admin API asks for.
pub(super) fn request(
    method: Method,
    server: &Server,
    path: &str,
    bearer: Option<String>,
    body: Option<Vec<u8>>,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    // Paths are built by `Server` from escaped segments, and tokens hold printable ASCII only.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let fields = request.headers_mut();
    let mut set = |name, text: &str| drop(text.parse().map(|value| fields.insert(name, value)));
    set(header::HOST, &server.host_field());
    set(header::USER_AGENT, concat!("sluice/", env!("CARGO_PKG_VERSION")));
    set(header::ACCEPT, "application/json, text/event-stream");
    if let Some(bearer) = bearer {
        set(header::AUTHORIZATION, &bearer);
    }
    if let Some(body) = body {
        set(header::CONTENT_TYPE, "application/json");
        *request.body_mut() = Full::from(body);
    }
    request
}

/// What the system says, without its error number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn broken(error: &hyper::Error) -> ClientError {
    match std::error::Error::source(error) {
        Some(source) => ClientError::Interrupted(format!("{error}: {source}")),
        None => ClientError::Interrupted(error.to_string()),
    }
}
