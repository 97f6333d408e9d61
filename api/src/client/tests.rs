//! The client against a server in this process that answers as told.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

/// What the server saw.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    authorization: Option<String>,
    host: Option<String>,
    body: String,
}

/// A server that gives every request the same answer.
struct Scripted {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    async fn answering(status: u16, body: impl Into<Bytes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, status, body.into(), Arc::clone(&seen)));
        Self { address, seen, task }
    }

    fn client(&self, token: Option<&str>) -> Client {
        let token = token.map(|token| Token::try_new(token).unwrap());
        Client::new(Server::try_new(&self.address).unwrap(), token)
    }

    fn only_request(&self) -> Seen {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, status: u16, body: Bytes, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| {
            let (seen, body) = (Arc::clone(&seen), body.clone());
            async move {
                let (head, sent) = request.into_parts();
                let sent = sent.collect().await.unwrap().to_bytes();
                let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                seen.lock().unwrap().push(Seen {
                    line: format!("{} {}", head.method, head.uri),
                    authorization: field("authorization"),
                    host: field("host"),
                    body: String::from_utf8(sent.to_vec()).unwrap(),
                });
                Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(body)).unwrap())
            }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        drop(connection.await);
    }
}

fn shop() -> serde_json::Value {
    serde_json::json!({
        "name": "shop", "strategy": "canary", "generation": 3, "phase": "Progressing", "reason": "Step", "message": "Step 1 of 4.",
        "step": { "index": 1, "count": 4, "weights": [10.0, 25.0, 50.0, 100.0], "elapsedSeconds": 1.0, "durationSeconds": 300.0 },
        "weight": { "wanted": 10.0, "inForce": 10.0 },
        "stable": {
            "version": "v1", "endpoints": [], "requests": 0, "directed": 0, "attemptFailures": 0, "userFailures": 0, "inFlight": 0,
            "successRate": null, "p50Ms": null, "p95Ms": null, "p99Ms": null, "requestsPerSecond": 0.0
        },
        "metrics": [], "waitingFor": [], "shield": { "answered": 0, "failed": 0, "overBudget": 0 }, "history": [], "somethingNewer": true
    })
}

fn refusal(code: &str, message: &str) -> String {
    serde_json::json!({ "error": { "code": code, "message": message } }).to_string()
}

#[tokio::test]
async fn a_read_asks_for_the_name_and_gives_the_status() {
    let server = Scripted::answering(200, shop().to_string()).await;
    let status = server.client(None).get("prod/shop").await.unwrap();
    assert_eq!((status.name.as_str(), status.generation), ("shop", 3));
    let seen = server.only_request();
    assert_eq!(seen.line, "GET /v1/rollouts/prod%2Fshop");
    assert_eq!(seen.host.as_deref(), Some(server.address.as_str()));
    assert_eq!(seen.authorization, None);
}

