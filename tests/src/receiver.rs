//! A receiver of notifications: records what it is posted and answers as it is told, in clear or by TLS.
//!
//! One request a connection. What it answers, and whether it answers or listens at all, can be changed while it runs.

mod tls;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use self::tls::Authority;
use crate::ports;
use crate::wait::eventually;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Path and query.
    pub target: String,
    /// Lower-case names and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

#[derive(Debug)]
struct Shared {
    /// Status line and header lines.
    answer: Mutex<String>,
    /// Answers are held back while this is false.
    open: watch::Sender<bool>,
    posted: Mutex<Vec<Posted>>,
    /// Those that were answered 2xx.
    taken: Mutex<Vec<Posted>>,
}

/// A running receiver; it ends when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    tls: Option<Authority>,
    accepting: Option<JoinHandle<()>>,
}

// === impl Receiver ===

impl Receiver {
    /// One that takes everything, in clear.
    pub async fn start() -> Self {
        let mut receiver = Self::new(None);
        receiver.reopen().await;
        receiver
    }

    /// One that is not there yet.
    pub fn down() -> Self {
        Self::new(None)
    }

    /// One behind TLS, with a certificate of `authority`.
    pub async fn with_tls(authority: Authority) -> Self {
        let mut receiver = Self::new(Some(authority));
        receiver.reopen().await;
        receiver
    }

    fn new(tls: Option<Authority>) -> Self {
        let shared = Shared {
            answer: Mutex::new("200 OK".to_owned()),
            open: watch::Sender::new(true),
            posted: Mutex::default(),
            taken: Mutex::default(),
        };
        Self { address: ports::free_address(), shared: Arc::new(shared), tls, accepting: None }
    }

    /// Where it is, with this path and query.
    pub fn url(&self, target: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{target}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers this status, with these header lines (each ending in CR LF).
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn answers(&self, status: u16, lines: &str) {
        *self.shared.answer.lock().expect("nobody panics here") =
            format!("{status} x\r\n{lines}").trim_end().to_owned();
    }

    /// Takes requests and answers nothing, until [`Receiver::release`].
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Answers what it holds, and from now on.
    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }

    /// Closes the port and every connection.
    pub async fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            accepting.await.ok();
        }
    }

    /// Listens.
    ///
    /// # Panics
    /// If its port is in use.
    pub async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port was free a moment ago");
        let acceptor = self.tls.as_ref().map(Authority::acceptor);
        self.accepting = Some(tokio::spawn(accept(listener, acceptor, Arc::clone(&self.shared))));
    }

    /// Everything that came, answered or not.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().expect("nobody panics here").clone()
    }

    /// Everything that it answered 2xx.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn taken(&self) -> Vec<Posted> {
        self.shared.taken.lock().expect("nobody panics here").clone()
    }

    /// Waits until it has taken notices of a webhook whose kinds are just these, in this order.
    ///
    /// # Panics
    /// If it never has.
    pub async fn until_kinds(&self, kinds: &[&str]) -> Vec<Value> {
        eventually("the notices come", async || {
            let notices: Vec<Value> = self.taken().iter().map(Posted::json).collect();
            let found: Vec<_> = notices.iter().map(|notice| notice["kind"].as_str().unwrap_or_default()).collect();
            if found == kinds { Ok(notices) } else { Err(format!("{found:?} instead of {kinds:?}")) }
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

// === impl Posted ===

impl Posted {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body in JSON")
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    match acceptor {
                        // A client that refuses the certificate goes away here, and nothing is recorded.
                        Some(acceptor) => if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &shared).await;
                        },
                        None => serve(stream, &shared).await,
                    }
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let Some(posted) = read(&mut stream).await else { return };
    shared.posted.lock().expect("nobody panics here").push(posted.clone());
    if shared.open.subscribe().wait_for(|open| *open).await.is_err() {
        return;
    }
    let answer = shared.answer.lock().expect("nobody panics here").clone();
    if answer.starts_with('2') {
        shared.taken.lock().expect("nobody panics here").push(posted);
    }
    let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The client may be gone by now.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Posted> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse::<usize>().ok()?;
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Posted { target, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
