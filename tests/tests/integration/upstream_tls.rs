//! TLS towards upstreams: who is believed, by which name, and who we say we are.

use serde_json::{Value, json};
use sluice_tests::sluice::check;
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Issuer, Request, Sluice, TlsFront, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const NAME: &str = "shop.internal";

/// A proxy before `front`, with `tls` towards it; the authority's file is `ca.pem`. Not started.
fn prepare(stable: &Backend, front: &TlsFront, issuer: &Issuer, tls: &Value) -> Sluice {
    let config = Config::new(stable)
        .set("/rollouts/0/stable/endpoints", json!([front.endpoint()]))
        .set("/upstream", json!({ "tls": tls }));
    let sluice = Sluice::prepare(config);
    sluice.write_file("ca.pem", &issuer.pem());
    sluice
}

#[tokio::test]
async fn an_upstream_is_asked_by_tls_over_connections_that_are_kept() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let front = TlsFront::start(&issuer.issue(&["127.0.0.1"]), None, &stable).await;
    let mut sluice = prepare(&stable, &front, &issuer, &json!({ "caFile": "ca.pem" }));
    sluice.rewrite(|config| config.set("/workers", json!(1)));
    sluice.run().await;
    let body = "x".repeat(1 << 20);
    for _ in 0..5 {
        let echo = Request::post("/", body.as_bytes()).host(NAME).send(sluice.address()).await;
        assert_eq!(echo.arm(), "v1");
    }
    assert!(stable.seen().iter().all(|seen| seen.body.len() == body.len()));
    assert_eq!(stable.connections(), 1, "one connection carried all");
    let status = sluice.status().await;
    assert!(format!("{status:?}").contains(&front.endpoint()), "{status:?}");
}

#[tokio::test]
async fn who_is_not_verified_gets_no_request() {
    let stable = Backend::start("v1").await;
    let (issuer, others) = (Issuer::new("authority"), Issuer::new("others"));
    let named = issuer.issue(&[NAME]);
    for (leaf, tls, is_asked) in [
        (&named, json!({ "caFile": "ca.pem" }), false),
        (&named, json!({ "caFile": "ca.pem", "serverName": "other.internal" }), false),
        (&named, json!({ "caFile": "ca.pem", "serverName": NAME }), true),
        (&others.issue(&["127.0.0.1"]), json!({ "caFile": "ca.pem" }), false),
        (&issuer.issue(&["127.0.0.1"]), json!({}), false),
        (&others.issue(&["elsewhere"]), json!({ "insecureSkipVerify": true }), true),
    ] {
        let front = TlsFront::start(leaf, None, &stable).await;
        let mut sluice = prepare(&stable, &front, &issuer, &tls);
        sluice.run().await;
        let before = stable.requests();
        let status = Request::get("/").host(NAME).send(sluice.address()).await.status;
        assert_eq!((status, stable.requests() - before), if is_asked { (200, 1) } else { (502, 0) }, "{tls}");
        let said = sluice.log();
        assert_eq!(said.contains("connecting by TLS failed"), !is_asked, "{tls}: {said}");
        assert_eq!(said.contains("insecureSkipVerify"), tls.get("insecureSkipVerify").is_some(), "{tls}: {said}");
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_or_nothing_is_a_failed_connect() {
    let stable = Backend::start("v1").await;
    let plain = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let talker = plain.local_addr().expect("it listens").to_string();
    let talking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    // A backend waits for the end of a head, which a ClientHello does not have.
    for (endpoint, status) in [(talker, 502), (stable.endpoint(), 504)] {
        let config = Config::new(&stable)
            .set("/rollouts/0/stable/endpoints", json!([format!("https://{endpoint}")]))
            .set("/upstream", json!({ "connectTimeout": "500ms" }));
        let sluice = Sluice::start(config).await;
        assert_eq!(Request::get("/").host(NAME).send(sluice.address()).await.status, status, "{endpoint}");
    }
    talking.abort();
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn upstreams_that_ask_who_we_are_are_told() {
    let stable = Backend::start("v1").await;
    let (issuer, clients) = (Issuer::new("authority"), Issuer::new("clients"));
    let front = TlsFront::start(&issuer.issue(&["127.0.0.1"]), Some(&clients), &stable).await;
    let identity = clients.issue(&["proxy"]);
    let certificate = json!({ "cert": "proxy.crt", "key": "proxy.key" });
    for (tls, status) in
        [(json!({ "caFile": "ca.pem" }), 502), (json!({ "caFile": "ca.pem", "clientCertificate": certificate }), 200)]
    {
        let mut sluice = prepare(&stable, &front, &issuer, &tls);
        sluice.write_file("proxy.crt", &identity.certificate);
        sluice.write_file("proxy.key", &identity.key);
        sluice.run().await;
        assert_eq!(Request::get("/").host(NAME).send(sluice.address()).await.status, status);
    }
}

#[tokio::test]
async fn a_reload_that_verifies_closes_what_was_not_verified() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let front = TlsFront::start(&issuer.issue(&[NAME]), None, &stable).await;
    let mut sluice = prepare(&stable, &front, &issuer, &json!({ "insecureSkipVerify": true }));
    sluice.run().await;
    assert_eq!(Request::get("/").host(NAME).send(sluice.address()).await.status, 200);
    sluice.reload(|config| config.set("/upstream/tls", json!({ "caFile": "ca.pem" }))).await;
    for _ in 0..4 {
        assert_eq!(Request::get("/").host(NAME).send(sluice.address()).await.status, 502);
    }
}

#[tokio::test]
async fn health_is_asked_by_tls_too() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let front = TlsFront::start(&issuer.issue(&["127.0.0.1"]), None, &stable).await;
    let mut sluice = prepare(&stable, &front, &issuer, &json!({ "caFile": "ca.pem" }));
    sluice.rewrite(|config| {
        config.set("/upstream/healthCheck", json!({ "path": "/healthz", "interval": "100ms", "unhealthyAfter": 1 }))
    });
    sluice.run().await;
    eventually("health is asked", async || holds(stable.health_checks() >= 2, || stable.health_checks().to_string()))
        .await;
    assert_eq!(Request::get("/").host(NAME).send(sluice.address()).await.status, 200);
    stable.set_healthy(false);
    eventually("it fails its check", async || {
        let status = Request::get("/").host(NAME).send(sluice.address()).await.status;
        holds(status == 503, || status.to_string())
    })
    .await;
}

#[tokio::test]
async fn check_refuses_what_can_not_be_used() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("upstream.yaml");
    for (tls, endpoint, words) in [
        ("{}", "https://h:1", "valid"),
        ("{}", "http://h:1", "no other scheme before it than https://"),
        ("{}", "https://h", "the port is missing"),
        ("{ caFile: none.pem }", "https://h:1", "can't be read"),
        ("{ serverName: \"a b\" }", "https://h:1", "the name in the certificate"),
        ("{ serverName: a, insecureSkipVerify: true }", "https://h:1", "neither caFile nor serverName"),
        ("{ clientCertificate: { cert: a, key: b } }", "https://h:1", "can't be read"),
    ] {
        let text = format!(
            "listeners: [{{ address: \"127.0.0.1:8080\" }}]\nupstream:\n  tls: {tls}\nrollouts:\n  - name: a\n    stable: {{ version: v1, endpoints: [\"{endpoint}\"] }}\n"
        );
        std::fs::write(&file, text).expect("a file");
        let checked = check(&file).await;
        checked.assert_code(i32::from(words != "valid"));
        assert!(checked.output().contains(words), "{tls}, {endpoint}: {words:?} expected:\n{}", checked.output());
    }
}
