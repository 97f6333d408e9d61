//! One question to one endpoint: pingora's HTTP health check with our settings, or the same by TLS.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pingora_core::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck as _, HttpHealthCheck};
use tokio::net::TcpStream;

use crate::config::HealthCheck;
use crate::endpoint::Endpoint;
use crate::tls::UpstreamTls;

/// Asks `GET path` on a fresh connection: one that is kept could hide that no new one can be made.
pub(super) struct Probe {
    way: Way,
    timeout: Duration,
}

enum Way {
    Plain(Box<HttpHealthCheck>),
    /// As requests go; pingora's TLS would be a second one with settings of its own.
    Tls {
        tls: UpstreamTls,
        authority: String,
        path: Uri,
    },
}

impl Probe {
    /// The `Host` header says what a request through the proxy would by default.
    pub(super) fn new(settings: &HealthCheck, endpoint: &Endpoint) -> Self {
        let timeout = Duration::from(settings.timeout);
        // A path that is no URI was refused with the configuration.
        let path = settings.path.parse().unwrap_or_else(|_| Uri::from_static("/"));
        let way = if endpoint.is_tls() {
            Way::Tls { tls: settings.tls.clone(), authority: endpoint.authority().to_owned(), path }
        } else {
            Way::Plain(Box::new(mk_check(endpoint.authority(), path, timeout)))
        };
        Self { way, timeout }
    }

    /// Whether the endpoint answers 2xx or 3xx in time; why not, otherwise.
    pub(super) async fn ask(&self, address: SocketAddr) -> Result<(), String> {
        // pingora limits each read; an answer that trickles must end too.
        tokio::time::timeout(self.timeout, self.way.ask(address))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout)))
    }
}

impl Way {
    async fn ask(&self, address: SocketAddr) -> Result<(), String> {
        match self {
            Self::Plain(check) => {
                let backend = Backend::new(&address.to_string()).map_err(|error| error.to_string())?;
                check.check(&backend).await.map_err(|error| reason(&error))
            }
            Self::Tls { tls, authority, path } => {
                let status = ask_by_tls(tls, authority, path, address).await.map_err(|error| error.to_string())?;
                judge(status.as_u16()).map_err(|status| format!("answers {status}"))
            }
        }
    }
}

fn mk_check(host: &str, path: Uri, timeout: Duration) -> HttpHealthCheck {
    let mut check = HttpHealthCheck::new(host, false);
    let options = &mut check.peer_template.options;
    options.connection_timeout = Some(timeout);
    options.total_connection_timeout = Some(timeout);
    options.read_timeout = Some(timeout);
    options.write_timeout = Some(timeout);
    check.req.set_uri(path);
    check.validator = Some(Box::new(|answer| {
        judge(answer.status.as_u16()).or_else(|status| Error::e_explain(ErrorType::HTTPStatus(status), "health check"))
    }));
    check
}

fn judge(status: u16) -> Result<(), u16> {
    if (200..=399).contains(&status) { Ok(()) } else { Err(status) }
}

async fn ask_by_tls(tls: &UpstreamTls, authority: &str, path: &Uri, address: SocketAddr) -> anyhow::Result<StatusCode> {
    let stream = tls.wrap(TcpStream::connect(address).await?, authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    // Driven by whoever asks, so that no task outlives the question.
    tokio::select! {
        biased;
        answer = &mut answer => Ok(answer?.status()),
        _ = &mut connection => Ok(answer.await?.status()),
    }
}

fn reason(error: &Error) -> String {
    match error.etype() {
        ErrorType::HTTPStatus(status) => format!("answers {status}"),
        other => other.as_str().to_owned(),
    }
}
