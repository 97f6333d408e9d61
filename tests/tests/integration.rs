//! The product from outside: every test starts its own proxy between its own backends and drives it over sockets.

mod integration {
    use serde_json::Value;
    use sluice_tests::{Backend, Report, Request, Sluice};

    mod admin;
    mod blue_green;
    mod canary;
    mod check;
    mod cli;
    mod commands;
    mod crash;
    mod dashboard;

    mod directed;
    mod dora;
    mod endpoints;
    mod exposition;
    mod forwarding;
    mod gates;
    mod grpc;
    mod harness;
    mod hostile;
    mod http2;
    mod limits;
    mod logs;
    mod metrics;
    mod no_revert;
    mod notifications;
    mod proxy_protocol;
    mod reload;
    mod revert;
    mod routes_access;
    mod routes_auth;
    mod routes_compression;
    mod routes_endpoints;
    mod routes_limits;
    mod routes_mirror;
    mod routes_target;
    mod split;
    mod sticky;
    mod storage;
    mod tls;
    mod tracing;
    mod upstream_tls;
    mod websocket;

    /// The stable and the canary version.
    async fn pair() -> (Backend, Backend) {
        (Backend::start("v1").await, Backend::start("v2").await)
    }

    /// A request as the backend got it.
    async fn echoed(sluice: &Sluice, request: Request) -> Value {
        let response = request.send(sluice.address()).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// The fields of this name in an echoed request.
    fn echoed_fields(echo: &Value, name: &str) -> Vec<String> {
        let all = echo["fields"].as_array().expect("the echo lists fields");
        let of_name =
            all.iter().filter(|field| field[0].as_str().is_some_and(|given| given.eq_ignore_ascii_case(name)));
        of_name.map(|field| field[1].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The share of a short load: each worker deals whole blocks, so a few hundred requests may be some points off.
    fn assert_share(report: &Report, arm: &str, percent: f64) {
        let share = report.percent_from(arm);
        assert!((share - percent).abs() <= 5.0, "{percent} % wanted for {arm}: {:?}", report.by_arm());
    }
}
