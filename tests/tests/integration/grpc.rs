//! gRPC: HTTP/2 on both sides, trailers passed on, and a status that the judge reads where gRPC has it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use sluice_api::Phase;
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Sluice, eventually};
use tokio::net::{TcpListener, TcpStream};

type Body = BoxBody<Bytes, Infallible>;

/// A gRPC server in all but name: it sends every message back and ends with the status that is set.
struct Server {
    address: SocketAddr,
    status: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
    /// Calls whose answer is still under way.
    open: Arc<AtomicU32>,
}

/// A call's place among those under way.
struct Place(Arc<AtomicU32>);

impl Place {
    fn take(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = Self { address, status: Arc::default(), calls: Arc::default(), open: Arc::default() };
        let (status, calls, open) = (Arc::clone(&server.status), Arc::clone(&server.calls), Arc::clone(&server.open));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (status, calls, open) = (Arc::clone(&status), Arc::clone(&calls), Arc::clone(&open));
                let service = service_fn(move |request| {
                    calls.fetch_add(1, Relaxed);
                    let status = status.load(Relaxed);
                    let place = Place::take(&open);
                    async move { Ok::<_, Infallible>(answer(request, status, place)) }
                });
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    fn endpoint(&self) -> String {
        format!("h2c://{}", self.address)
    }
}

fn trailers(status: u32) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from(status))])
}

