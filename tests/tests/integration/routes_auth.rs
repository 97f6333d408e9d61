//! Who has to say who they are, to a file of users or to somebody else.

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Request, Sluice, eventually};

use super::{echoed, echoed_fields, pair};

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

/// A proxy whose only route asks `authority` first; that calls itself by the user's name in `X-Arm`.
async fn with_authority(change: impl FnOnce(Value) -> Value) -> (Sluice, Backend, Backend) {
    let (stable, authority) = (Backend::start("v1").await, Backend::start("ann").await);
    let url = format!("http://{}/oauth2/auth?strict=1", authority.address());
    let auth = json!({ "url": url, "timeout": "500ms", "copyHeaders": ["X-Arm", "X-Email"] });
    let route = json!({ "rollout": "shop", "externalAuth": change(auth), "rewrite": { "path": "/echo" } });
    let sluice = Sluice::start(Config::new(&stable).set("/routes", json!([route]))).await;
    (sluice, stable, authority)
}

#[tokio::test]
async fn somebody_else_is_asked_with_all_that_a_request_is_and_names_the_user() {
    let (sluice, _stable, authority) = with_authority(|auth| auth).await;
    let request = Request::post("/cart?id=7", "body").host("shop.example").field("Cookie", "session=1");
    // What the client says of itself is not what the authority says.
    let request = request.field("X-Arm", "root").field("X-Email", "root@shop.example").field("X-Original-URL", "/free");
    let echo = echoed(&sluice, request).await;
    assert_eq!(echoed_fields(&echo, "x-arm"), ["ann"]);
    assert!(echoed_fields(&echo, "x-email").is_empty());
    assert_eq!(echo["body"], "body");
    let asked = authority.last_seen();
    assert_eq!((asked.head.first.as_str(), asked.body.len()), ("GET /oauth2/auth?strict=1 HTTP/1.1", 0));
    for (name, value) in [
        ("cookie", "session=1"),
        ("x-original-url", "http://shop.example/cart?id=7"),
        ("x-original-method", "POST"),
        ("x-forwarded-uri", "/cart?id=7"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(asked.head.all(name).collect::<Vec<_>>(), [value], "{name}");
    }
    assert!(asked.head.field("content-length").is_none(), "the body is not for the authority");
    let many = sluice_tests::Load::get(sluice.address()).count(100).connections(2).run().await;
    many.assert_no_failures();
    assert!(authority.connections() <= 4, "{} connections for 101 questions", authority.connections());
}

#[tokio::test]
async fn a_no_is_passed_on_or_leads_to_where_one_signs_in() {
    let (mut sluice, stable, authority) = with_authority(|auth| auth).await;
    for status in [401, 403] {
        authority.answers(sluice_tests::Answer::Status(status), 1.0);
        assert_eq!(Request::get("/").send(sluice.address()).await.status, status);
    }
    sluice.reload(|config| config.set("/routes/0/externalAuth/signin", json!("https://login.example/start"))).await;
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 403, "signing in again would not help");
    authority.answers(sluice_tests::Answer::Status(401), 1.0);
    let response = Request::get("/cart?id=7&a=b").host("shop.example").send(sluice.address()).await;
    let expected = "https://login.example/start?rd=http%3A%2F%2Fshop.example%2Fcart%3Fid%3D7%26a%3Db";
    assert_eq!((response.status, response.head.field("location")), (302, Some(expected)));
    assert_eq!(stable.requests(), 0);
    let metrics = sluice.metrics().await;
    assert_eq!(metrics.sum("sluice_rejected_requests_total", &[("reason", "unauthorized")]), 4.0);
    assert_eq!(metrics.sum("sluice_requests_total", &[]), 0.0, "no arm heard of it");
}

#[tokio::test]
async fn whatever_is_neither_yes_nor_no_lets_nobody_in() {
    let (sluice, stable, mut authority) = with_authority(|auth| auth).await;
    use sluice_tests::Answer;
    for answer in [Answer::Status(500), Answer::Status(404), Answer::Status(302), Answer::Reset, Answer::Hang] {
        authority.answers(answer, 1.0);
        assert_eq!(Request::get("/").send(sluice.address()).await.status, 503, "{answer:?}");
    }
    authority.refuse().await;
    for _ in 0..5 {
        assert_eq!(Request::get("/").send(sluice.address()).await.status, 503);
    }
    assert_eq!(stable.requests(), 0);
    let refused = [("reason", "auth_unavailable")];
    assert_eq!(sluice.metrics().await.sum("sluice_rejected_requests_total", &refused), 10.0);
    authority.recovers();
    authority.reopen().await;
    assert_eq!(Request::get("/").send(sluice.address()).await.status, 200, "as soon as it answers again");
}

#[tokio::test]
async fn who_waits_for_a_yes_gets_the_arm_that_is_in_force_by_then() {
    let (stable, canary) = pair().await;
    let authority = Backend::start("ann").await;
    let url = format!("http://{}/wait", authority.address());
    let route = json!({ "rollout": "shop", "externalAuth": { "url": url, "timeout": "1m" } });
    let config = Config::with_canary(&stable, &canary).manual(100).set("/routes", json!([route]));
    let mut sluice = Sluice::start(config).await;
    sluice.until_weight(100.0).await;
    let mut wire = sluice_tests::Wire::connect(sluice.address()).await.expect("the proxy listens");
    wire.write(&Request::get("/").to_bytes()).await.expect("the proxy reads");
    eventually("the authority is asked", async || holds(authority.requests() == 1, || "not yet".to_owned())).await;
    sluice.reload(|config| config.without("/rollouts/0/canary")).await;
    authority.open_gate();
    assert_eq!(wire.read_response(false).await.expect("an answer").arm(), "v1");
    assert_eq!(canary.requests(), 0);
}
