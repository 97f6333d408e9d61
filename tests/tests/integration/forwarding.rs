//! What the proxy does to messages on their way, and what it leaves alone.

use serde_json::json;
use sluice_tests::wait::holds;
use sluice_tests::wire::Framing;
use sluice_tests::{Backend, Config, Load, Request, Sluice, Wire, eventually};

use super::{echoed as echo, echoed_fields as fields};

async fn start(change: impl FnOnce(Config) -> Config) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(change(Config::new(&stable))).await;
    (sluice, stable)
}

#[tokio::test]
async fn an_answer_to_an_unfinished_upload_arrives_and_the_rest_of_the_upload_resets_nothing() {
    let (sluice, _stable) = start(|config| config).await;
    for address in [sluice.address(), sluice.admin_address()] {
        let mut wire = Wire::connect(address).await.expect("the port is open");
        let piece = vec![b'x'; 256 << 10];
        // Refused by its head alone, on either port: the rest of the body comes after the answer has been sent.
        let head = format!("POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: {}\r\n\r\n", 2 * piece.len());
        wire.write(head.as_bytes()).await.expect("the head is taken");
        wire.write(&piece).await.expect("the first half is taken");
        let answer = wire.read_response(false).await.expect("the answer arrives");
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        wire.write(&piece).await.expect("the second half is taken");
        assert!(wire.read_head().await.expect("a clean end").is_none());
    }
}

