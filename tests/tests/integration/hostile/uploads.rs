//! Bodies that stop, turn bad or are not wanted.

use serde_json::json;
use sluice_tests::hostile::raw::{After, RawUpstream, Script};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, Wire, eventually};

async fn start(change: impl FnOnce(Config) -> Config) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    (Sluice::start(change(Config::new(&stable))).await, stable)
}

const CHUNKED: &str = "POST /case HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn h020_a_body_that_turns_bad_after_its_head_was_forwarded_is_400_and_never_whole_upstream() {
    let (sluice, stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(CHUNKED.as_bytes()).await.expect("the proxy reads");
    wire.write(b"5\r\nfirst\r\n").await.expect("the proxy reads");
    eventually("the first chunk is at the upstream", async || {
        holds(stable.body_bytes() == 5, || stable.body_bytes().to_string())
    })
    .await;
    wire.write(b"4 \r\nabcd\r\n0\r\n\r\n").await.expect("the proxy reads");
    assert_eq!(wire.read_response(false).await.expect("an answer").status, 400);
    wire.closed().await;
    assert_eq!((stable.requests(), stable.body_bytes()), (0, 5));
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
    assert_eq!(stable.connections(), 2, "the connection of the half request is not used again");
}

#[tokio::test]
async fn h020_a_body_that_turns_bad_under_its_answer_cuts_the_connection() {
    let backend = Backend::start("unused").await;
    let raw = RawUpstream::start().await;
    raw.script(Script::of("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", After::Hang));
    let stable = json!({ "version": "v1", "endpoints": [raw.address().to_string()] });
    let sluice = Sluice::start(Config::new(&backend).set("/rollouts/0/stable", stable)).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(CHUNKED.as_bytes()).await.expect("the proxy reads");
    let head = wire.read_head().await.expect("a head").expect("an answer");
    assert_eq!(head.word(1), "200");
    wire.write(b"4 \r\nabcd\r\n0\r\n\r\n").await.expect("the proxy reads");
    let mut body = head.framing(sluice_tests::wire::Framing::Done);
    let broken = loop {
        match wire.next_piece(&mut body).await {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "a broken transfer is no clean end");
}

#[tokio::test]
async fn h081_a_body_shorter_than_its_length_is_never_a_whole_request_upstream() {
    let (sluice, stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(b"POST /case HTTP/1.1\r\nHost: test.example\r\nContent-Length: 10\r\n\r\nhello")
        .await
        .expect("it reads");
    eventually("half the body is at the upstream", async || {
        holds(stable.body_bytes() == 5, || stable.body_bytes().to_string())
    })
    .await;
    drop(wire);
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
    assert_eq!((stable.requests(), stable.connections()), (1, 2));
}

#[tokio::test]
async fn h031_a_request_that_we_answer_ourselves_leaves_nothing_of_its_body_behind() {
    let routes = json!([{ "hosts": ["shop.example"], "rollout": "shop" }]);
    let (sluice, stable) = start(|config| config.set("/routes", routes)).await;
    let inner = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    // All of the body at once: it may be read over and the connection go on. Some of it: the connection ends.
    for (length, goes_on) in [(inner.len(), true), (1_000_000, false)] {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        let head = format!("POST / HTTP/1.1\r\nHost: nobody.example\r\nContent-Length: {length}\r\n\r\n{inner}");
        wire.write(head.as_bytes()).await.expect("the proxy reads");
        assert_eq!(wire.read_response(false).await.expect("an answer").status, 404, "H031 {length}");
        if goes_on {
            let next = wire.exchange(&Request::get("/next").host("shop.example")).await;
            assert!(next.is_err() || next.is_ok_and(|next| next.status == 200), "H031: an answer or an end");
        } else {
            wire.closed().await;
        }
    }
    assert!(stable.seen().iter().all(|seen| seen.head.word(1) == "/next"), "H031: {:?}", stable.seen());
}

#[tokio::test]
async fn h033_an_upload_that_waits_for_100_goes_through_or_times_out() {
    let (sluice, stable) = start(|config| config.set("/upstream", json!({ "requestTimeout": "1s" }))).await;
    let head = "POST /case HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(head.as_bytes()).await.expect("the proxy reads");
    assert_eq!(wire.read_head().await.expect("a head").expect("an interim answer").word(1), "100");
    wire.write(b"hello").await.expect("the proxy reads");
    assert_eq!(wire.read_response(false).await.expect("an answer").status, 200);
    assert_eq!(stable.last_seen().body, b"hello");

    stable.answers(sluice_tests::Answer::Hang, 1.0);
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(head.as_bytes()).await.expect("the proxy reads");
    assert_eq!(wire.read_head().await.expect("a head").expect("an interim answer").word(1), "100");
    wire.write(b"hello").await.expect("the proxy reads");
    assert_eq!(wire.read_response(false).await.expect("no deadlock").status, 504);
}
