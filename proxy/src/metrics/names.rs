//! The names of all metrics, and the table that the README shows.

/// Requests by class of the answer.
pub const REQUESTS: &str = "sluice_requests_total";
/// Latency.
pub const DURATION: &str = "sluice_request_duration_seconds";
/// Failed attempts.
pub const ATTEMPT_FAILURES: &str = "sluice_attempt_failures_total";
/// What the shield did.
pub const SHIELDED: &str = "sluice_shielded_requests_total";
/// Requests under way.
pub const IN_FLIGHT: &str = "sluice_in_flight_requests";
/// Weight in force.
pub const WEIGHT: &str = "sluice_weight";
/// Weight wanted.
pub const WEIGHT_WANTED: &str = "sluice_weight_wanted";
/// Phase.
pub const PHASE: &str = "sluice_phase";
/// Step.
pub const STEP: &str = "sluice_step";
/// Trials.
pub const EVIDENCE: &str = "sluice_evidence_requests";
/// Scores.
pub const SCORE: &str = "sluice_metric_score";
/// Verdicts.
pub const VERDICTS: &str = "sluice_verdicts_total";
/// What gates answered.
pub const GATE_ANSWERS: &str = "sluice_gate_answers_total";
/// How long reverts took.
pub const REVERT: &str = "sluice_revert_seconds";
/// Changes by result.
pub const DEPLOYMENTS: &str = "sluice_deployments_total";
/// From the start of deployments to 100 %.
pub const LEAD_TIME: &str = "sluice_lead_time_seconds";
/// Allowed shares.
pub const LIMIT: &str = "sluice_metric_limit";
/// The latency limit.
pub const LATENCY_LIMIT: &str = "sluice_latency_limit_seconds";
/// What scores have to reach.
pub const THRESHOLD: &str = "sluice_metric_threshold";
/// Requests that were refused before an arm was chosen.
pub const REJECTED: &str = "sluice_rejected_requests_total";
/// Copies of requests for canaries.
pub const MIRRORED: &str = "sluice_mirrored_requests_total";
/// Connections to upstreams.
pub const UPSTREAM_CONNECTIONS: &str = "sluice_upstream_connections";
/// Lines that the access log dropped.
pub const ACCESS_LOG_DROPPED: &str = "sluice_access_log_dropped_total";
/// Reloads of certificates.
pub const CERTIFICATE_RELOADS: &str = "sluice_certificate_reloads_total";
/// When certificates end.
pub const CERTIFICATE_EXPIRY: &str = "sluice_certificate_expiry_seconds";
/// Reloads.
pub const RELOADS: &str = "sluice_config_reloads_total";
/// Age of the configuration.
pub const PLAN_AGE: &str = "sluice_plan_age_seconds";
/// Notifications.
pub const NOTIFICATIONS: &str = "sluice_notifications_total";
/// Version.
pub const BUILD_INFO: &str = "sluice_build_info";

/// Name, type, labels and help of every metric.
pub const TABLE: &[(&str, &str, &str, &str)] = &[
    (
        REQUESTS,
        "counter",
        "rollout, arm, code",
        "Finished first attempts by status class of the answer: 1xx to 5xx, or none.",
    ),
    (
        DURATION,
        "histogram",
        "rollout, arm",
        "Time to the last byte of answered attempts; the latency limit is among the bounds.",
    ),
    (
        ATTEMPT_FAILURES,
        "counter",
        "rollout, arm, kind",
        "Failed attempts, the shielded ones included, by kind of failure.",
    ),
    (
        SHIELDED,
        "counter",
        "rollout, result",
        "Failed canary requests that stable answered, failed as well, or that were over_budget.",
    ),
    (IN_FLIGHT, "gauge", "rollout, arm", "Requests under way."),
    (WEIGHT, "gauge", "rollout, arm", "Share of the undirected traffic that is routed to the arm, percent."),
    (
        WEIGHT_WANTED,
        "gauge",
        "rollout",
        "Share of the undirected traffic that the plan wants the canary to have, percent.",
    ),
    (PHASE, "gauge", "rollout, phase", "1 for the present phase, 0 for the others."),
    (STEP, "gauge", "rollout", "Present step, from 1; 0 before the first."),
    (EVIDENCE, "gauge", "rollout, arm", "Trials that the present evidence on failures rests on."),
    (
        SCORE,
        "gauge",
        "rollout, metric, test",
        "Score of a metric in nats: abs against the limit, rel against stable, pro for promotion.",
    ),
    (THRESHOLD, "gauge", "rollout, metric, test", "Score from which a test has decided, in nats, for each metric."),
    (LIMIT, "gauge", "rollout, metric", "Allowed share of failed requests, or of those slower than the latency limit."),
    (LATENCY_LIMIT, "gauge", "rollout, quantile", "Latency that the quantile has to stay below."),
    (VERDICTS, "counter", "rollout, verdict, metric", "Verdicts: revert, promote, hold, pause, inconclusive."),
    (
        GATE_ANSWERS,
        "counter",
        "rollout, gate, result",
        "Answers of gates: open, closed, or failed, which is closed too.",
    ),
    (
        REVERT,
        "histogram",
        "rollout",
        "Time from the first failure of the deciding window to weight 0: the time to restore.",
    ),
    (
        DEPLOYMENTS,
        "counter",
        "rollout, result",
        "Changes that were tried on users, by result: promoted, promoted_full, reverted, aborted.",
    ),
    (LEAD_TIME, "histogram", "rollout", "Time from the start of a release to 100 %, of promoted ones."),
    (REJECTED, "counter", "reason", "Requests refused before an arm was chosen."),
    (
        MIRRORED,
        "counter",
        "result",
        "Copies of requests for canaries: answered (below 500), failed, or dropped since too many were under way.",
    ),
    (UPSTREAM_CONNECTIONS, "gauge", "arm, state", "Connections to upstreams."),
    (
        ACCESS_LOG_DROPPED,
        "counter",
        "reason",
        "Lines that the access log, if there is one, dropped: queue_full, or not_written.",
    ),
    (
        CERTIFICATE_RELOADS,
        "counter",
        "result",
        "Certificates that were read anew: accepted, or refused while those in use stay.",
    ),
    (CERTIFICATE_EXPIRY, "gauge", "listener, name", "Unix time at which a certificate in use ends, by its file."),
    (RELOADS, "counter", "result", "Configurations that were accepted or refused, the first included."),
    (PLAN_AGE, "gauge", "", "Time since the present configuration was accepted."),
    (
        NOTIFICATIONS,
        "counter",
        "destination, result",
        "Notifications: delivered, refused, expired, dropped; failed counts attempts that are made again.",
    ),
    (BUILD_INFO, "gauge", "version", "1, with the version of the program."),
];

/// The table in Markdown, as it stands in the README between the `<!-- metrics -->` markers.
pub fn markdown_table() -> String {
    let mut text = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, kind, labels, help) in TABLE {
        let labels = if labels.is_empty() { "–" } else { labels };
        text.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    text
}