#[tokio::test]
async fn hop_by_hop_fields_end_at_the_proxy() {
    let (sluice, _stable) = start(|config| config).await;
    let request = Request::get("/echo")
        .field("Connection", "keep-alive, X-Hop")
        .field("X-Hop", "1")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Connection", "keep-alive")
        .field("Proxy-Authorization", "Basic YTpi")
        .field("TE", "gzip")
        .field("X-End", "2");
    let seen = echo(&sluice, request).await;
    for name in ["X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Upgrade"] {
        assert_eq!(fields(&seen, name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(fields(&seen, "X-End"), ["2"]);
}

#[tokio::test]
async fn the_host_and_the_target_arrive_as_they_were_sent() {
    let (sluice, _stable) = start(|config| config).await;
    let seen = echo(&sluice, Request::get("/echo?a=%20b&c=d%2Fe&a=2").host("Shop.Example:8080")).await;
    assert_eq!(
        fields(&seen, "host").iter().map(|host| host.to_ascii_lowercase()).collect::<Vec<_>>(),
        ["shop.example:8080"]
    );
    assert_eq!(seen["target"], "/echo?a=%20b&c=d%2Fe&a=2");
}

#[tokio::test]
async fn client_addresses_are_replaced_unless_the_peer_is_trusted() {
    let forged = || {
        let request = Request::get("/echo").field("X-Forwarded-For", "203.0.113.9").field("X-Forwarded-Proto", "https");
        request.field("X-Forwarded-Host", "evil.example").field("X-Real-IP", "203.0.113.9")
    };
    let (sluice, _stable) = start(|config| config).await;
    let seen = echo(&sluice, forged()).await;
    assert_eq!(fields(&seen, "X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(fields(&seen, "X-Forwarded-Proto"), ["http"]);
    assert!(!fields(&seen, "X-Forwarded-Host").contains(&"evil.example".to_owned()), "{seen}");
    assert!(!fields(&seen, "X-Real-IP").contains(&"203.0.113.9".to_owned()), "{seen}");

    let (trusting, _stable) = start(|config| config.set("/trustedProxies", json!(["127.0.0.0/8"]))).await;
    let seen = echo(&trusting, forged()).await;
    assert_eq!(fields(&seen, "X-Forwarded-For"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(fields(&seen, "X-Forwarded-Proto"), ["https"]);
}

#[tokio::test]
async fn the_standard_field_is_added_where_it_is_asked_for() {
    let forged = || Request::get("/echo").host("shop.example:8080").field("Forwarded", "for=203.0.113.9");
    let own = "for=127.0.0.1;host=\"shop.example:8080\";proto=http";
    for (trusted, expected) in [(json!([]), own.to_owned()), (json!(["127.0.0.1"]), format!("for=203.0.113.9, {own}"))]
    {
        let (sluice, _stable) =
            start(|config| config.set("/trustedProxies", trusted).set("/upstream", json!({ "forwardedHeader": true })))
                .await;
        assert_eq!(fields(&echo(&sluice, forged()).await, "Forwarded"), [expected]);
    }
    let (sluice, _stable) = start(|config| config).await;
    assert!(fields(&echo(&sluice, forged()).await, "Forwarded").is_empty(), "what a client says is not passed on");
}

#[tokio::test]
async fn every_request_has_one_id_of_its_own() {
    let (sluice, _stable) = start(|config| config).await;
    let first = fields(&echo(&sluice, Request::get("/echo")).await, "X-Request-Id");
    let second = fields(&echo(&sluice, Request::get("/echo")).await, "X-Request-Id");
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[tokio::test]
async fn repeated_fields_keep_their_values_and_order() {
    let (sluice, _stable) = start(|config| config).await;
    let request =
        Request::get("/echo").field("X-Many", "1").field("Cookie", "a=1; b=2").field("X-Many", "2").field("X-Many", "");
    let seen = echo(&sluice, request).await;
    assert_eq!(fields(&seen, "X-Many"), ["1", "2", ""]);
    assert_eq!(fields(&seen, "Cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn methods_and_bodies_arrive_whole() {
    let (sluice, stable) = start(|config| config).await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let seen = echo(&sluice, Request::new(method, "/echo").body("some words")).await;
        assert_eq!((seen["method"].as_str(), seen["body"].as_str()), (Some(method), Some("some words")));
    }
    let head = Request::new("HEAD", "/").send(sluice.address()).await;
    assert_eq!((head.status, head.body.len(), head.head.field("content-length")), (200, 0, Some("6")));
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    Request::post("/large", large.clone()).send(sluice.address()).await;
    assert!(stable.last_seen().body == large, "three megabytes arrive as they were sent");
}

#[tokio::test]
async fn a_large_answer_arrives_as_it_was_sent() {
    let (sluice, stable) = start(|config| config).await;
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 253) as u8).collect();
    stable.script(|script| script.body.clone_from(&large));
    assert!(Request::get("/large").send(sluice.address()).await.body == large);
}

#[tokio::test]
async fn an_answer_streams_its_first_bytes_arrive_before_the_last_are_sent() {
    let (sluice, stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(&Request::get("/drip").to_bytes()).await.expect("the proxy reads");
    let head = wire.read_head().await.expect("a head").expect("an answer");
    let mut body = head.framing(Framing::UntilClose);
    let first = tokio::time::timeout(std::time::Duration::from_secs(10), wire.next_piece(&mut body)).await;
    assert_eq!(first.expect("the first half waits for nothing").expect("a piece"), Some(b"first".to_vec()));
    stable.open_gate();
    assert_eq!(wire.read_body(body).await.expect("the rest"), b"last");
}

#[tokio::test]
async fn an_upload_streams_its_first_bytes_arrive_before_the_last_are_sent() {
    let (sluice, stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(b"POST /echo HTTP/1.1\r\nHost: test.example\r\nContent-Length: 200000\r\n\r\n")
        .await
        .expect("the proxy reads");
    wire.write(&[b'x'; 100_000]).await.expect("the proxy reads");
    eventually("the first half is at the backend", async || {
        holds(stable.body_bytes() >= 100_000, || stable.body_bytes().to_string())
    })
    .await;
    wire.write(&[b'y'; 100_000]).await.expect("the proxy reads");
    let response = wire.read_response(false).await.expect("an answer");
    assert_eq!((response.status, stable.body_bytes()), (200, 200_000));
}

#[tokio::test]
async fn a_chunked_upload_is_forwarded_whole() {
    let (sluice, stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    let message = b"POST /up HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n6\r\n words\r\n0\r\n\r\n";
    wire.write(message).await.expect("the proxy reads");
    assert_eq!(wire.read_response(false).await.expect("an answer").status, 200);
    assert_eq!(stable.last_seen().body, b"some words");
}

#[tokio::test]
async fn upstream_connections_are_used_again() {
    let (sluice, stable) = start(|config| config).await;
    Load::get(sluice.address()).count(500).connections(4).run().await.assert_no_failures();
    // Two workers, and at most four requests at a time on each.
    assert!(stable.connections() <= 8, "{} connections for 500 requests", stable.connections());
}

#[tokio::test]
async fn client_connections_are_kept() {
    let (sluice, _stable) = start(|config| config).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    for n in 0..50 {
        let response = wire.exchange(&Request::get("/")).await.unwrap_or_else(|error| panic!("request {n}: {error}"));
        assert!(!response.closes(), "request {n}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
    let (sluice, stable) = start(|config| config).await;
    stable.script(|script| script.close_after = Some(1));
    let report = Load::get(sluice.address()).count(300).connections(4).run().await;
    report.assert_no_failures();
    assert_eq!(report.from("v1"), 300);
}

#[tokio::test]
async fn names_as_endpoints_are_resolved() {
    let stable = Backend::start("v1").await;
    let endpoint = format!("localhost:{}", stable.address().port());
    let config = Config::new(&stable).set("/rollouts/0/stable", json!({ "version": "v1", "endpoints": [endpoint] }));
    let sluice = Sluice::start(config).await;
    eventually("the name is resolved", async || {
        let response = Request::get("/").send(sluice.address()).await;
        holds(response.arm() == "v1", || format!("{} {}", response.status, response.text()))
    })
    .await;
    assert_eq!(sluice.status().await.stable.endpoints[0].address, endpoint);
}

#[tokio::test]
async fn an_upstream_that_never_answers_times_out_with_504() {
    let (sluice, stable) = start(|config| config.set("/upstream", json!({ "requestTimeout": "300ms" }))).await;
    stable.answers(sluice_tests::Answer::Hang, 1.0);
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 504);
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_answered_with_a_gateway_error() {
    let (sluice, mut stable) = start(|config| config).await;
    stable.refuse().await;
    for _ in 0..5 {
        let status = Request::get("/").send(sluice.address()).await.status;
        assert!(matches!(status, 502 | 503), "{status}");
    }
    stable.reopen().await;
    eventually("it serves again", async || {
        let status = Request::get("/").send(sluice.address()).await.status;
        holds(status == 200, || status.to_string())
    })
    .await;
}

#[tokio::test]
async fn statuses_and_fields_of_answers_pass_unchanged() {
    let (sluice, stable) = start(|config| config).await;
    for status in [201, 301, 404, 418, 500, 503] {
        stable.answers(sluice_tests::Answer::Status(status), 1.0);
        let response = Request::get("/").send(sluice.address()).await;
        assert_eq!((response.status, response.arm(), response.text().as_str()), (status, "v1", "hello\n"));
        assert_eq!(response.head.field("content-type"), Some("text/plain"));
    }
}

/// Sends bytes as they are; they must be refused, the connection closed, and nothing forwarded.
async fn expect_refused(messages: &[&str]) {
    let (sluice, stable) = start(|config| config).await;
    for message in messages {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        wire.write(message.as_bytes()).await.expect("the proxy reads");
        let response = wire.read_response(false).await.expect("an answer");
        assert_eq!(response.status, 400, "{message:?}");
        wire.closed().await;
    }
    assert_eq!(stable.requests(), 0);
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200, "the next good client is served");
}

#[tokio::test]
async fn a_request_without_one_good_host_is_refused_and_reaches_nobody() {
    let two = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    expect_refused(&["GET / HTTP/1.1\r\n\r\n", two, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"]).await;
}
