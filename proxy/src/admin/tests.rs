use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use sluice_api::{DoraReport, ErrorBody, RolloutList, RolloutStatus};
use sluice_engine::rollout::Phase;
use tower::ServiceExt;

use super::*;
use crate::metrics::Exporter;
use crate::pilot::fixture::{DEADLINE, Running, SHOP};
use crate::releases::ReleaseReader;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const HOST: &str = "localhost:9900";

/// The API of a running pilot.
struct Server {
    router: Router,
    readiness: Readiness,
    _running: Running,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        Self::with_reads_guarded(false)
    }

    fn with_reads_guarded(token_for_reads: bool) -> Self {
        let running = Running::start(SHOP);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("admin.token");
        std::fs::write(&file, TOKEN).unwrap();
        let names = Names::new("127.0.0.1:9900".parse().unwrap(), &[]);
        let rules = Arc::new(Rules::new(names, TokenFile::open(&file), token_for_reads));
        let readiness = Readiness::default();
        let exporter = Arc::new(Exporter::new(running.handle.clone()));
        let releases = ReleaseReader::new(folder.path());
        let sources = Sources { pilot: running.handle.clone(), readiness: readiness.clone(), exporter, releases };
        Self { router: router(rules, sources), readiness, _running: running, _folder: folder }
    }

    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(mk_request(Method::GET, path, "", &[])).await
    }

    /// A command with everything that it needs.
    async fn write(&self, method: Method, path: &str, body: &str) -> Response<Body> {
        let bearer = format!("Bearer {TOKEN}");
        self.ask(mk_request(method, path, body, &[("authorization", &bearer), ("content-type", "application/json")]))
            .await
    }
}

