//! The wire contract of Sluice: the JSON that the admin API of a proxy (or of the controller) speaks, and a client.
//!
//! Types only say what goes over the wire. Names are camelCase, durations are numbers with their unit in the name,
//! weights are percent (0 to 100), rates are fractions (0 to 1). Fields are only ever added; readers ignore what they
//! don't know.

#[cfg(feature = "client")]
pub mod client;
mod report;
mod series;

pub use report::{DoraFigures, DoraReport, ReleaseCounts, RolloutDora, Spread};
use serde::{Deserialize, Serialize};
pub use series::{ArmSample, Sample, Series};
pub use sluice_engine::evidence::Arm;
pub use sluice_engine::judge::{Metric, Verdict};
pub use sluice_engine::plan::Point;
pub use sluice_engine::rollout::{Event, EventKind, GateState, Outcome, PastGeneration, Phase, Reason};

/// Answer of `GET /v1/rollouts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutList {
    /// Every rollout, in the order of the configuration.
    pub rollouts: Vec<RolloutStatus>,
    /// State of the server's configuration.
    pub server: ServerStatus,
}

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Seconds since the present configuration was accepted.
    pub config_age_seconds: u64,
    /// Why the newest configuration was refused; absent when it is in force.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub config_error: Option<String>,
    /// Why decisions can't be stored at present; absent when they can.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state_error: Option<String>,
    /// Who is notified, and how that goes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notifications: Vec<NotificationStatus>,
}

/// One destination of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationStatus {
    /// Name, as configured.
    pub name: String,
    /// `slack`, `teams`, `pagerduty` or `webhook`.
    pub kind: String,
    /// How many notices wait.
    pub pending: u64,
    /// Why the last attempt failed; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_error: Option<String>,
    /// When it last took a notice, Unix time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_delivered_at_ms: Option<u64>,
}

/// Answer of `POST /v1/notifications/{name}/test`: the destination took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationTest {
    /// The destination.
    pub name: String,
    /// Always true: what was not taken is an error.
    pub delivered: bool,
}

/// One rollout, whole. Answer of `GET /v1/rollouts/{name}` and of every command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Name.
    pub name: String,
    /// `canary`, `blueGreen` or `manual`.
    pub strategy: String,
    /// Number of the present generation; 0 before the first canary.
    pub generation: u64,
    /// Phase.
    pub phase: Phase,
    /// Reason.
    pub reason: Reason,
    /// One sentence: what it does or waits for, and what would unblock it.
    pub message: String,
    /// Present step.
    pub step: StepStatus,
    /// Weights.
    pub weight: WeightStatus,
    /// The version that is known to work.
    pub stable: ArmStatus,
    /// The version under test; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<ArmStatus>,
    /// Every metric's verdict.
    pub metrics: Vec<MetricStatus>,
    /// What still keeps the step from ending, one sentence each, in the order in which to look at them.
    pub waiting_for: Vec<String>,
    /// Who is asked before the weight rises, in the order of the plan.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gates: Vec<GateStatus>,
    /// What the shield did in this generation.
    pub shield: ShieldStatus,
    /// The verdict that ended the generation, if one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// What the last revert took, if there was one in this generation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revert: Option<RevertStatus>,
    /// Past generations, newest first.
    pub history: Vec<PastRelease>,
}

/// The present step of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// From 1; 0 before the first.
    pub index: usize,
    /// How many weight steps there are, the final 100 % included.
    pub count: usize,
    /// Their weights, percent.
    pub weights: Vec<f64>,
    /// Seconds in the present step, holds left out.
    pub elapsed_seconds: f64,
    /// Seconds it takes at least; absent when it waits for a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_seconds: Option<f64>,
}

/// Share of the undirected traffic that goes to the canary, percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightStatus {
    /// By the plan.
    pub wanted: f64,
    /// What is routed by now.
    pub in_force: f64,
}

/// One arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmStatus {
    /// Version name.
    pub version: String,
    /// Its endpoints.
    pub endpoints: Vec<EndpointStatus>,
    /// Requests that this arm answered or failed in this generation (first attempts, directed ones included).
    pub requests: u64,
    /// Of those, how many a header, cookie, match rule or preview sent here; never part of a verdict.
    pub directed: u64,
    /// Attempts that failed.
    pub attempt_failures: u64,
    /// Requests whose user saw the failure (attempt failures less those that the shield answered from stable).
    pub user_failures: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Share of attempts that did not fail, 0 to 1; absent without a request.
    pub success_rate: Option<f64>,
    /// Median latency, milliseconds; absent without a request.
    pub p50_ms: Option<f64>,
    /// 95 % were at most this slow, milliseconds.
    pub p95_ms: Option<f64>,
    /// 99 % were at most this slow, milliseconds.
    pub p99_ms: Option<f64>,
    /// Requests per second over the last seconds.
    pub requests_per_second: f64,
}

/// One address of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// As written in the configuration.
    pub address: String,
    /// Whether it gets requests.
    pub healthy: bool,
    /// Why not; absent when healthy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// What is concluded from one metric by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Judgement {
    /// Enough evidence that it is within the limit.
    Good,
    /// Beyond the limit.
    Bad,
    /// Not enough evidence either way.
    Undecided,
    /// No request yet.
    NoData,
}

