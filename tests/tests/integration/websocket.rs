//! Connections that leave HTTP: WebSocket with a real client and server, and other protocols by hand.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, Wire, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A handshake as RFC 6455 shows it.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A proxy whose stable version is whatever listens on the listener that comes with it.
async fn start(change: impl FnOnce(Config) -> Config) -> (Sluice, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = listener.local_addr().expect("bound").to_string();
    let backend = Backend::start("v1").await;
    let config = Config::new(&backend).set("/rollouts/0/stable", json!({ "version": "v1", "endpoints": [endpoint] }));
    (Sluice::start(change(config)).await, listener)
}

/// Accepts one connection and answers every message with itself, until the client closes: why it does.
async fn echo(listener: TcpListener) -> Option<CloseFrame> {
    let (stream, _) = listener.accept().await.expect("the proxy connects");
    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a good handshake");
    let mut why = None;
    while let Some(message) = socket.next().await {
        match message.expect("a whole message") {
            Message::Close(frame) => why = frame,
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await.expect("it is taken"),
            _ => {}
        }
    }
    why
}

async fn connect(sluice: &Sluice) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    tokio_tungstenite::client_async("ws://shop.example/chat", stream).await.expect("the upgrade is granted").0
}

/// Reads a head from a plain stream.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("text")
}

#[tokio::test]
async fn messages_of_any_size_and_close_codes_pass_both_ways() {
    let (sluice, listener) = start(|config| config).await;
    let server = tokio::spawn(echo(listener));
    let mut socket = connect(&sluice).await;
    for message in [Message::text("hello"), Message::binary(vec![7; 1 << 20]), Message::text("")] {
        socket.send(message.clone()).await.expect("it is taken");
        assert!(socket.next().await.expect("an answer").expect("whole") == message, "it comes back as it was sent");
    }
    let frame = CloseFrame { code: CloseCode::Library(4_001), reason: "enough".into() };
    socket.close(Some(frame.clone())).await.expect("it is taken");
    assert_eq!(socket.next().await.expect("an answer").expect("whole"), Message::Close(Some(frame.clone())));
    assert!(socket.next().await.is_none(), "and the connection ends");
    assert_eq!(server.await.expect("the server ends"), Some(frame));
}

