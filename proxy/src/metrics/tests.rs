use sluice_engine::evidence::Arm;
use sluice_engine::rollout::Command;

use super::*;
use crate::pilot::fixture::{Cockpit, SHOP};

const MARKER: &str = "<!-- metrics -->";

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn the_readme_shows_exactly_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let Ok(readme) = std::fs::read_to_string(path) else { return }; // a package on its own has none
    let table = markdown_table();
    let shown = readme.split(MARKER).nth(1).and_then(|rest| rest.split("<!--").next()).unwrap_or_default();
    assert_eq!(shown.trim(), table.trim(), "between the {MARKER} markers of README.md should stand:\n{table}");
}

/// Names of ours in a text, without the endings that histograms have.
fn names_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("sluice_"));
    let known = |word: &str| TABLE.iter().any(|row| row.0 == word);
    let without_ending = |word| ["_bucket", "_sum", "_count"].iter().find_map(|&end| str::strip_suffix(word, end));
    words.map(|word| if known(word) { word } else { without_ending(word).unwrap_or(word) }).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist_and_the_dashboard_leaves_out_few() {
    let read = |file: &str| std::fs::read_to_string(format!("{}/../manifests/{file}", env!("CARGO_MANIFEST_DIR")));
    let Ok(dashboard) = read("grafana/sluice.json") else { return }; // a package on its own has none
    let rules = read("prometheus/sluice-rules.yaml").unwrap();
    for name in names_in(&dashboard).into_iter().chain(names_in(&rules)) {
        assert!(TABLE.iter().any(|row| row.0 == name), "{name}");
    }
    let shown = names_in(&dashboard);
    let left_out: Vec<&str> = TABLE.iter().map(|row| row.0).filter(|name| !shown.contains(name)).collect();
    // Verdicts are shown as what became of the change; who is asked and told has nothing to do with traffic.
    // Certificates are a matter of months, and copies nothing with the verdict.
    assert_eq!(
        left_out,
        [
            VERDICTS,
            GATE_ANSWERS,
            MIRRORED,
            ACCESS_LOG_DROPPED,
            CERTIFICATE_RELOADS,
            CERTIFICATE_EXPIRY,
            NOTIFICATIONS,
            BUILD_INFO
        ]
    );
}

#[test]
fn names_are_unique_and_of_known_types() {
    for (i, (name, kind, _, help)) in TABLE.iter().enumerate() {
        assert!(name.starts_with("sluice_") && help.ends_with('.'), "{name}");
        assert!(["counter", "gauge", "histogram"].contains(kind), "{name}");
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        assert!(TABLE[..i].iter().all(|row| row.0 != *name), "{name} twice");
    }
}

#[test]
fn every_line_of_a_scrape_belongs_to_the_table_and_has_its_labels() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.serve(Arm::Canary, 10, 1);
    cockpit.command(Command::Abort { reason: None }).unwrap();
    let text = Exporter::new(cockpit.handle.clone()).render();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let row = TABLE.iter().find(|row| {
            name == row.0
                || (row.1 == "histogram"
                    && name.strip_prefix(row.0).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end)))
        });
        let (_, _, labels, _) = row.unwrap_or_else(|| panic!("{line}"));
        let shown = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let keys =
            shown.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, _)| key).filter(|&key| key != "le");
        let mut keys: Vec<&str> = keys.collect();
        let mut expected: Vec<&str> = labels.split(", ").filter(|label| !label.is_empty()).collect();
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected, "{line}");
    }
}

#[test]
fn counters_show_what_was_counted_and_do_not_go_back_with_a_new_generation() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let exporter = Exporter::new(cockpit.handle.clone());
    cockpit.serve(Arm::Canary, 10, 4);
    let failures = "sluice_attempt_failures_total{rollout=\"shop\",arm=\"canary\",kind=\"status\"}";
    assert_eq!(value(&exporter.render(), failures), Some(4.0));
    cockpit.release("v3", &["127.0.0.1:9003"]).unwrap();
    cockpit.serve(Arm::Canary, 10, 2);
    cockpit.pass(300); // a raise begins with a tick, and the status is put up now and then
    let text = exporter.render();
    assert_eq!(value(&text, failures), Some(6.0));
    assert_eq!(value(&text, "sluice_weight{rollout=\"shop\",arm=\"canary\"}"), Some(20.0));
    assert_eq!(value(&text, "sluice_weight{rollout=\"shop\",arm=\"stable\"}"), Some(80.0));
    assert_eq!(value(&text, "sluice_phase{rollout=\"shop\",phase=\"Progressing\"}"), Some(1.0));
    assert_eq!(value(&text, "sluice_config_reloads_total{result=\"accepted\"}"), Some(1.0));
}

#[test]
fn the_latency_limit_is_among_the_bounds() {
    let cockpit = Cockpit::start(SHOP, None);
    let text = Exporter::new(cockpit.handle.clone()).render();
    assert!(
        text.contains("sluice_request_duration_seconds_bucket{rollout=\"shop\",arm=\"canary\",le=\"0.2\"} 0"),
        "{text}"
    );
}

#[test]
fn limits_and_thresholds_are_there_as_lines_for_a_picture() {
    let mut cockpit = Cockpit::start(SHOP, None);
    cockpit.pass(300);
    let text = Exporter::new(cockpit.handle.clone()).render();
    for (series, expected) in [
        ("sluice_metric_limit{rollout=\"shop\",metric=\"failures\"}", 0.01),
        ("sluice_metric_limit{rollout=\"shop\",metric=\"latency\"}", 0.05),
        ("sluice_latency_limit_seconds{rollout=\"shop\",quantile=\"0.95\"}", 0.2),
    ] {
        let found = value(&text, series);
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{series}: {found:?}");
    }
    let threshold = value(&text, "sluice_metric_threshold{rollout=\"shop\",metric=\"failures\",test=\"abs\"}");
    assert_eq!(threshold, cockpit.status().metrics.first().map(|metric| metric.abs_threshold));
}

#[test]
fn changes_are_counted_by_result_from_zero_on() {
    let mut cockpit = Cockpit::start(SHOP, None);
    let exporter = Exporter::new(cockpit.handle.clone());
    let count = |text: &str, result: &str| {
        value(text, &format!("sluice_deployments_total{{rollout=\"shop\",result=\"{result}\"}}"))
    };
    let text = exporter.render();
    for result in crate::dora::RESULTS {
        assert_eq!(count(&text, result), Some(0.0), "{result}");
    }
    cockpit.command(Command::Abort { reason: None }).unwrap();
    cockpit.command(Command::Retry).unwrap();
    cockpit.command(Command::Promote { full: true }).unwrap();
    cockpit.command(Command::Promote { full: false }).unwrap();
    let text = exporter.render();
    assert_eq!((count(&text, "aborted"), count(&text, "promoted_full")), (Some(1.0), Some(1.0)));
    assert_eq!(value(&text, "sluice_lead_time_seconds_count{rollout=\"shop\"}"), Some(1.0));
}

#[test]
fn other_parts_add_their_numbers_at_each_scrape() {
    let cockpit = Cockpit::start(SHOP, None);
    let exporter = Exporter::new(cockpit.handle.clone());
    exporter.add_source(|| metrics::counter!(REJECTED, "reason" => "head_too_large").absolute(3));
    assert_eq!(value(&exporter.render(), "sluice_rejected_requests_total{reason=\"head_too_large\"}"), Some(3.0));
}
