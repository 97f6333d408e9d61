//! Who has to say who they are, to a file of users or to somebody else.

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, eventually};

use super::pair;

/// `s3cret` with bcrypt at its cheapest, and with SHA-512.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG";
const SHA: &str = "$6$abcdefgh$Z7KfoKnKTSZrzo5VZ0YubGLQOj9ov6sHo9TmE3zIU/LHKhpE30zCnZ0mcIXYf9r9rQ4DYaXoxAFSPFlcWdxjB.";

/// `ann:s3cret`, `ben:s3cret`, `ann:wrong`.
const ANN: &str = "Basic YW5uOnMzY3JldA==";
const BEN: &str = "Basic YmVuOnMzY3JldA==";
const WRONG: &str = "Basic YW5uOndyb25n";

/// A proxy whose only route, to the rollout, asks for users of a file.
async fn with_users(stable: &Backend, change: impl FnOnce(Config) -> Config) -> Sluice {
    let route = json!({ "rollout": "shop", "basicAuth": { "file": "users", "realm": "The shop" } });
    let mut sluice = Sluice::prepare(change(Config::new(stable).set("/routes", json!([route]))));
    write_users(&sluice, &format!("ann:{BCRYPT}\nben:{SHA}\n"));
    sluice.run().await;
    sluice
}

fn write_users(sluice: &Sluice, text: &str) {
    std::fs::write(sluice.directory().join("users"), text).expect("the users can be written");
}

async fn as_user(sluice: &Sluice, credentials: &str) -> u16 {
    Request::get("/").field("Authorization", credentials).send(sluice.address()).await.status
}

#[tokio::test]
async fn who_knows_a_password_is_let_in() {
    let (stable, canary) = pair().await;
    let sluice = with_users(&stable, |config| config.canary("v2", &canary).manual(50)).await;
    let stranger = Request::get("/").send(sluice.address()).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.head.field("www-authenticate"), Some("Basic realm=\"The shop\", charset=\"UTF-8\""));
    for _ in 0..3 {
        for (credentials, status) in [(ANN, 200), (BEN, 200), (WRONG, 401), ("Basic !", 401), ("Bearer x", 401)] {
            assert_eq!(as_user(&sluice, credentials).await, status, "{credentials}");
        }
    }
    assert_eq!(stable.requests() + canary.requests(), 6, "nobody else came through, and both arms got their share");
    assert!(stable.requests() > 0 && canary.requests() > 0);
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_rejected_requests_total", &[("reason", "unauthorized")]), 10.0);
    assert_eq!(metrics.sum("sluice_requests_total", &[]), 6.0, "a refusal is counted for no arm");
}

#[tokio::test]
async fn a_password_that_was_taken_back_is_refused_without_a_reload() {
    let stable = Backend::start("v1").await;
    let sluice = with_users(&stable, |config| config).await;
    assert_eq!(as_user(&sluice, ANN).await, 200);
    write_users(&sluice, &format!("ben:{SHA}\n"));
    eventually("it is refused", async || {
        let status = as_user(&sluice, ANN).await;
        holds(status == 401, || status.to_string())
    })
    .await;
    assert_eq!(as_user(&sluice, BEN).await, 200);
    write_users(&sluice, "ben:plain\n");
    eventually("the log says that the file is wrong", async || {
        assert_eq!(as_user(&sluice, BEN).await, 200, "those before stay");
        holds(sluice.log().contains("only bcrypt"), || sluice.log())
    })
    .await;
}

#[tokio::test]
async fn a_reload_that_takes_the_users_out_lets_everyone_in_and_one_with_a_bad_file_is_refused() {
    let stable = Backend::start("v1").await;
    let mut sluice = with_users(&stable, |config| config).await;
    sluice.rewrite(|config| config.set("/routes/0/basicAuth", json!({ "file": "missing" })));
    sluice.hang_up();
    eventually("the reload is refused", async || {
        holds(sluice.log().contains("missing: can't be read"), || sluice.log())
    })
    .await;
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 401);
    sluice.reload(|config| config.set("/routes", json!([{ "rollout": "shop" }]))).await;
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
}

#[tokio::test]
async fn guessing_passwords_keeps_no_other_request_waiting_for_ever() {
    let stable = Backend::start("v1").await;
    let routes: Value = json!([
        { "paths": [{ "prefix": "/private" }], "rollout": "shop", "basicAuth": { "file": "users" } },
        { "rollout": "shop" },
    ]);
    let sluice = with_users(&stable, |config| config.set("/routes", routes)).await;
    let guesses = (0..200).map(|n| {
        let address = sluice.address();
        let credentials = format!("Basic {}", ["YW5uOg", "YmVuOg"][n % 2].to_owned() + &format!("{n:04}"));
        tokio::spawn(
            async move { Request::get("/private").field("Authorization", &credentials).send(address).await.status },
        )
    });
    let guesses: Vec<_> = guesses.collect();
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200);
    for guess in guesses {
        let status = guess.await.expect("no panic");
        assert!(matches!(status, 401 | 503), "{status}");
    }
}