#[tokio::test]
async fn a_quiet_connection_outlives_the_time_limits_of_requests_and_a_reload() {
    let limits = json!({ "requestTimeout": "200ms" });
    let (mut sluice, listener) = start(|config| config.set("/upstream", limits)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = silent.local_addr().expect("bound").to_string();
    tokio::spawn(echo(listener));
    let mut socket = connect(&sluice).await;
    let stable = json!({ "version": "v1", "endpoints": [endpoint] });
    sluice.reload(|config| config.set("/rollouts/0/stable", stable)).await;
    // Other requests go to the new endpoint, where nobody answers, and run into the limit.
    eventually("a request times out", async || {
        let status = Request::get("/").send(sluice.address()).await.status;
        holds(status == 504, || status.to_string())
    })
    .await;
    socket.send(Message::text("still here")).await.expect("it is taken");
    assert_eq!(socket.next().await.expect("an answer").expect("whole"), Message::text("still here"));
}

#[tokio::test]
async fn one_side_may_end_while_the_other_goes_on() {
    let (sluice, listener) = start(|config| config).await;
    let mut client = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    client.write_all(HANDSHAKE.as_bytes()).await.expect("it is taken");
    let (mut server, _) = listener.accept().await.expect("the proxy connects");
    let head = read_head(&mut server).await.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    server.write_all(&[SWITCHING, b"early"].concat()).await.expect("it is taken");
    let head = read_head(&mut client).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    client.write_all(b"all I have").await.expect("it is taken");
    client.shutdown().await.expect("its half ends");
    let mut seen = String::new();
    server.read_to_string(&mut seen).await.expect("the client's half ends");
    assert_eq!(seen, "all I have");
    server.write_all(b" and late").await.expect("it is taken");
    drop(server);
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.expect("a clean end");
    assert_eq!(seen, "early and late", "what came with the 101 comes first");
}

#[tokio::test]
async fn what_a_client_sends_before_the_101_reaches_nobody() {
    for early in ["\u{1}\u{5}hello", "GET /admin HTTP/1.1\r\nHost: shop.example\r\n\r\n"] {
        let (sluice, listener) = start(|config| config).await;
        let mut client = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
        client.write_all(format!("{HANDSHAKE}{early}").as_bytes()).await.expect("it is taken");
        let (mut server, _) = listener.accept().await.expect("the proxy connects");
        read_head(&mut server).await;
        server.write_all(SWITCHING).await.expect("it is taken");
        let mut seen = String::new();
        server.read_to_string(&mut seen).await.ok();
        assert_eq!(seen, "", "the tunnel is never opened");
        let metrics = sluice.metrics().await;
        assert_eq!(metrics.sum("sluice_rejected_requests_total", &[("reason", "upgrade")]), 1.0);
    }
}

#[tokio::test]
async fn a_request_behind_a_refused_upgrade_is_a_request_like_any_other() {
    let (sluice, stable) = {
        let stable = Backend::start("v1").await;
        (Sluice::start(Config::new(&stable)).await, stable)
    };
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    let next = "GET /next HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    wire.write(format!("{HANDSHAKE}{next}").as_bytes()).await.expect("it is taken");
    for _ in 0..2 {
        assert_eq!(wire.read_response(false).await.expect("an answer").status, 200);
    }
    assert_eq!(stable.requests(), 2);
}

#[tokio::test]
async fn a_wrong_handshake_is_refused_and_reaches_nobody() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    for (from, to, status, reason) in [
        ("Version: 13", "Version: 12", 426, "websocket_version"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, "upgrade"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "tooshort", 400, "upgrade"),
    ] {
        let before = sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", reason)]);
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        wire.write(HANDSHAKE.replace(from, to).as_bytes()).await.expect("it is taken");
        let answer = wire.read_response(false).await.expect("an answer");
        assert_eq!(answer.status, status, "{to}");
        assert_eq!(answer.head.field("sec-websocket-version"), (status == 426).then_some("13"));
        wire.closed().await;
        let after = sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", reason)]);
        assert_eq!(after, before + 1.0);
    }
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn a_session_is_the_canarys_success_after_a_second_and_its_failure_if_it_breaks_before() {
    let canary = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = canary.local_addr().expect("bound").to_string();
    let stable = Backend::start("v1").await;
    let config =
        Config::new(&stable).manual(100).set("/rollouts/0/canary", json!({ "version": "v2", "endpoints": [endpoint] }));
    let sluice = Sluice::start(config).await;
    sluice.until_weight(100.0).await;
    for breaks in [true, false] {
        let mut client = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
        client.write_all(HANDSHAKE.as_bytes()).await.expect("it is taken");
        let (mut server, _) = canary.accept().await.expect("the proxy connects");
        read_head(&mut server).await;
        server.write_all(SWITCHING).await.expect("it is taken");
        read_head(&mut client).await;
        if breaks {
            server.set_zero_linger().expect("an open socket");
            drop(server);
            eventually("the failure is counted", async || {
                let failures = sluice.metrics().await.sum("sluice_attempt_failures_total", &[("kind", "reset")]);
                holds(failures == 1.0, || failures.to_string())
            })
            .await;
            continue;
        }
        eventually("the session is counted", async || {
            let done = sluice.metrics().await.sum("sluice_requests_total", &[("arm", "canary"), ("code", "1xx")]);
            holds(done == 2.0, || done.to_string())
        })
        .await;
        let failures = sluice.metrics().await.sum("sluice_attempt_failures_total", &[("arm", "canary")]);
        assert_eq!(failures, 1.0);
    }
}
