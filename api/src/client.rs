//! A small client of the admin API, for the command line tool and for tests.
//!
//! One call is one connection: an operator's tool makes a handful of calls, and a connection that is never reused can
//! never be half dead. Every wait has an end (connect 3 s, answer 10 s); a stream of events has no total limit, but
//! silence of 30 s ends it, because the server says something every second.
//!
//! It refuses: anything but `http://` (a token must not go to a name that nobody checked; TLS comes later), redirects
//! (a token must not follow them), answers over 8 MiB, and names that could mean another path. It never repeats a
//! command by itself: whoever calls knows whether that is right.

mod error;
mod sse;
mod target;
mod transport;

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::ClientError;
pub use self::target::Server;
use self::transport::Connection;
use crate::{
    AbortRequest, CommandRequest, Decision, DoraReport, ErrorBody, History, NotificationTest, PromoteRequest,
    ReleaseRequest,
};
use crate::{RolloutList, RolloutStatus, WeightRequest};

/// Time for name look-up, TCP connect and nothing else.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time from the start of a call to the last byte of its answer (for events: to the head of the answer).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of events that is silent for so long is dead: the server sends `status` once a second.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer taken into memory. A rollout is about 10 KiB with its history, so this is hundreds of them.
const ANSWER_LIMIT: usize = 8 << 20;

/// Largest single event: one rollout, with room to spare.
const EVENT_LIMIT: usize = 1 << 20;

/// The waits of a client; [`Limits::default`] unless a test wants them shorter.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time to connect.
    pub connect: Duration,
    /// Time for the whole answer.
    pub answer: Duration,
    /// Longest silence in a stream of events.
    pub silence: Duration,
    /// Largest answer, bytes.
    pub body: usize,
}

/// The secret that allows writes. Its `Debug` form hides it.
#[derive(Clone)]
pub struct Token(String);

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    server: Server,
    token: Option<Token>,
    limits: Limits,
}

/// One message of `GET …/events`.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerEvent {
    /// The rollout as it is now.
    Status(Box<RolloutStatus>),
    /// Something was decided.
    Decision(Box<Decision>),
}

/// A stream of events that is being read.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
    body: hyper::body::Incoming,
    parser: sse::Parser,
    silence: Duration,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, answer: ANSWER_TIMEOUT, silence: SILENCE_TIMEOUT, body: ANSWER_LIMIT }
    }
}

// === impl Token ===

impl Token {
    /// A token as it stands in a file or variable: surrounding white space is not part of it.
    pub fn try_new(text: &str) -> Result<Self, ClientError> {
        let token = text.trim();
        if token.is_empty() {
            return Err(ClientError::BadToken("it is empty"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ClientError::BadToken("it holds characters other than printable ASCII"));
        }
        Ok(Self(token.to_owned()))
    }

    fn as_bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

// === impl Client ===

impl Client {
    /// A client of `server`; without a token it can only read.
    pub fn new(server: Server, token: Option<Token>) -> Self {
        Self { server, token, limits: Limits::default() }
    }

    /// The same with other waits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The server it talks to.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Whether it carries a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Every rollout.
    pub async fn list(&self) -> Result<RolloutList, ClientError> {
        self.call(Method::GET, self.server.list_path(), None::<&()>).await
    }

    /// One rollout.
    pub async fn get(&self, name: &str) -> Result<RolloutStatus, ClientError> {
        self.call(Method::GET, self.server.rollout_path(name, "")?, None::<&()>).await
    }

    /// Its past generations.
    pub async fn history(&self, name: &str) -> Result<History, ClientError> {
        self.call(Method::GET, self.server.rollout_path(name, "/history")?, None::<&()>).await
    }

    /// The DORA report on what ended from `since` to `until`: each a time ago such as `30d`, or Unix milliseconds; the
    /// last 30 days without them.
    pub async fn dora(&self, since: Option<&str>, until: Option<&str>) -> Result<DoraReport, ClientError> {
        let query = [("since", since), ("until", until)];
        self.call(Method::GET, self.server.report_path("dora", &query), None::<&()>).await
    }

    /// Ends the present wait, or all of them.
    pub async fn promote(&self, name: &str, request: &PromoteRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::POST, name, "/promote", request).await
    }

    /// Weight 0, now.
    pub async fn abort(&self, name: &str, request: &AbortRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::POST, name, "/abort", request).await
    }

