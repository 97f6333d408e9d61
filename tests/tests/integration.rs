//! The product from outside: every test starts its own proxy between its own backends and drives it over sockets.

mod integration {
    use sluice_tests::{Backend, Report};

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
    mod harness;
    mod limits;
    mod logs;
    mod metrics;
    mod no_revert;
    mod notifications;
    mod proxy_protocol;
    mod reload;
    mod revert;
    mod split;
    mod sticky;
    mod storage;
    mod tls;
    mod tracing;
    mod upstream_tls;

    /// The stable and the canary version.
    async fn pair() -> (Backend, Backend) {
        (Backend::start("v1").await, Backend::start("v2").await)
    }

    /// The share of a short load: each worker deals whole blocks, so a few hundred requests may be some points off.
    fn assert_share(report: &Report, arm: &str, percent: f64) {
        let share = report.percent_from(arm);
        assert!((share - percent).abs() <= 5.0, "{percent} % wanted for {arm}: {:?}", report.by_arm());
    }
}