fn mk_request(method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn read<T: serde::de::DeserializeOwned>(response: Response<Body>) -> T {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

async fn error(response: Response<Body>) -> (StatusCode, String, String) {
    let status = response.status();
    let ErrorBody { error } = read(response).await;
    (status, error.code, error.message)
}

#[tokio::test]
async fn reads_are_open_and_list_every_rollout() {
    let server = Server::start();
    let list: RolloutList = read(server.get("/v1/rollouts").await).await;
    assert_eq!(list.rollouts.iter().map(|rollout| rollout.name.as_str()).collect::<Vec<_>>(), ["shop"]);
    let one: RolloutStatus = read(server.get("/v1/rollouts/shop").await).await;
    assert_eq!((one.strategy.as_str(), one.step.count), ("canary", 3));
    let (status, code, _) = error(server.get("/v1/rollouts/nothing").await).await;
    assert_eq!((status, code.as_str()), (StatusCode::NOT_FOUND, "notFound"));
    assert_eq!(server.get("/v2").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_write_needs_the_token_whatever_else_it_has() {
    let server = Server::start();
    let good = format!("Bearer {TOKEN}");
    let lower = format!("bearer {TOKEN}");
    let longer = format!("Bearer {TOKEN}0");
    let table = [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Bearer ")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", TOKEN)], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Basic Zm9vOmJhcg==")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", longer.as_str())], StatusCode::UNAUTHORIZED),
        (vec![("authorization", good.as_str()), ("authorization", good.as_str())], StatusCode::UNAUTHORIZED),
        (vec![("cookie", good.as_str())], StatusCode::UNAUTHORIZED),
        (vec![("authorization", good.as_str()), ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        (vec![("authorization", good.as_str()), ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![("authorization", lower.as_str())], StatusCode::OK),
        (vec![("authorization", good.as_str()), ("origin", "http://localhost:9900")], StatusCode::OK),
    ];
    for (headers, expected) in table {
        let response = server.ask(mk_request(Method::POST, "/v1/rollouts/shop/pause", "", &headers)).await;
        assert_eq!(response.status(), expected, "{headers:?}");
    }
    assert_eq!(
        server.ask(mk_request(Method::POST, "/v1/rollouts/shop/pause?token=x", "", &[])).await.headers()
            [header::WWW_AUTHENTICATE],
        "Bearer"
    );
}

#[tokio::test]
async fn every_path_checks_the_host_and_every_answer_has_the_headers() {
    let server = Server::start();
    for path in ["/", "/healthz", "/readyz", "/metrics", "/v1/rollouts", "/v1/rollouts/shop/events", "/nowhere"] {
        let request =
            Request::builder().uri(path).header(header::HOST, "evil.example:9900").body(Body::empty()).unwrap();
        let response = server.ask(request).await;
        assert_eq!(
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().split(';').next(),
            Some("default-src 'self'")
        );
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(error(response).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn reads_need_the_token_where_that_is_configured_but_probes_never_do() {
    let server = Server::with_reads_guarded(true);
    assert_eq!(server.get("/v1/rollouts").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let bearer = format!("Bearer {TOKEN}");
    let request = mk_request(Method::GET, "/v1/rollouts", "", &[("authorization", &bearer)]);
    assert_eq!(server.ask(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_page_itself_is_open_where_reads_need_the_token_and_its_files_are_asked_for_again() {
    let server = Server::with_reads_guarded(true);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/base.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/vendor/uplot/uPlot.esm.js", "text/javascript; charset=utf-8"),
    ] {
        let response = server.get(path).await;
        assert_eq!(
            (response.status(), &response.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &kind.parse().unwrap())
        );
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache", "{path}");
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
        let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = server.ask(mk_request(Method::GET, path, "", &[("if-none-match", &tag)])).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.into_body().collect().await.unwrap().to_bytes().len(), 0);
    }
    assert_eq!(server.get("/app.js/..%2fCargo.toml").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_asks_for_access_learns_whether_the_token_is_right() {
    let server = Server::start();
    assert_eq!(server.get("/v1/access").await.status(), StatusCode::UNAUTHORIZED);
    let ask = |bearer: String| server.ask(mk_request(Method::GET, "/v1/access", "", &[("authorization", &bearer)]));
    assert_eq!(ask("Bearer wrong".to_owned()).await.status(), StatusCode::UNAUTHORIZED);
    let access: sluice_api::Access = read(ask(format!("Bearer {TOKEN}")).await).await;
    assert!(access.commands);
}

#[tokio::test]
async fn a_brief_list_leaves_the_past_out() {
    let server = Server::start();
    server.write(Method::POST, "/v1/rollouts/shop/abort", "").await;
    let whole: RolloutList = read(server.get("/v1/rollouts").await).await;
    let brief: RolloutList = read(server.get("/v1/rollouts?brief=true").await).await;
    assert_eq!((whole.rollouts[0].history.len(), brief.rollouts[0].history.len()), (1, 0));
    assert_eq!(brief.rollouts[0].phase, Phase::Degraded);
    assert_eq!(server.get("/v1/rollouts?brief=perhaps").await.status(), StatusCode::BAD_REQUEST);
    let mut events = server.get("/v1/rollouts/shop/events?brief=true").await.into_body();
    let frame = tokio::time::timeout(DEADLINE, events.frame()).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
    assert!(text.contains("event: status") && text.contains("\"history\":[]"), "{text}");
}

#[tokio::test]
async fn the_last_minutes_are_kept_second_by_second() {
    let server = Server::start();
    let started = std::time::Instant::now();
    let first = loop {
        let series: sluice_api::Series = read(server.get("/v1/rollouts/shop/series").await).await;
        match series.samples.into_iter().next() {
            Some(sample) => break sample,
            None => assert!(started.elapsed() < DEADLINE, "no sample comes"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((first.generation, first.stable.requests), (1, 0));
    assert!(first.canary.is_some());
    let path = format!("/v1/rollouts/shop/series?after={}", first.at_ms);
    let later: sluice_api::Series = read(server.get(&path).await).await;
    assert!(later.samples.iter().all(|sample| sample.at_ms > first.at_ms), "{later:?}");
    assert_eq!(server.get("/v1/rollouts/none/series").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v1/rollouts/shop/series?after=now").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_command_answers_with_the_rollout_and_a_stale_one_with_conflict() {
    let server = Server::start();
    let paused: RolloutStatus = read(server.write(Method::POST, "/v1/rollouts/shop/pause", "{}").await).await;
    assert_eq!(paused.phase, Phase::Paused);
    let (status, code, message) =
        error(server.write(Method::POST, "/v1/rollouts/shop/resume", r#"{"generation": 7}"#).await).await;
    assert_eq!((status, code.as_str()), (StatusCode::CONFLICT, "conflict"));
    assert!(message.contains('7'), "{message}");
    let aborted: RolloutStatus =
        read(server.write(Method::POST, "/v1/rollouts/shop/abort", r#"{"reason": "smoke"}"#).await).await;
    assert_eq!((aborted.phase, aborted.weight.in_force), (Phase::Degraded, 0.0));
    let (status, _, _) = error(server.write(Method::PUT, "/v1/rollouts/shop/weight", r#"{"weight": 5}"#).await).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let released: RolloutStatus = read(
        server
            .write(Method::PUT, "/v1/rollouts/shop/canary", r#"{"version": "v3", "endpoints": ["127.0.0.1:9003"]}"#)
            .await,
    )
    .await;
    // In force from the next tick on.
    assert_eq!((released.generation, released.weight.wanted), (2, 20.0));
    assert_eq!(server.write(Method::POST, "/v1/rollouts/none/abort", "").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_is_json_small_and_has_no_unknown_field() {
    let server = Server::start();
    let bearer = format!("Bearer {TOKEN}");
    let auth = ("authorization", bearer.as_str());
    let pause = |body: &str, kind: &str| {
        mk_request(Method::POST, "/v1/rollouts/shop/pause", body, &[auth, ("content-type", kind)])
    };
    let (status, _, message) = error(server.ask(pause(r#"{"genration": 1}"#, "application/json")).await).await;
    assert!(status == StatusCode::BAD_REQUEST && message.contains("genration"), "{message}");
    for (body, kind) in [
        ("{", "application/json"),
        ("[]", "application/json"),
        ("{}", "text/plain"),
        ("generation=1", "application/x-www-form-urlencoded"),
    ] {
        assert_eq!(server.ask(pause(body, kind)).await.status(), StatusCode::BAD_REQUEST, "{body} {kind}");
    }
    let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(64 << 10));
    let (status, code, _) = error(server.write(Method::POST, "/v1/rollouts/shop/abort", &large).await).await;
    assert_eq!((status, code.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "tooLarge"));
    assert_eq!(server.write(Method::PUT, "/v1/rollouts/shop/canary", "").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.ask(pause("{}", "application/json; charset=utf-8")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn other_methods_are_refused_and_get_changes_nothing() {
    let server = Server::start();
    for path in ["abort", "promote", "pause", "retry", "resume", "canary", "weight"] {
        let response = server.get(&format!("/v1/rollouts/shop/{path}")).await;
        assert_eq!(error(response).await.0, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(server.write(Method::DELETE, "/v1/rollouts/shop", "").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let one: RolloutStatus = read(server.get("/v1/rollouts/shop").await).await;
    assert_eq!(one.phase, Phase::Progressing);
}

#[tokio::test]
async fn too_many_writes_are_told_when_to_come_back_but_an_abort_always_gets_through() {
    let server = Server::start();
    let mut refused = None;
    for _ in 0..200 {
        let response = server.write(Method::POST, "/v1/rollouts/none/pause", "").await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("twenty at once are the limit");
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(error(refused).await.1, "tooMany");
    assert_eq!(server.write(Method::POST, "/v1/rollouts/shop/abort", "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn guessing_the_token_does_not_keep_its_owner_out() {
    let server = Server::start();
    let guess =
        || server.ask(mk_request(Method::POST, "/v1/rollouts/shop/pause", "", &[("authorization", "Bearer guess")]));
    let mut last = StatusCode::OK;
    for _ in 0..200 {
        last = guess().await.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.write(Method::POST, "/v1/rollouts/shop/pause", "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn readiness_follows_the_process() {
    let server = Server::start();
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.readiness.state_loaded();
    server.readiness.workers_serve();
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    server.readiness.drain();
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn events_begin_with_the_status_and_past_decisions_on_request() {
    let server = Server::start();
    let mut body = server.get("/v1/rollouts/shop/events?recent=5").await.into_body();
    let mut text = String::new();
    while !(text.contains("event: decision") && text.contains("event: status")) {
        let frame = tokio::time::timeout(DEADLINE, body.frame()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(text.find("event: decision") < text.find("event: status"), "{text}");
    assert_eq!(server.get("/v1/rollouts/none/events").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v1/rollouts/shop/events?recent=x").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_dora_report_names_every_rollout_and_invents_no_number() {
    let server = Server::start();
    let report: DoraReport = read(server.get("/v1/reports/dora?since=7d").await).await;
    assert_eq!(report.rollouts.iter().map(|rollout| rollout.name.as_str()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!((report.all.changes, report.all.change_failure_rate, report.known_since_ms), (0, None, None));
    for query in ["since=soon", "since=1&until=1", "sinse=1d"] {
        let (status, code, message) = error(server.get(&format!("/v1/reports/dora?{query}")).await).await;
        assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "badRequest"), "{message}");
    }
}

#[tokio::test]
async fn the_server_answers_over_a_socket_and_ends_when_told() {
    let running = Running::start(SHOP);
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("admin.token");
    std::fs::write(&token_file, TOKEN).unwrap();
    let settings = config::Admin {
        address: "127.0.0.1:0".parse().unwrap(),
        auth_for_reads: false,
        allowed_hosts: Vec::new(),
        token_file,
    };
    let exporter = Arc::new(Exporter::new(running.handle.clone()));
    let (pilot, releases) = (running.handle.clone(), ReleaseReader::new(folder.path()));
    let sources = Sources { pilot, readiness: Readiness::default(), exporter, releases };
    let admin = Admin::bind(&settings, sources).unwrap();
    let address = admin.address();
    assert_eq!(admin.page_url(), format!("http://{address}/#token={TOKEN}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = admin.spawn(async { drop(stopped.await) }).unwrap();
    let text = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /v1/rollouts HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("\"shop\""), "{text}");
    drop(stop);
    thread.join().unwrap();
}

thread_local! {
    static LINES: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Collects what is logged on this thread. One subscriber for all tests: whether anybody listens to a log line is
/// remembered for the whole process, so one for each test would be deaf now and then.
struct Lines;

impl Lines {
    fn collect() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Self).finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        LINES.with_borrow_mut(Vec::clear);
    }

    fn collected() -> String {
        String::from_utf8(LINES.take()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_write_leaves_one_audit_line_also_a_refused_one_and_reads_leave_none() {
    let server = Server::start();
    Lines::collect();
    server.get("/v1/rollouts/shop").await;
    server.write(Method::POST, "/v1/rollouts/shop/pause", "").await;
    server.ask(mk_request(Method::POST, "/v1/rollouts/sh%0aop/abort", "", &[("authorization", "Bearer nope")])).await;
    let text = Lines::collected();
    let audit: Vec<&str> = text.lines().filter(|line| line.contains(" audit: ")).collect();
    assert_eq!(audit.len(), 2, "{text}");
    for part in ["who=\"token\"", "action=\"POST pause\"", "object=\"shop\"", "generation=1", "result=200"] {
        assert!(audit[0].contains(part), "{part}: {}", audit[0]);
    }
    assert!(audit[1].contains("who=\"unknown\"") && audit[1].contains("result=401"), "{}", audit[1]);
    assert!(!text.contains(TOKEN) && !text.contains("nope"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(connections::serve(listener, Router::new(), async { drop(stopped.await) }));
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_u8().await.unwrap(); // it was accepted
        open.push(stream);
    }
    let mut over = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(DEADLINE, over.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.1 429 "), "{text}");
    drop((stop, open));
    server.await.unwrap();
}
