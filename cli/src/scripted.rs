//! For tests: a server in this process that gives its answers in order, the last one again and again.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sluice_api::RolloutStatus;
use sluice_api::client::{Client, Server};
use tokio::net::TcpListener;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

/// The server; it ends with this value.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Answer {
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        Self { status: 200, body: serde_json::to_string(value).expect("it serializes") }
    }

    pub(crate) fn status(status: &RolloutStatus) -> Self {
        Self::json(status)
    }

    /// A stream of `status` events that ends after the last.
    pub(crate) fn events(statuses: &[&RolloutStatus]) -> Self {
        let event = |status: &&RolloutStatus| format!("event: status\ndata: {}\n\n", Self::status(status).body);
        Self { status: 200, body: statuses.iter().map(event).collect() }
    }

    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        Self { status, body: serde_json::json!({ "error": { "code": "some", "message": message } }).to_string() }
    }
}

impl Scripted {
    pub(crate) async fn answering(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, answers, Arc::clone(&asked)));
        Self { address, asked, task }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Server::try_new(&self.address).expect("an address"), None)
    }

    /// The paths asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, answers: Vec<Answer>, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| {
            let mut asked = asked.lock().expect("no panic");
            let answer = answers[asked.len().min(answers.len() - 1)].clone();
            asked.push(request.uri().to_string());
            async move {
                let body = Full::new(Bytes::from(answer.body));
                Ok::<_, Infallible>(Response::builder().status(answer.status).body(body).expect("a status"))
            }
        });
        // A client that hangs up in the middle is part of the tests.
        drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
    }
}
