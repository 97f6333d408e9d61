//! The PROXY protocol: who is believed, what counts as a header, and that TLS comes after it.

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Issuer, Request, Sluice, TlsClient, Wire, eventually, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const VERSION_1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x00\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn config(stable: &Backend, trusted: &str) -> Config {
    Config::new(stable)
        .set("/listeners/0/proxyProtocol", json!({ "trustedSources": [trusted] }))
        .set("/listeners/0/setupTimeout", json!("300ms"))
}

async fn rejected(sluice: &Sluice) -> f64 {
    sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", "proxy_header")])
}

fn forwarded_for(seen: &sluice_tests::backend::Seen) -> &str {
    seen.head.field("x-forwarded-for").unwrap_or_default()
}

#[tokio::test]
async fn both_versions_say_who_the_client_is() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(config(&stable, "127.0.0.0/8")).await;
    for (header, client) in [(VERSION_1, "192.0.2.7"), (VERSION_2, "192.0.2.7"), (LOCAL, "127.0.0.1")] {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        // In two pieces, as a slow network may deliver it.
        let (first, rest) = header.split_at(header.len() / 2);
        wire.write(first).await.expect("it can be written");
        wire.write(rest).await.expect("it can be written");
        for _ in 0..2 {
            assert_eq!(wire.exchange(&Request::get("/")).await.expect("an answer").arm(), "v1");
            assert_eq!(forwarded_for(&stable.last_seen()), client);
        }
    }
    assert_eq!(rejected(&sluice).await, 0.0);
}

#[tokio::test]
async fn a_trusted_peer_without_a_header_is_closed_and_counted() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(config(&stable, "127.0.0.1")).await;
    let wrong: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80",
        b"PROXY TCP4 somebody 10.0.0.1 12345 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[b'P'; 4_096],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"",
    ];
    for (n, bytes) in wrong.into_iter().enumerate() {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        wire.write(bytes).await.expect("it can be written");
        within(std::time::Duration::from_secs(15), "the connection ends", async || {
            wire.closed().await;
            Ok(true)
        })
        .await;
        eventually("it is counted", async || {
            let counted = rejected(&sluice).await;
            holds(counted == (n + 1) as f64, || counted.to_string())
        })
        .await;
    }
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn from_others_a_header_is_no_header() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(config(&stable, "192.0.2.0/24")).await;
    let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(VERSION_1).await.expect("it can be written");
    let refused = wire.exchange(&Request::get("/")).await.expect("an answer");
    assert_eq!(refused.status, 400);
    assert_eq!(Request::get("/").send(sluice.address()).await.arm(), "v1");
    assert_eq!(forwarded_for(&stable.last_seen()), "127.0.0.1");
}

#[tokio::test]
async fn tls_comes_after_the_header() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let leaf = issuer.issue(&["shop.example"]);
    let tls: Value = json!({ "certificates": [{ "cert": "shop.crt", "key": "shop.key" }] });
    let mut sluice = Sluice::prepare(config(&stable, "127.0.0.1").set("/listeners/0/tls", tls));
    sluice.write_file("shop.crt", &leaf.certificate);
    sluice.write_file("shop.key", &leaf.key);
    sluice.run().await;
    let mut stream = TcpStream::connect(sluice.address()).await.expect("the proxy listens");
    stream.write_all(VERSION_2).await.expect("it can be written");
    let mut wire = TlsClient::trusting(&issuer).wrap(stream, "shop.example").await.expect("a handshake");
    assert_eq!(wire.exchange(&Request::get("/")).await.expect("an answer").arm(), "v1");
    let seen = stable.last_seen();
    assert_eq!((forwarded_for(&seen), seen.head.field("x-forwarded-proto")), ("192.0.2.7", Some("https")));
}