fn answer(request: Request<Incoming>, status: u32, place: Place) -> Response<Body> {
    assert_eq!(request.headers()["te"], "trailers", "gRPC asks for it");
    assert_eq!(request.uri().authority().map(|host| host.as_str()), Some("shop.example"));
    let mut response = Response::new(BodyExt::boxed(Empty::new()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    if request.uri().path() == "/shop.Shop/TrailersOnly" {
        response.headers_mut().extend(trailers(status));
        return response;
    }
    let end = futures_util::stream::once(async move { Ok(Frame::trailers(trailers(status))) });
    let messages = request.into_body().into_data_stream().take_while(|piece| std::future::ready(piece.is_ok()));
    // The empty one is the end of the client's half. As a frame of its own it would count as abuse, in time.
    let messages = messages.filter_map(move |piece| {
        let _until_the_end = &place;
        std::future::ready(piece.ok().filter(|piece| !piece.is_empty()).map(|piece| Ok(Frame::data(piece))))
    });
    *response.body_mut() = BodyExt::boxed(StreamBody::new(messages.chain(end)));
    response
}

/// A call under way: messages go in, and pieces of the answer come out.
struct Call {
    messages: Option<mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>>,
    answer: Response<Incoming>,
}

async fn connect(sluice: &Sluice) -> SendRequest<Body> {
    let stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("an HTTP/2 server");
    tokio::spawn(connection);
    sender
}

async fn call(sender: &mut SendRequest<Body>, method: &str) -> Call {
    let (messages, body) = mpsc::unbounded();
    let request = Request::post(format!("http://shop.example/shop.Shop/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(BodyExt::boxed(StreamBody::new(body)))
        .expect("a good request");
    let answer = sender.send_request(request).await.expect("an answer");
    Call { messages: Some(messages), answer }
}

impl Call {
    fn send(&self, message: &'static str) {
        let messages = self.messages.as_ref().expect("not ended yet");
        messages.unbounded_send(Ok(Frame::data(Bytes::from_static(message.as_bytes())))).expect("the call is open");
    }

    async fn next(&mut self) -> Option<Frame<Bytes>> {
        self.answer.frame().await.map(|frame| frame.expect("a whole answer"))
    }

    /// Ends our half: the status that the trailers, or the head, say.
    async fn end(mut self) -> String {
        self.messages = None;
        if let Some(status) = self.answer.headers().get("grpc-status") {
            return status.to_str().expect("text").to_owned();
        }
        while let Some(frame) = self.next().await {
            if let Some(trailers) = frame.trailers_ref() {
                return trailers["grpc-status"].to_str().expect("text").to_owned();
            }
        }
        "none".to_owned()
    }
}

async fn start(stable: &Server, canary: Option<&Server>) -> Sluice {
    let unused = Backend::start("unused").await;
    let arm = |version: &str, server: &Server| json!({ "version": version, "endpoints": [server.endpoint()] });
    let mut config = Config::new(&unused).set("/rollouts/0/stable", arm("v1", stable));
    if let Some(canary) = canary {
        config = config.held_at(50).set("/rollouts/0/canary", arm("v2", canary));
    }
    Sluice::start(config).await
}

#[tokio::test]
async fn a_stream_of_messages_goes_both_ways_at_once_and_ends_with_trailers() {
    let server = Server::start().await;
    let sluice = start(&server, None).await;
    let mut sender = connect(&sluice).await;
    let mut stream = call(&mut sender, "Chat").await;
    for message in ["one", "two", "three"] {
        stream.send(message);
        let echoed = stream.next().await.and_then(|frame| frame.into_data().ok());
        assert_eq!(echoed.as_deref(), Some(message.as_bytes()), "before the client has ended its half");
    }
    assert_eq!(stream.end().await, "0");
    server.status.store(7, Relaxed);
    assert_eq!(call(&mut sender, "Chat").await.end().await, "7");
    assert_eq!(call(&mut sender, "TrailersOnly").await.end().await, "7");
}

#[tokio::test]
async fn calls_that_fail_in_their_trailers_take_the_canary_back() {
    for method in ["Chat", "TrailersOnly"] {
        let (stable, canary) = (Server::start().await, Server::start().await);
        let sluice = start(&stable, Some(&canary)).await;
        sluice.until_weight(50.0).await;
        canary.status.store(13, Relaxed);
        let mut sender = connect(&sluice).await;
        eventually("the canary is taken back", async || {
            call(&mut sender, method).await.end().await;
            let status = sluice.status().await;
            holds(status.phase == Phase::Degraded, || format!("{:?}", status.reason))
        })
        .await;
    }
}

#[tokio::test]
async fn a_status_that_blames_the_caller_is_no_failure_of_the_canary() {
    let (stable, canary) = (Server::start().await, Server::start().await);
    let sluice = start(&stable, Some(&canary)).await;
    sluice.until_weight(50.0).await;
    for server in [&stable, &canary] {
        server.status.store(5, Relaxed);
    }
    let mut sender = connect(&sluice).await;
    while canary.calls.load(Relaxed) < 100 {
        assert_eq!(call(&mut sender, "Chat").await.end().await, "5");
    }
    let status = sluice.status().await;
    let canary = status.canary.expect("it is still there");
    assert_eq!((status.phase == Phase::Degraded, canary.attempt_failures), (false, 0));
}

#[tokio::test]
async fn a_client_of_http_1_is_answered_by_an_upstream_of_http_2() {
    let server = Server::start().await;
    let sluice = start(&server, None).await;
    let request = sluice_tests::Request::new("POST", "/shop.Shop/Chat").host("shop.example").body("hello");
    let response = request.send(sluice.address()).await;
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
}

#[tokio::test]
async fn a_thousand_short_calls_share_a_connection_on_either_side() {
    let server = Server::start().await;
    let sluice = start(&server, None).await;
    let mut sender = connect(&sluice).await;
    for _ in 0..1_000 {
        assert_eq!(call(&mut sender, "Chat").await.end().await, "0");
    }
    let open = sluice.metrics().await.sum("sluice_upstream_connections", &[("arm", "stable"), ("state", "open")]);
    assert!(open <= 2.0, "one for each worker: {open}");
}

#[tokio::test]
async fn a_call_that_its_client_cancels_ends_at_the_server_and_is_nobodys_failure() {
    let (stable, canary) = (Server::start().await, Server::start().await);
    let sluice = start(&stable, Some(&canary)).await;
    sluice.until_weight(50.0).await;
    let mut sender = connect(&sluice).await;
    while canary.calls.load(Relaxed) < 50 {
        let stream = call(&mut sender, "Chat").await;
        stream.send("hello");
        drop(stream);
    }
    eventually("all calls have ended", async || {
        let open = stable.open.load(Relaxed) + canary.open.load(Relaxed);
        holds(open == 0, || open.to_string())
    })
    .await;
    let status = sluice.status().await;
    assert_eq!((status.phase == Phase::Degraded, status.canary.expect("there").attempt_failures), (false, 0));
}
