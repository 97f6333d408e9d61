use std::path::Path;

use sluice_engine::plan::Strategy;

use super::*;

mod notifications;
mod refusals;
mod robustness;
mod routes;

const EXAMPLE: &str = include_str!("tests/example.yaml");

const MINIMAL: &str = "\
listeners:
  - address: 0.0.0.0:8080
rollouts:
  - name: shop
    stable: { version: v1, endpoints: [\"127.0.0.1:9001\"] }
";

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text.as_bytes(), Path::new("/etc/sluice/shop.yaml"))
}

fn accepted(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{}", errors.with_excerpts()))
}

/// `MINIMAL` with lines in its rollout: they begin at line 6, column 5.
fn rollout_with(lines: &str) -> String {
    lines.lines().fold(MINIMAL.to_owned(), |text, line| format!("{text}    {line}\n"))
}

/// `MINIMAL` with sections behind it: they begin at line 6, column 1.
fn file_with(lines: &str) -> String {
    format!("{MINIMAL}{lines}\n")
}

#[test]
fn five_lines_make_a_working_configuration_with_all_defaults() {
    let config = accepted(MINIMAL);
    assert_eq!(config.listeners, [Listener::plain("0.0.0.0:8080".parse().unwrap())]);
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9900");
    assert_eq!(config.state_dir, Path::new("/etc/sluice/state"));
    assert_eq!(config.admin.token_file, Path::new("/etc/sluice/state/admin.token"));
    assert!(config.workers >= 1 && config.routes.is_empty() && config.rollouts[0].canary.is_none());
    assert_eq!(config.upstream, UpstreamSettings::default());
    assert!(config.rollouts[0].routing.shield && !config.rollouts[0].routing.directed_after_revert);
    let Strategy::Canary { steps } = &config.rollouts[0].plan.strategy else { panic!("a canary is the default") };
    let weights: Vec<f64> = steps.iter().map(|step| step.weight.percent()).collect();
    assert_eq!(weights, [10.0, 25.0, 50.0, 100.0]);
    assert_eq!(steps[2].duration, Millis::new(15 * 60_000));
}

#[test]
fn what_shows_requests_to_others_is_off_until_it_is_asked_for() {
    let config = accepted(MINIMAL);
    assert_eq!(config.compat, Compat { nginx_metrics: false, namespace: "default".into() });
    assert_eq!(config.access_log, None);
    assert_eq!(config.tracing.propagate, Propagate::Present);
    let config = accepted(&file_with(
        "compat: { nginxMetrics: true, namespace: shop }\naccessLog:\ntracing: { propagate: always, sample: 1 }",
    ));
    assert!(config.compat.nginx_metrics && config.tracing.sample.takes(u64::MAX));
    let defaults = config.access_log.unwrap();
    assert_eq!((defaults.format, &defaults.path, defaults.failures), (LogFormat::Json, &LogPath::Stdout, true));
    assert!(defaults.sample.takes(u64::MAX) && defaults.buffer == 4_096);
    let config =
        accepted(&file_with("accessLog: { format: combined, path: a.log, sample: 0.5, failures: false, buffer: 16 }"));
    let log = config.access_log.unwrap();
    assert_eq!(log.path, LogPath::File("/etc/sluice/a.log".into()));
    assert!(log.sample.takes(u64::MAX / 4) && !log.sample.takes(u64::MAX / 4 * 3) && !log.failures);
}

