//! What a gate is told: who asks, what for, and how the versions are doing. Fields are only ever added.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use sluice_api::{ArmStatus, Judgement, Metric, RolloutStatus};
use sluice_engine::plan::Point;

use crate::outbound::{SecretError, signature};
use crate::pilot::OpenQuestion;

const SIGNATURE: HeaderName = HeaderName::from_static("x-sluice-signature");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    gate: &'a str,
    point: Point,
    rollout: &'a str,
    generation: u64,
    /// The same as long as the same raise is asked about.
    question: u64,
    weight: f64,
    next_weight: f64,
    #[serde(flatten)]
    state: Option<State<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    strategy: &'a str,
    version: Option<&'a str>,
    stable: &'a str,
    /// From 1; 0 before the first.
    step: usize,
    steps: usize,
    evidence: Evidence<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence<'a> {
    canary: Option<Arm>,
    stable: Arm,
    metrics: Vec<MetricLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arm {
    requests: u64,
    success_rate: Option<f64>,
    p95_ms: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricLine<'a> {
    metric: Metric,
    limit: &'a str,
    verdict: Judgement,
    n: u64,
    x: u64,
    n_stable: u64,
    x_stable: u64,
}

/// Headers and body; signed where a secret is configured.
///
/// # Errors
/// The secret can't be read: then nothing is asked, because an unsigned question could be anybody's.
pub(super) async fn build(
    question: &OpenQuestion,
    status: Option<&RolloutStatus>,
) -> Result<(HeaderMap, Bytes), SecretError> {
    let body = body(question, status.filter(|status| status.generation == question.generation));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(secret) = question.gate.secret.clone() {
        let secret =
            tokio::task::spawn_blocking(move || secret.read()).await.expect("reading a file does not panic")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let value = signature(&secret, now, &body);
        headers.insert(SIGNATURE, HeaderValue::try_from(value).expect("digits, letters and = , are fine in a header"));
    }
    Ok((headers, body.into()))
}

fn body(question: &OpenQuestion, status: Option<&RolloutStatus>) -> Vec<u8> {
    let body = Body {
        gate: &question.gate.name,
        point: question.point,
        rollout: &question.rollout,
        generation: question.generation,
        question: question.number,
        weight: question.weight.percent(),
        next_weight: question.next.percent(),
        state: status.map(State::of),
    };
    serde_json::to_vec(&body).expect("texts, numbers and lists of them are JSON")
}

// === impl State ===

impl<'a> State<'a> {
    fn of(status: &'a RolloutStatus) -> Self {
        let metric = |metric: &'a sluice_api::MetricStatus| MetricLine {
            metric: metric.metric,
            limit: &metric.limit,
            verdict: metric.verdict,
            n: metric.n,
            x: metric.x,
            n_stable: metric.n_stable,
            x_stable: metric.x_stable,
        };
        let evidence = Evidence {
            canary: status.canary.as_ref().map(Arm::of),
            stable: Arm::of(&status.stable),
            metrics: status.metrics.iter().map(metric).collect(),
        };
        Self {
            strategy: &status.strategy,
            version: status.canary.as_ref().map(|canary| canary.version.as_str()),
            stable: &status.stable.version,
            step: status.step.index,
            steps: status.step.count,
            evidence,
        }
    }
}

// === impl Arm ===

impl Arm {
    fn of(arm: &ArmStatus) -> Self {
        Self { requests: arm.requests, success_rate: arm.success_rate, p95_ms: arm.p95_ms }
    }
}
