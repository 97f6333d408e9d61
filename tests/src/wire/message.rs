//! Requests to send and answers that came.

use std::io;
use std::net::SocketAddr;

use super::{Head, Wire};

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Vec<u8>,
}

// === impl Request ===

impl Request {
    /// `method target`, for host `test.example`.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: "test.example".to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Another `Host`.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// One more field line.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body, with `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it over a connection of its own.
    pub async fn try_send(&self, to: SocketAddr) -> io::Result<Response> {
        Wire::connect(to).await?.exchange(self).await
    }

    /// The same, for tests that expect an answer.
    ///
    /// # Panics
    /// Without a whole answer.
    pub async fn send(&self, to: SocketAddr) -> Response {
        let sent = self.try_send(to).await;
        sent.unwrap_or_else(|error| panic!("no answer to {} {}: {error}", self.method, self.target))
    }
}

// === impl Response ===

impl Response {
    /// Which backend answered, as it calls itself; empty when the proxy answered.
    pub fn arm(&self) -> &str {
        self.head.field("x-arm").unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.head.all("connection").any(|value| value.to_ascii_lowercase().contains("close"))
    }
}
