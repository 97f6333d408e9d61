//! Many requests in one go, and connections that end early.

use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, Wire, eventually};
use tokio::io::AsyncWriteExt;

async fn start() -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    (Sluice::start(Config::new(&stable)).await, stable)
}

#[tokio::test]
async fn h032_pipelined_requests_are_answered_in_their_order() {
    let (sluice, stable) = start().await;
    for count in [2, 100, 10_000] {
        let before = stable.requests();
        let stream = tokio::net::TcpStream::connect(sluice.address()).await.expect("the proxy listens");
        let (reader, mut writer) = stream.into_split();
        let request = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: test.example\r\n\r\n");
        let all: String = (0..count).map(request).collect();
        let writing = tokio::spawn(async move {
            writer.write_all(all.as_bytes()).await.ok();
            writer
        });
        let answered = count_answers(reader, count).await;
        assert_eq!(answered, count);
        drop(writing.await);
        let seen = stable.seen();
        let targets: Vec<_> = seen.iter().skip(before as usize).map(|seen| seen.head.word(1).to_owned()).collect();
        let in_order = targets.iter().enumerate().all(|(n, target)| *target == format!("/{n}"));
        assert!(in_order && targets.len() == count, "{} of {count} arrived", targets.len());
    }
}

async fn count_answers(mut reader: tokio::net::tcp::OwnedReadHalf, wanted: usize) -> usize {
    use tokio::io::AsyncReadExt;
    let mut received = Vec::new();
    let mut answered = 0;
    while answered < wanted && reader.read_buf(&mut received).await.unwrap_or(0) > 0 {
        answered += received.windows(6).filter(|window| *window == b"hello\n").count();
        let rest = received.len().min(5);
        received.drain(..received.len() - rest);
    }
    answered
}

#[tokio::test]
async fn h032_what_comes_before_a_bad_request_is_answered_first_and_once() {
    let (sluice, stable) = start().await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    let good = "GET /good HTTP/1.1\r\nHost: test.example\r\n\r\n";
    let bad = "GET /bad HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.write(format!("{good}{good}{bad}{good}").as_bytes()).await.expect("the proxy reads");
    for status in [200, 200, 400] {
        assert_eq!(wire.read_response(false).await.expect("an answer").status, status);
    }
    assert!(wire.read_head().await.expect("a clean end").is_none());
    assert_eq!(stable.requests(), 2);
}

#[tokio::test]
async fn a_bad_request_split_at_every_byte_is_refused_all_the_same() {
    let (sluice, stable) = start().await;
    let bad = b"POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n";
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    for byte in bad {
        wire.write(&[*byte]).await.expect("the proxy reads");
    }
    assert_eq!(wire.read_response(false).await.expect("an answer").status, 400);
    wire.closed().await;
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn h092_a_client_that_closes_its_half_before_the_answer_has_left_and_harms_nobody() {
    let (sluice, stable) = start().await;
    let mut stream = tokio::net::TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: test.example\r\n\r\n").await.expect("the proxy reads");
    eventually("the request is at the upstream", async || {
        holds(stable.requests() == 1, || stable.requests().to_string())
    })
    .await;
    stream.shutdown().await.expect("half of it");
    Wire::new(stream).closed().await;
    stable.open_gate();
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
}