/// One metric of the analysis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// Which.
    pub metric: Metric,
    /// The limit in words, such as `at most 1 % failed` or `at most 5 % slower than 200 ms`.
    pub limit: String,
    /// Conclusion by now.
    pub verdict: Judgement,
    /// Canary trials.
    pub n: u64,
    /// Canary failures.
    pub x: u64,
    /// Stable trials.
    pub n_stable: u64,
    /// Stable failures.
    pub x_stable: u64,
    /// Score against the limit, nats.
    pub abs: f64,
    /// It reverts at this score.
    pub abs_threshold: f64,
    /// Score against stable, nats; absent when stable gets no traffic.
    pub rel: Option<f64>,
    /// It needs at least this score.
    pub rel_threshold: f64,
    /// Score for promotion, nats.
    pub pro: Option<f64>,
    /// It is proven good at this score.
    pub pro_threshold: f64,
    /// Requests seen that count towards promotion.
    pub requests_seen: u64,
    /// Requests needed in all if failures stay as they are; absent if more requests alone won't do.
    pub requests_needed: Option<u64>,
}

/// A gate: somebody who is asked before the weight rises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Name.
    pub name: String,
    /// What it has said to the present raise.
    pub state: GateState,
    /// The point at which it is asked; absent while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub point: Option<Point>,
    /// What it said to people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// Seconds in this state; absent while it is not asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since_seconds: Option<f64>,
}

/// What the shield did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShieldStatus {
    /// Failed canary requests that stable answered.
    pub answered: u64,
    /// Second attempts that failed as well.
    pub failed: u64,
    /// Not tried, because the retry budget was used up.
    pub over_budget: u64,
}

/// What a revert took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevertStatus {
    /// Failed canary requests from the first failure of the deciding window to weight 0.
    pub failed_requests: u64,
    /// Of those, requests whose user saw the failure.
    pub user_failures: u64,
    /// Milliseconds from that first failure to weight 0.
    pub milliseconds: f64,
}

/// Answer of `GET /v1/rollouts/{name}/history`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Name.
    pub name: String,
    /// Past generations, newest first.
    pub generations: Vec<PastRelease>,
}

/// A past generation, with what the wall clock said. Times are absent where nobody looked at a clock: in what an
/// older version of the program recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastRelease {
    /// What the engine remembers.
    #[serde(flatten)]
    pub past: PastGeneration,
    /// When and how fast.
    #[serde(flatten)]
    pub times: ReleaseTimes,
}

/// Wall-clock times of one generation. None is before an earlier one, whatever the clock did meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseTimes {
    /// When it began, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at_ms: Option<u64>,
    /// When 100 % first came into force; absent if it never did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub full_at_ms: Option<u64>,
    /// When it was promoted, taken back or replaced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at_ms: Option<u64>,
    /// Milliseconds from the first failure of the deciding window to weight 0; only after a revert by verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restored_after_ms: Option<f64>,
}

/// Answer of `GET /v1/access`, which asks for the token whatever else does: whoever gets it may command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Commands are taken from whoever asked.
    pub commands: bool,
}

/// Body of `POST …/promote`. Every command may carry a generation; a stale one gets 409.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromoteRequest {
    /// The generation the caller looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// To 100 % at once, without analysis.
    #[serde(default)]
    pub full: bool,
}

/// Body of `POST …/abort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbortRequest {
    /// The generation the caller looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// For events and history.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// Body of `POST …/retry`, `…/pause` and `…/resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandRequest {
    /// The generation the caller looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
}

/// Body of `PUT …/canary`: starts a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Version name of the new canary.
    pub version: String,
    /// Its endpoints, `host:port` each.
    pub endpoints: Vec<String>,
}

/// Body of `PUT …/weight`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightRequest {
    /// Percent, 0 to 100.
    pub weight: sluice_engine::units::Weight,
    /// The generation the caller looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
}

/// Body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// An error for programs and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// One of the codes of [`codes`].
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// Error codes and their HTTP statuses.
pub mod codes {
    /// 400: the body or a value in it is wrong.
    pub const BAD_REQUEST: &str = "badRequest";
    /// 401: no or wrong token.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// 403: Host or Origin not allowed.
    pub const FORBIDDEN: &str = "forbidden";
    /// 404: no such rollout or path.
    pub const NOT_FOUND: &str = "notFound";
    /// 409: stale generation, or not possible in this phase.
    pub const CONFLICT: &str = "conflict";
    /// 413: body over 64 KiB.
    pub const TOO_LARGE: &str = "tooLarge";
    /// 429: more than the allowed writes per minute, or too many connections.
    pub const TOO_MANY: &str = "tooMany";
    /// 502: a destination of notifications did not take a test.
    pub const NOT_DELIVERED: &str = "notDelivered";
    /// 500: a fault of the server.
    pub const INTERNAL: &str = "internal";
}

/// A server-sent event of `GET …/events`: `event: status` carries a [`RolloutStatus`], `event: decision` a [`Decision`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Rollout.
    pub name: String,
    /// Unix time, milliseconds.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

// === impl PastRelease ===

/// It is a past generation first of all.
impl std::ops::Deref for PastRelease {
    type Target = PastGeneration;

    fn deref(&self) -> &PastGeneration {
        &self.past
    }
}

// === impl RolloutStatus ===

impl RolloutStatus {
    /// The same without the past and without the record of the verdict: what a list or a page needs every second.
    #[must_use]
    pub fn into_brief(mut self) -> Self {
        self.history.clear();
        if let Some(verdict) = &mut self.verdict {
            verdict.record = None;
        }
        self
    }
}
