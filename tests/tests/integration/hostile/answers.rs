//! Broken upstreams: a bad answer becomes ours, a broken one is seen to be broken, and its connection carries no more.

use serde_json::json;
use sluice_tests::hostile::answers::{Shown, ask, cases, play};
use sluice_tests::hostile::raw::{After, RawUpstream, Script};
use sluice_tests::{Backend, Config, Request, Sluice, Wire};

async fn start() -> (Sluice, RawUpstream, Backend) {
    let (backend, raw) = (Backend::start("unused").await, RawUpstream::start().await);
    let stable = json!({ "version": "v1", "endpoints": [raw.address().to_string()] });
    let config = Config::new(&backend).set("/rollouts/0/stable", stable);
    let sluice = Sluice::start(config.set("/upstream", json!({ "requestTimeout": "2s" }))).await;
    (sluice, raw, backend)
}

#[tokio::test]
async fn a_broken_answer_is_a_gateway_error_or_a_broken_transfer_and_its_connection_is_not_used_again() {
    let (sluice, raw, _backend) = start().await;
    let mut failures = Vec::new();
    for case in cases() {
        let shown = play(sluice.address(), &raw, &case).await;
        // Until each worker has taken a connection from its pool again.
        let mut next = Shown::Nothing;
        for _ in 0..6 {
            next = ask(sluice.address(), "GET").await;
        }
        if shown != case.expected || next != Shown::Whole(200) {
            failures
                .push(format!("{} {}: {shown:?} instead of {:?}, then {next:?}", case.id, case.what, case.expected));
        }
        if raw.reuses() > 0 {
            failures.push(format!("{} {}: {} requests on its connection", case.id, case.what, raw.reuses()));
        }
    }
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn h095_an_upstream_that_refuses_is_502() {
    let (sluice, raw, _backend) = start().await;
    drop(raw);
    assert_eq!(ask(sluice.address(), "GET").await, Shown::Whole(502));
}

#[tokio::test]
async fn h101_an_answer_before_the_end_of_the_upload_is_passed_on_and_the_upload_stops() {
    let (sluice, raw, _backend) = start().await;
    raw.script(Script::of("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nbig\n", After::Hang));
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(b"POST /case HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000000\r\n\r\nbegin")
        .await
        .expect("it reads");
    let answer = wire.read_response(false).await.expect("the early answer");
    assert_eq!((answer.status, answer.text().as_str()), (413, "big\n"));
    wire.closed().await;
    raw.script(Script::good());
    let connections = raw.connections();
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
    assert_eq!(raw.connections(), connections + 1, "the connection of the half upload is not used again");
}