#[tokio::test]
async fn list_and_history_have_their_own_types() {
    let list = serde_json::json!({
        "rollouts": [shop()], "server": { "version": "0.1.0", "uptimeSeconds": 5, "configAgeSeconds": 5 }
    });
    let server = Scripted::answering(200, list.to_string()).await;
    assert_eq!(server.client(None).list().await.unwrap().rollouts.len(), 1);

    let server = Scripted::answering(200, r#"{"name":"shop","generations":[]}"#).await;
    assert_eq!(server.client(None).history("shop").await.unwrap().name, "shop");
}

#[tokio::test]
async fn every_command_has_its_path_its_body_and_the_token() {
    let generation = Some(3);
    let server = Scripted::answering(200, shop().to_string()).await;
    let client = server.client(Some(" secret\n"));
    client.promote("shop", &PromoteRequest { generation, full: true }).await.unwrap();
    client.abort("shop", &AbortRequest { generation: None, reason: Some("slow".to_owned()) }).await.unwrap();
    client.retry("shop", &CommandRequest { generation }).await.unwrap();
    client.pause("shop", &CommandRequest::default()).await.unwrap();
    client.resume("shop", &CommandRequest::default()).await.unwrap();
    client
        .release("shop", &ReleaseRequest { version: "v2".to_owned(), endpoints: vec!["127.0.0.1:1".to_owned()] })
        .await
        .unwrap();
    let weight = sluice_engine::units::Weight::try_from_percent(25.0).unwrap();
    client.set_weight("shop", &WeightRequest { weight, generation: None }).await.unwrap();

    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().all(|request| request.authorization.as_deref() == Some("Bearer secret")));
    let said: Vec<_> = seen.iter().map(|request| (request.line.as_str(), request.body.as_str())).collect();
    assert_eq!(
        said,
        [
            ("POST /v1/rollouts/shop/promote", r#"{"generation":3,"full":true}"#),
            ("POST /v1/rollouts/shop/abort", r#"{"reason":"slow"}"#),
            ("POST /v1/rollouts/shop/retry", r#"{"generation":3}"#),
            ("POST /v1/rollouts/shop/pause", "{}"),
            ("POST /v1/rollouts/shop/resume", "{}"),
            ("PUT /v1/rollouts/shop/canary", r#"{"version":"v2","endpoints":["127.0.0.1:1"]}"#),
            ("PUT /v1/rollouts/shop/weight", r#"{"weight":25.0}"#),
        ]
    );
}

#[tokio::test]
async fn each_refusal_is_its_own_error_with_the_words_of_the_server() {
    let words = || "the words".to_owned();
    for (status, error) in [
        (401, ClientError::Unauthorized(words())),
        (403, ClientError::Forbidden(words())),
        (404, ClientError::NotFound(words())),
        (409, ClientError::Conflict(words())),
        (429, ClientError::Refused { status: 429, message: words() }),
        (500, ClientError::ServerFault { status: 500, message: words() }),
    ] {
        let server = Scripted::answering(status, refusal("some", "the words")).await;
        assert_eq!(server.client(None).get("shop").await.unwrap_err(), error);
        assert_eq!(server.client(None).events("shop").await.unwrap_err(), error);
    }
}

#[tokio::test]
async fn an_answer_of_something_else_is_no_answer() {
    for (status, body) in [(404, "<html>nginx</html>"), (200, "<html>"), (200, "{}"), (302, "")] {
        let server = Scripted::answering(status, body).await;
        let error = server.client(None).get("shop").await.unwrap_err();
        assert!(matches!(error, ClientError::BadAnswer(_)), "{status} {body}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read_to_its_end() {
    let server = Scripted::answering(200, vec![b' '; 2_000]).await;
    let client = server.client(None).with_limits(Limits { body: 1_000, ..Limits::default() });
    let error = client.get("shop").await.unwrap_err();
    assert_eq!(error, ClientError::BadAnswer("it is larger than 1000 bytes".to_owned()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let client = Client::new(Server::try_new(&address).unwrap(), None);
    let error = client.list().await.unwrap_err();
    assert_eq!(
        error,
        ClientError::Unreachable { server: format!("http://{address}"), cause: "connection refused".to_owned() }
    );
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::try_new(&listener.local_addr().unwrap().to_string()).unwrap();
    let answer = Duration::from_millis(20);
    let client = Client::new(server, None).with_limits(Limits { answer, ..Limits::default() });
    assert!(matches!(client.list().await, Err(ClientError::TimedOut { waited, .. }) if waited == answer));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_apart_from_one_that_never_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::try_new(&listener.local_addr().unwrap().to_string()).unwrap();
    let client = Client::new(server, None);
    let (answer, ()) = tokio::join!(client.list(), async { drop(listener.accept().await) });
    assert!(matches!(answer, Err(ClientError::Interrupted(_))), "{answer:?}");
}

#[tokio::test]
async fn events_come_in_order_unknown_ones_are_skipped_and_the_end_is_told() {
    let decision = serde_json::json!({
        "name": "shop", "atMs": 5, "kind": "step", "generation": 3, "version": "v2", "message": "Step 1.", "weight": 10.0, "verdict": null
    });
    let stream =
        format!("event: status\ndata: {}\n\nevent: newer\ndata: 1\n\nevent: decision\ndata: {decision}\n\n", shop());
    let server = Scripted::answering(200, stream).await;
    let mut events = server.client(None).events("shop").await.unwrap();
    assert!(matches!(events.next().await, Ok(Some(ServerEvent::Status(status))) if status.generation == 3));
    assert!(matches!(events.next().await, Ok(Some(ServerEvent::Decision(decision))) if decision.at_ms == 5));
    assert_eq!(events.next().await, Ok(None));
    assert_eq!(server.only_request().line, "GET /v1/rollouts/shop/events");
}

#[test]
fn a_token_is_hidden_and_can_not_smuggle_a_header() {
    assert_eq!(format!("{:?}", Token::try_new("secret").unwrap()), "Token(hidden)");
    for text in ["", " \n", "a\r\nX-Evil: 1", "a b", "é"] {
        assert!(Token::try_new(text).is_err(), "{text:?}");
    }
}
