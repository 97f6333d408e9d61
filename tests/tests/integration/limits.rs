//! Limits: who is too many is closed and counted, who is inside is served, and the admin port knows nothing of it.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, Wire, eventually};

async fn limited(stable: &Backend, limits: Value) -> Sluice {
    Sluice::start(Config::new(stable).set("/limits", limits)).await
}

/// A connection that has been served.
async fn inside(address: SocketAddr) -> Result<Wire, String> {
    let mut wire = Wire::connect(address).await.map_err(|error| error.to_string())?;
    let answer = wire.exchange(&Request::get("/")).await.map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(wire) } else { Err(answer.status.to_string()) }
}

async fn rejected(sluice: &Sluice, reason: &str) -> f64 {
    sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", reason)])
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_places_are_given_back() {
    let stable = Backend::start("v1").await;
    for (key, reason) in [("maxConnections", "connections"), ("maxConnectionsPerClient", "client_connections")] {
        let sluice = limited(&stable, json!({ key: 3 })).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(inside(sluice.address()).await.expect("a place"));
        }
        for n in 1..=5 {
            assert!(inside(sluice.address()).await.is_err(), "{key}");
            eventually("it is counted", async || {
                let counted = rejected(&sluice, reason).await;
                holds(counted == f64::from(n), || counted.to_string())
            })
            .await;
        }
        for wire in &mut held {
            assert_eq!(wire.exchange(&Request::get("/")).await.expect("an answer").arm(), "v1", "{key}");
        }
        drop(held.pop());
        eventually("the place is free", async || inside(sluice.address()).await.map(|_| ())).await;
    }
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_likes() {
    let stable = Backend::start("v1").await;
    let limits = json!({ "maxConnectionsPerClient": 1 });
    let config = Config::new(&stable).set("/limits", limits).set("/trustedProxies", json!(["127.0.0.1"]));
    let sluice = Sluice::start(config).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(inside(sluice.address()).await.expect("a place"));
    }
}

#[tokio::test]
async fn without_memory_everybody_is_sent_away_but_the_admin_port_serves() {
    let stable = Backend::start("v1").await;
    // Less than the program needs for itself.
    let sluice = limited(&stable, json!({ "maxMemory": "1MiB" })).await;
    eventually("memory is found to be short", async || {
        let refused = inside(sluice.address()).await.is_err();
        holds(refused && rejected(&sluice, "memory").await > 0.0, || "served".to_owned())
    })
    .await;
    assert_eq!(sluice.status().await.name, "shop");
    assert!(sluice.log().contains("memory is short"), "{}", sluice.log());
}

#[tokio::test]
async fn the_last_file_descriptors_are_kept_for_the_admin_port() {
    let stable = Backend::start("v1").await;
    let config = Config::new(&stable).set("/rollouts/0/stable/endpoints", json!([stable.endpoint()]));
    let mut sluice = Sluice::prepare(config).wrapped(&["sh", "-c", "ulimit -n 160 && exec \"$@\"", "sh"]);
    sluice.run().await;
    assert!(sluice.log().contains("file descriptors for fewer connections"), "{}", sluice.log());
    let mut held = Vec::new();
    let mut sent_away = 0;
    for _ in 0..300 {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        match wire.exchange(&Request::get("/")).await {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                held.push(wire);
            }
            Err(_) => sent_away += 1,
        }
    }
    assert!(held.len() >= 10 && sent_away >= 100, "{} inside, {sent_away} sent away", held.len());
    let counted = rejected(&sluice, "connections").await + rejected(&sluice, "descriptors").await;
    assert_eq!(counted, f64::from(sent_away));
    for wire in &mut held {
        assert_eq!(wire.exchange(&Request::get("/")).await.expect("an answer").arm(), "v1");
    }
    assert_eq!(sluice.status().await.name, "shop");
}
