//! Who may use the admin API, and what it refuses.

use serde_json::json;
use sluice_api::{Phase, Reason, Sample, Series, codes};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Backend, Config, Request, Response, Sluice, eventually};

use super::pair;

/// A proxy that waits at 20 %, and requests to its admin API.
struct Api {
    sluice: Sluice,
    _backends: (Backend, Backend),
}

async fn start(change: impl FnOnce(Config) -> Config) -> Api {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(change(Config::with_canary(&stable, &canary).held_at(20))).await;
    Api { sluice, _backends: (stable, canary) }
}

impl Api {
    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).host(&self.sluice.admin_address().to_string())
    }

    /// A command with token and body, as a good client sends it.
    fn command(&self, verb: &str) -> Request {
        let request = self.request("POST", &format!("/v1/rollouts/{ROLLOUT}/{verb}"));
        self.with_token(request).field("Content-Type", "application/json")
    }

    fn with_token(&self, request: Request) -> Request {
        request.field("Authorization", &format!("Bearer {}", self.sluice.token()))
    }

    async fn send(&self, request: Request) -> Response {
        request.send(self.sluice.admin_address()).await
    }

    async fn expect_error(&self, request: Request, status: u16, code: &str) {
        let what = format!("{request:?}");
        let response = self.send(request).await;
        assert_eq!(response.status, status, "{what}: {}", response.text());
        assert_eq!(response.json()["error"]["code"], code, "{what}");
        assert!(response.json()["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
    }
}

#[tokio::test]
async fn writes_need_the_token_and_reads_on_loopback_do_not() {
    let api = start(|config| config).await;
    let before = api.sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    let token = api.sluice.token();
    for wrong in [
        "",
        "Bearer ",
        "Bearer wrong",
        "Basic YTpi",
        &token,
        &format!("Bearer {}", &token[1..]),
        &format!("Bearer {token}x"),
    ] {
        let request =
            api.request("POST", &format!("/v1/rollouts/{ROLLOUT}/abort")).field("Authorization", wrong).body("{}");
        api.expect_error(request, 401, codes::UNAUTHORIZED).await;
    }
    let without = api.request("POST", &format!("/v1/rollouts/{ROLLOUT}/abort")).body("{}");
    api.expect_error(without, 401, codes::UNAUTHORIZED).await;
    assert_eq!(api.sluice.status().await.reason, before.reason, "refused commands change nothing");
    assert_eq!(api.send(api.request("GET", "/v1/rollouts")).await.status, 200);
    assert_eq!(api.send(api.command("abort").body("{}")).await.status, 200);
    assert_eq!(api.sluice.status().await.reason, Reason::Aborted);
}

#[tokio::test]
async fn with_auth_for_reads_nothing_of_a_rollout_is_shown_without_token() {
    let api = start(|config| config.set("/admin/auth", json!({ "reads": true }))).await;
    for path in ["/v1/rollouts", &format!("/v1/rollouts/{ROLLOUT}"), &format!("/v1/rollouts/{ROLLOUT}/history")] {
        api.expect_error(api.request("GET", path), 401, codes::UNAUTHORIZED).await;
        let allowed = api.send(api.with_token(api.request("GET", path))).await;
        assert_eq!(allowed.status, 200, "{path}: {}", allowed.text());
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_for_reads_and_writes() {
    let api = start(|config| config.set("/admin/allowedHosts", json!(["sluice.internal"]))).await;
    for host in ["evil.example", "evil.example:9900", "127.0.0.1.evil.example", "localhost.evil.example"] {
        api.expect_error(Request::get("/v1/rollouts").host(host), 403, codes::FORBIDDEN).await;
        let write = api.with_token(Request::post(&format!("/v1/rollouts/{ROLLOUT}/abort"), "{}").host(host));
        api.expect_error(write, 403, codes::FORBIDDEN).await;
    }
    let port = api.sluice.admin_address().port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "sluice.internal".to_owned()] {
        let response = api.send(Request::get("/v1/rollouts").host(&host)).await;
        assert_eq!(response.status, 200, "{host}: {}", response.text());
    }
}

#[tokio::test]
async fn a_write_from_a_foreign_page_is_refused_though_it_has_the_token() {
    let api = start(|config| config).await;
    for origin in ["http://evil.example", "https://127.0.0.1.evil.example", "null"] {
        api.expect_error(api.command("abort").field("Origin", origin).body("{}"), 403, codes::FORBIDDEN).await;
    }
    assert_ne!(api.sluice.status().await.reason, Reason::Aborted);
    let own = format!("http://{}", api.sluice.admin_address());
    let response = api.send(api.command("abort").field("Origin", &own).body("{}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_understood_whole() {
    let api = start(|config| config).await;
    let before = api.sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(64 << 10));
    api.expect_error(api.command("abort").body(large), 413, codes::TOO_LARGE).await;
    for body in ["{\"reson\":\"typo\"}", "{\"generation\":\"one\"}", "{", "[]", "{\"generation\":-1}"] {
        api.expect_error(api.command("abort").body(body), 400, codes::BAD_REQUEST).await;
    }
    let release = |body: &'static str| {
        let request = api.request("PUT", &format!("/v1/rollouts/{ROLLOUT}/canary"));
        api.with_token(request).field("Content-Type", "application/json").body(body)
    };
    for body in [
        r#"{"version":"v9"}"#,
        r#"{"version":"v9","endpoints":[]}"#,
        r#"{"version":"","endpoints":["127.0.0.1:1"]}"#,
        r#"{"version":"v9","endpoints":["nowhere"]}"#,
        r#"{"version":"v9","endpoints":["127.0.0.1:1"],"weight":50}"#,
    ] {
        api.expect_error(release(body), 400, codes::BAD_REQUEST).await;
    }
    let after = api.sluice.status().await;
    assert_eq!((after.reason, after.generation), (before.reason, before.generation));
}

#[tokio::test]
async fn unknown_rollouts_and_paths_are_not_found() {
    let api = start(|config| config).await;
    for path in
        ["/v1/rollouts/none", "/v1/rollouts/none/history", "/v1/rollouts/none/events", "/v1/nothing", "/nothing"]
    {
        api.expect_error(api.request("GET", path), 404, codes::NOT_FOUND).await;
    }
    let unknown =
        api.with_token(api.request("POST", "/v1/rollouts/none/abort")).field("Content-Type", "application/json");
    api.expect_error(unknown.body("{}"), 404, codes::NOT_FOUND).await;
}

#[tokio::test]
async fn no_get_changes_anything() {
    let api = start(|config| config).await;
    let before = api.sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    for verb in ["promote", "abort", "retry", "pause", "resume", "canary", "weight"] {
        let path = format!("/v1/rollouts/{ROLLOUT}/{verb}");
        let response = api.send(api.with_token(api.request("GET", &path))).await;
        assert!(matches!(response.status, 404 | 405), "{verb}: {}", response.status);
    }
    let after = api.sluice.status().await;
    assert_eq!(
        (after.reason, after.generation, after.history.len()),
        (before.reason, before.generation, before.history.len())
    );
}

#[tokio::test]
async fn every_write_leaves_an_audit_line_without_the_secret() {
    let api = start(|config| config).await;
    let body = r#"{"reason":"two\r\nlines"}"#;
    assert_eq!(api.send(api.command("abort").body(body)).await.status, 200);
    let log = api.sluice.log();
    assert!(log.lines().any(|line| line.contains("abort") && line.contains(ROLLOUT)), "{log}");
    assert!(!log.lines().any(|line| line.trim() == "lines"), "text of a client can't begin a line of the log: {log}");
    assert!(!log.lines().any(|line| line.contains(&api.sluice.token()) && line.contains("abort")), "{log}");
}

#[tokio::test]
async fn the_token_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let api = start(|config| config).await;
    let mode =
        std::fs::metadata(api.sluice.state_dir().join("admin.token")).expect("the token file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(api.sluice.token().len() >= 32, "a token is hard to guess");
}

#[tokio::test]
async fn an_admin_address_for_everyone_without_auth_is_refused_at_start() {
    let (stable, canary) = pair().await;
    let open = format!("0.0.0.0:{}", sluice_tests::ports::free_address().port());
    let config = Config::with_canary(&stable, &canary).set("/admin/address", json!(open));
    let mut sluice = Sluice::prepare(config);
    let refused = sluice.run_to_end().await;
    assert_eq!(refused.code, Some(1), "{}", refused.output());
    assert!(refused.output().contains("auth"), "{}", refused.output());
}

#[tokio::test]
async fn the_page_comes_with_a_policy_that_allows_only_itself() {
    let api = start(|config| config).await;
    let page = api.send(api.request("GET", "/")).await;
    assert_eq!(page.status, 200);
    let policy = page.head.field("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'self'"), "{policy:?}");
    assert_eq!(page.head.field("x-content-type-options"), Some("nosniff"));
    assert!(!page.text().contains(&api.sluice.token()), "the page does not hold the secret");
}

#[tokio::test]
async fn the_series_counts_every_request_once_in_the_second_in_which_it_ended() {
    let api = start(|config| config).await;
    for _ in 0..40 {
        assert_eq!(Request::get("/").send(api.sluice.address()).await.status, 200);
    }
    let series = eventually("all requests are in the series", async || {
        let request = api.request("GET", &format!("/v1/rollouts/{ROLLOUT}/series"));
        let series: Series = serde_json::from_str(&api.send(request).await.text()).expect("a series");
        let arms = |sample: &Sample| sample.stable.requests + sample.canary.as_ref().map_or(0, |arm| arm.requests);
        let requests: u64 = series.samples.iter().map(arms).sum();
        if requests == 40 { Ok(series) } else { Err(format!("{requests} of 40")) }
    })
    .await;
    let busy = series.samples.iter().find(|sample| sample.stable.requests > 0).expect("stable got most of them");
    assert!(busy.stable.p50_ms.is_some_and(|p50| p50 > 0.0) && busy.stable.failures == 0, "{busy:?}");
    let newest = series.samples.last().expect("there are samples");
    assert_eq!((series.interval_ms, newest.generation), (1_000, 1));
}

#[tokio::test]
async fn health_and_readiness_are_open_and_the_data_port_serves_no_admin() {
    let api = start(|config| config).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.send(api.request("GET", path)).await.status, 200, "{path}");
    }
    let response = Request::get("/v1/rollouts").send(api.sluice.address()).await;
    assert!(["v1", "v2"].contains(&response.arm()), "the data port forwards: {}", response.text());
}

#[tokio::test]
async fn history_and_list_tell_the_same_story() {
    let api = start(|config| config).await;
    assert_eq!(api.send(api.command("abort").body(r#"{"reason":"not today"}"#)).await.status, 200);
    let history = api.sluice.reader().history(ROLLOUT).await.expect("a history");
    let list = api.sluice.reader().list().await.expect("a list");
    assert_eq!(history.generations, list.rollouts[0].history);
    assert!(history.generations[0].cause.contains("not today"), "{:?}", history.generations[0]);
}