    /// Starts the taken-back canary again.
    pub async fn retry(&self, name: &str, request: &CommandRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::POST, name, "/retry", request).await
    }

    /// Holds weight and clock.
    pub async fn pause(&self, name: &str, request: &CommandRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::POST, name, "/pause", request).await
    }

    /// Ends a pause.
    pub async fn resume(&self, name: &str, request: &CommandRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::POST, name, "/resume", request).await
    }

    /// Starts a release.
    pub async fn release(&self, name: &str, request: &ReleaseRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::PUT, name, "/canary", request).await
    }

    /// Sets the weight; only with the `manual` strategy.
    pub async fn set_weight(&self, name: &str, request: &WeightRequest) -> Result<RolloutStatus, ClientError> {
        self.command(Method::PUT, name, "/weight", request).await
    }

    /// Sends a test to a destination of notifications.
    pub async fn test_notification(&self, name: &str) -> Result<NotificationTest, ClientError> {
        self.call(Method::POST, self.server.notification_test_path(name)?, None::<&()>).await
    }

    /// Listens to one rollout.
    pub async fn events(&self, name: &str) -> Result<Events, ClientError> {
        let path = self.server.rollout_path(name, "/events")?;
        let opened = async {
            let mut connection = Connection::open(&self.server, self.limits.connect).await?;
            let request = transport::request(Method::GET, &self.server, &path, self.bearer(), None);
            let response = connection.send(request).await?;
            if response.status() == StatusCode::OK {
                return Ok((connection, response.into_body()));
            }
            let status = response.status();
            let body = connection.collect(response.into_body(), self.limits.body).await?;
            Err(self.refused(status, &body))
        };
        let (connection, body) = self.in_time(opened).await?;
        let parser = sse::Parser::new(EVENT_LIMIT);
        Ok(Events { connection, body, parser, silence: self.limits.silence })
    }

    async fn command<B: Serialize>(
        &self,
        method: Method,
        name: &str,
        suffix: &str,
        body: &B,
    ) -> Result<RolloutStatus, ClientError> {
        self.call(method, self.server.rollout_path(name, suffix)?, Some(body)).await
    }

    async fn call<B: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<&B>,
    ) -> Result<A, ClientError> {
        let body =
            body.map(serde_json::to_vec).transpose().map_err(|error| ClientError::BadAnswer(error.to_string()))?;
        let answered = async {
            let mut connection = Connection::open(&self.server, self.limits.connect).await?;
            let request = transport::request(method, &self.server, &path, self.bearer(), body);
            let response = connection.send(request).await?;
            let status = response.status();
            Ok((status, connection.collect(response.into_body(), self.limits.body).await?))
        };
        let (status, body) = self.in_time(answered).await?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::BadAnswer(format!("it is no answer of this version: {error}")))
    }

    fn bearer(&self) -> Option<String> {
        self.token.as_ref().map(Token::as_bearer)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let late = || ClientError::TimedOut { server: self.server.to_string(), waited: self.limits.answer };
        tokio::time::timeout(self.limits.answer, call).await.map_err(|_| late())?
    }

    /// What an answer that is not 2xx means. A body that is not ours comes from something else at this address.
    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => ClientError::from_detail(status, body.error),
            Err(_) => ClientError::BadAnswer(format!("HTTP {status} without the error body of an admin API")),
        }
    }
}

// === impl Events ===

impl Events {
    /// The next event; `None` when the server ended the stream. Events of unknown kinds are skipped.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, ClientError> {
        loop {
            while let Some(message) = self.parser.take_message() {
                if let Some(event) = ServerEvent::try_from_message(&message)? {
                    return Ok(Some(event));
                }
            }
            let piece = tokio::time::timeout(self.silence, self.connection.next_piece(&mut self.body));
            match piece.await {
                Err(_) => return Err(ClientError::Interrupted(format!("no event for {} s", self.silence.as_secs()))),
                Ok(piece) => match piece? {
                    Some(bytes) => self.parser.push(&bytes).map_err(ClientError::BadAnswer)?,
                    None => return Ok(None),
                },
            }
        }
    }
}

// === impl ServerEvent ===

impl ServerEvent {
    fn try_from_message(message: &sse::Message) -> Result<Option<Self>, ClientError> {
        let event = match message.event.as_str() {
            "status" => serde_json::from_str(&message.data).map(Self::Status),
            "decision" => serde_json::from_str(&message.data).map(Self::Decision),
            _ => return Ok(None),
        };
        event.map(Some).map_err(|error| {
            ClientError::BadAnswer(format!("an event of kind {:?} can't be read: {error}", message.event))
        })
    }
}

#[cfg(test)]
mod tests;