#[test]
fn every_key_of_the_long_example_means_something() {
    let config = accepted(EXAMPLE);
    assert_eq!(config.listeners[1].max_connections, 500);
    assert!(config.admin.auth_for_reads);
    assert_eq!(config.admin.token_file, Path::new("/run/secrets/sluice"));
    assert_eq!(config.admin.allowed_hosts, ["sluice.example"]);
    assert_eq!((config.workers, config.trusted_proxies.len()), (2, 2));
    let shop = &config.rollouts[0].routing;
    assert!(matches!(&shop.header.as_ref().unwrap().test, ValueTest::Switch));
    assert!(matches!(&shop.cookie.as_ref().unwrap().test, ValueTest::Pattern(_)));
    assert_eq!(shop.matches.iter().map(|rule| rule.conditions.len()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(shop.sticky, Some(Sticky::Cookie { name: "sluice".to_owned(), ttl: Millis::new(86_400_000) }));
    assert!(shop.directed_after_revert && !shop.shield);
    assert_eq!(config.rollouts[0].plan.gates[0].before(), sluice_engine::plan::Point::ALL);
    assert_eq!(config.rollouts[0].gates[0].url.to_string(), "http://127.0.0.1:9999");
    assert_eq!(config.routes[0].hosts, ["shop.example", "*.shop.example"]);
    assert_eq!(config.routes[0].target, RouteTarget::Rollout(0));
    assert!(config.routes[1].filters.is_none());
    let filters = config.routes[0].filters.as_ref().unwrap();
    assert_eq!((filters.max_body_size, filters.upstream.retries), (Some(8 << 20), Some(2)));
    assert_eq!(&*filters.external_auth.as_ref().unwrap().endpoint, "auth:4180");
    assert!(filters.mirror.unwrap().takes(u64::MAX / 9) && !filters.mirror.unwrap().takes(u64::MAX / 7));
    assert_eq!(filters.compression.as_ref().unwrap().min_size, 2_048);
    assert_eq!(config.upstream.health_check.as_ref().unwrap().unhealthy_after, 3);
    assert_eq!(config.preview_hosts().collect::<Vec<_>>(), [(1, "preview.pay.example")]);
    assert_eq!(config.rollouts[1].routing.preview_header.as_ref().unwrap(), "x-preview");
}

#[test]
fn texts_that_look_like_numbers_or_truth_values_stay_as_they_are_written() {
    let config = accepted(
        &MINIMAL.replace("v1", "1.10").replace(
            "\n    stable",
            "\n    routing: { shield: off, header: { name: x, value: 007 }, match: [{ query: { beta: true } }] }\n    stable",
        ),
    );
    assert_eq!(&*config.rollouts[0].stable.version, "1.10");
    let routing = &config.rollouts[0].routing;
    assert!(!routing.shield);
    assert!(matches!(&routing.header.as_ref().unwrap().test, ValueTest::Value(value) if value == "007"));
    assert!(matches!(&routing.matches[0].conditions[0].test, MatchTest::Exact(text) if text == "true"));
}

#[test]
fn a_section_without_content_is_the_section_with_its_defaults() {
    let config = accepted(&file_with("admin:\nupstream:\nroutes:\ntrustedProxies:\nworkers:\nstateDir:"));
    assert_eq!(config.upstream, UpstreamSettings::default());
    accepted(&rollout_with("canary:\nrouting:\nanalysis:\nstrategy:"));
}

#[test]
fn percentages_need_no_quotes_and_aliases_and_merges_may_be_used() {
    let config = accepted(&rollout_with(
        "analysis: &strict { successRate: { min: 99.5% } }\nstrategy: { canary: { steps: [{ setWeight: 5% }] } }",
    ));
    assert!((config.rollouts[0].plan.analysis.theta - 0.005).abs() < 1e-9);
    let two = format!(
        "{}  - name: pay\n    stable: {{ version: v1, endpoints: [pay:80] }}\n    analysis: {{ <<: *strict, rho: 2 }}\n{}",
        rollout_with("analysis: &strict { successRate: { min: 98% } }"),
        "routes: [{ hosts: [a.example], rollout: shop }, { rollout: pay }]\n",
    );
    assert!((accepted(&two).rollouts[1].plan.analysis.theta - 0.02).abs() < 1e-9);
}

#[test]
fn endpoints_have_one_spelling() {
    for (written, meant) in [
        ("127.0.0.1:9001", "127.0.0.1:9001"),
        ("Shop.Default.SVC:080", "shop.default.svc:80"),
        ("[::1]:9001", "[::1]:9001"),
        ("[0:0:0:0:0:0:0:1]:9001", "[::1]:9001"),
        ("my_service:65535", "my_service:65535"),
        ("shop.example.:80", "shop.example.:80"),
    ] {
        assert_eq!(endpoint(written).as_deref(), Ok(meant));
    }
    for written in [
        "",
        "shop",
        ":80",
        "shop:",
        "shop:0",
        "shop:65536",
        "shop:+80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[shop]:80",
        "1.2.3:80",
    ]
    .into_iter()
    .chain(["256.1.1.1:80", "-a:80", "a..b:80", "a b:80", "http://a:80", "a/b:80", "a:80 ", "ä:80", "a%b:80"])
    {
        let error = endpoint(written).expect_err(written);
        assert!(error.contains(&format!("{written:?}")), "{error}");
    }
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = check(&directory.path().join("none.yaml")).unwrap_err().to_string();
    assert!(error.contains("none.yaml: can't be read: No such file"), "{error}");
    let error = check(directory.path()).unwrap_err().to_string();
    assert!(error.ends_with(": is no regular file"), "{error}");
}

#[test]
fn relative_paths_begin_where_the_file_lies() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.yaml");
    std::fs::write(&file, file_with("stateDir: ../var\nadmin: { auth: { tokenFile: secret } }")).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.state_dir, directory.path().join("../var"));
    assert_eq!(config.admin.token_file, directory.path().join("secret"));
}

#[test]
fn every_example_that_ships_is_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            check(&path).unwrap_or_else(|errors| panic!("{}", errors.with_excerpts()));
            checked += 1;
        }
    }
    assert!(checked > 0);
}
