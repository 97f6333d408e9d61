//! HTTP/2 towards clients: without TLS by prior knowledge, with TLS by agreement, and what a bad client can't do.

use std::convert::Infallible;
use std::process::Command;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Answer, Backend, Config, Issuer, Sluice, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::pair;

type Sender = SendRequest<Full<Bytes>>;

/// A new connection, and the task that runs it until it ends.
async fn connect(sluice: &Sluice) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("an HTTP/2 server");
    (sender, tokio::spawn(connection))
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://shop.example{path}"));
    request.body(Full::new(body.into())).expect("a good request")
}

async fn whole(response: Response<hyper::body::Incoming>) -> (u16, Bytes) {
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.expect("a whole body").to_bytes())
}

async fn get(sender: &mut Sender, path: &str) -> (u16, Bytes) {
    whole(sender.send_request(request("GET", path, "")).await.expect("an answer")).await
}

#[tokio::test]
async fn a_request_arrives_as_http_1_with_the_same_meaning() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    let (mut sender, _running) = connect(&sluice).await;
    let mut request = request("POST", "/echo?a=b", "a body");
    for crumb in ["a=1", "b=2"] {
        request.headers_mut().append("cookie", crumb.parse().expect("a value"));
    }
    let (status, body) = whole(sender.send_request(request).await.expect("an answer")).await;
    let echo: Value = serde_json::from_slice(&body).expect("the echo is JSON");
    assert_eq!((status, &echo["method"], &echo["target"]), (200, &json!("POST"), &json!("/echo?a=b")));
    let field = |name: &str| {
        let fields = echo["fields"].as_array().expect("a list").iter();
        let of_name = fields.filter(|field| field[0].as_str().is_some_and(|given| given.eq_ignore_ascii_case(name)));
        of_name.map(|field| field[1].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(field("host"), ["shop.example"]);
    assert_eq!(field("cookie"), ["a=1; b=2"]);
    assert_eq!(field("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn many_requests_at_a_time_share_one_connection_and_are_split_and_counted() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).manual(50)).await;
    sluice.until_weight(50.0).await;
    let (sender, _running) = connect(&sluice).await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move { get(&mut sender, "/").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("it ends").0, 200);
    }
    assert_eq!(stable.requests() + canary.requests(), 200);
    assert!((60..=140).contains(&canary.requests()), "{}", canary.requests());
    eventually("all are counted", async || {
        let counted = sluice.metrics().await.sum("sluice_requests_total", &[("code", "2xx")]);
        holds(counted == 200.0, || counted.to_string())
    })
    .await;
}

#[tokio::test]
async fn bodies_larger_than_every_window_pass_both_ways() {
    let stable = Backend::start("v1").await;
    stable.script(|script| script.body = vec![b'x'; 3 << 20]);
    let sluice = Sluice::start(Config::new(&stable)).await;
    let (mut sender, _running) = connect(&sluice).await;
    let (status, body) = get(&mut sender, "/").await;
    assert_eq!((status, body.len()), (200, 3 << 20));
    let upload = request("POST", "/", vec![b'y'; 3 << 20]);
    assert_eq!(whole(sender.send_request(upload).await.expect("an answer")).await.0, 200);
    assert!(stable.seen().iter().any(|seen| seen.body.len() == 3 << 20), "the upload arrived whole");
}

#[tokio::test]
async fn a_failing_canary_is_taken_back_on_requests_of_http_2_too() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    sluice.until_weight(20.0).await;
    canary.answers(Answer::Status(500), 1.0);
    let (mut sender, _running) = connect(&sluice).await;
    let reverted = eventually("the canary is taken back", async || {
        assert_eq!(get(&mut sender, "/").await.0, 200, "the shield answers from stable");
        let status = sluice.status().await;
        holds(status.phase == sluice_api::Phase::Degraded, || format!("{:?}", status.reason))
    });
    reverted.await;
}

#[tokio::test]
async fn a_draining_proxy_says_goodbye_and_finishes_what_it_has_begun() {
    let stable = Backend::start("v1").await;
    let mut sluice = Sluice::start(Config::new(&stable)).await;
    let (mut sender, running) = connect(&sluice).await;
    let waiting = sender.send_request(request("GET", "/wait", ""));
    let waiting = tokio::spawn(waiting);
    eventually("the upstream has it", async || holds(stable.requests() == 1, || "not yet".into())).await;
    sluice.terminate();
    eventually("the client was told", async || {
        let refused = sender.send_request(request("GET", "/", "")).await.is_err();
        holds(refused, || "the connection still takes requests".into())
    })
    .await;
    stable.open_gate();
    assert_eq!(whole(waiting.await.expect("it ends").expect("an answer")).await.0, 200);
    running.await.expect("it ends").expect("a clean end");
    assert_eq!(sluice.ended().await, Some(0));
}

#[tokio::test]
async fn an_upload_that_takes_longer_than_the_upstream_may_is_nobodys_failure() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable).set("/upstream", json!({ "requestTimeout": "200ms" }))).await;
    let stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a server");
    tokio::spawn(connection);
    let (pieces, body) = futures_channel::mpsc::unbounded();
    let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"half")));
    let upload = Request::post("http://shop.example/").body(StreamBody::new(body)).expect("a good request");
    let upload = tokio::spawn(sender.send_request(upload));
    pieces.unbounded_send(piece()).expect("the upload is open");
    eventually("the upstream has the first half", async || {
        holds(stable.body_bytes() >= 4, || stable.body_bytes().to_string())
    })
    .await;
    // The gate is closed: another request runs into the limit, and then a third, all after the upload began.
    for _ in 0..2 {
        assert_eq!(sluice_tests::Request::get("/wait").send(sluice.address()).await.status, 504);
    }
    pieces.unbounded_send(piece()).expect("the upload is open");
    drop(pieces);
    assert_eq!(whole(upload.await.expect("it ends").expect("an answer")).await.0, 200);
    assert_eq!(stable.last_seen().body, b"halfhalf");
}

/// A frame: type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// The head of `GET http://a/` with indices of the static table.
fn head(stream: u32) -> Vec<u8> {
    frame(1, 0x5, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'a'])
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Sends bytes after the preface until they are sent or refused, and reads until the proxy ends the connection: whether
/// it sent GOAWAY.
async fn attack(sluice: &Sluice, bytes: Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.expect("it is taken");
    let (mut reader, mut writer) = stream.split();
    let send = async {
        // Cut off in the middle is what should happen.
        let _ = writer.write_all(&bytes).await;
    };
    let mut seen = Vec::new();
    let receive = async {
        let mut piece = [0; 4_096];
        while let Ok(read @ 1..) = reader.read(&mut piece).await {
            seen.extend_from_slice(&piece[..read]);
        }
    };
    tokio::join!(send, receive);
    let mut rest = seen.as_slice();
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest[3] == 7 {
            return true;
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

#[tokio::test]
async fn floods_end_the_connection_and_nobody_else_suffers() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    let resets = (0..20_000).flat_map(|n| [head(2 * n + 1), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()).collect();
    let endless = frame(1, 0, 1, &[0x82, 0x86, 0x84, 0x41, 1, b'a']).into_iter();
    let endless = endless.chain((0..20_000).flat_map(|_| frame(9, 0, 1, b"\x40\x01a\x01b"))).collect();
    let empty = frame(1, 0x4, 1, &[0x83, 0x86, 0x84, 0x41, 1, b'a']).into_iter();
    let empty = empty.chain((0..60_000).flat_map(|_| frame(0, 0, 1, &[]))).collect();
    let bomb = frame(1, 0x5, 1, &[&[0x82, 0x86, 0x84, 0x41, 1, b'a'][..], &big_field(), &[0xbe; 15_000]].concat());
    for (name, bytes) in [("resets", resets), ("continuations", endless), ("empty data", empty)] {
        assert!(attack(&sluice, bytes).await, "{name}: the proxy ends it");
        let (mut sender, _running) = connect(&sluice).await;
        assert_eq!(get(&mut sender, "/").await.0, 200, "after {name}");
    }
    let mut stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &bomb].concat()).await.expect("it is taken");
    let (mut sender, _running) = connect(&sluice).await;
    assert_eq!(get(&mut sender, "/").await.0, 200, "after a bomb");
    assert_eq!(stable.seen().iter().filter(|seen| seen.head.fields.len() > 100).count(), 0, "it reached nobody");
}

/// A field of 4,000 bytes that enters the dynamic table.
fn big_field() -> Vec<u8> {
    [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'v'; 4_000]].concat()
}

#[tokio::test]
async fn what_no_request_may_look_like_reaches_nobody() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable)).await;
    for field in [
        &[0x40, 10, b'c', b'o', b'n', b'n', b'e', b'c', b't', b'i', b'o', b'n', 1, b'x'][..],
        &[0x40, 1, b'A', 1, b'x'],
        &[0x40, 2, b't', b'e', 4, b'g', b'z', b'i', b'p'],
        &[0x42, 3, b'G', b'E', b'T'],
    ] {
        let mut stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
        let head = frame(1, 0x5, 1, &[&[0x82, 0x86, 0x84, 0x41, 1, b'a'][..], field].concat());
        stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &head].concat()).await.expect("it is taken");
        let mut seen = Vec::new();
        // The stream is reset or the connection ended; either comes as a frame on the way.
        eventually("it is refused", async || {
            let mut piece = [0; 512];
            let read = stream.read(&mut piece).await.map_err(|error| error.to_string())?;
            seen.extend_from_slice(&piece[..read]);
            let refused = seen.windows(9).any(|frame| matches!(frame[3], 3 | 7) && frame[0] == 0 && frame[1] == 0);
            holds(refused || read == 0, || format!("{seen:?}"))
        })
        .await;
    }
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn curl_agrees_on_http_2_over_tls_and_by_prior_knowledge() {
    let stable = Backend::start("v1").await;
    let leaf = Issuer::new("authority").issue(&["shop.example"]);
    let tls = json!({ "certificates": [{ "cert": "shop.crt", "key": "shop.key" }] });
    for (scheme, option, config) in [
        ("https", "--http2", Config::new(&stable).set("/listeners/0/tls", tls)),
        ("http", "--http2-prior-knowledge", Config::new(&stable)),
    ] {
        let mut sluice = Sluice::prepare(config);
        sluice.write_file("shop.crt", &leaf.certificate);
        sluice.write_file("shop.key", &leaf.key);
        sluice.run().await;
        let url = format!("{scheme}://{}/", sluice.address());
        let write_out = "%{http_version} %{response_code}";
        let arguments = ["-sk", option, "-o", "/dev/null", "-w", write_out, "-H", "Host: shop.example", &url];
        let asked = tokio::task::spawn_blocking({
            let arguments = arguments.map(str::to_owned);
            move || Command::new("curl").args(arguments).output()
        });
        match asked.await.expect("it ends") {
            Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "2 200", "{scheme}"),
            Err(error) => println!("curl: skipped, {error}"),
        }
    }
}
