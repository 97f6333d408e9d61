//! The paths of the admin API. A GET changes nothing; every command answers with the rollout as it is afterwards.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use sluice_api::{
    AbortRequest, Access, CommandRequest, NotificationTest, PromoteRequest, ReleaseRequest, RolloutStatus,
    WeightRequest,
};
use sluice_engine::rollout::Command;

use super::audit::Generation;
use super::body::{Optional, Required};
use super::error::{ApiError, json};
use super::events::events;
use super::exposition;
use super::page;
use super::ready::Readiness;
use super::report::dora;
use crate::metrics::Exporter;
use crate::notify::TestError;
use crate::pilot::{CommandError, PilotHandle};
use crate::releases::ReleaseReader;

/// What the routes answer from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The rollouts.
    pub pilot: PilotHandle,
    /// Whether traffic may come.
    pub readiness: Readiness,
    /// The metrics.
    pub exporter: Arc<Exporter>,
    /// What ended long ago.
    pub releases: ReleaseReader,
}

/// The name of a rollout in a path.
#[derive(Debug)]
pub(super) struct Name(pub(super) String);

/// What a list should hold.
#[derive(Debug, Default, Deserialize)]
struct ListWish {
    /// Leave the past generations out.
    #[serde(default)]
    brief: bool,
}

/// Which samples.
#[derive(Debug, Default, Deserialize)]
struct SeriesWish {
    /// Only those taken after this, Unix milliseconds.
    #[serde(default)]
    after: u64,
}

type Answer = Result<Response, ApiError>;

/// Needs the token though it is a read.
pub(super) const ACCESS: &str = "/v1/access";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) fn routes(sources: Sources) -> Router {
    page::routes()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .route(ACCESS, get(access))
        .route("/v1/rollouts", get(list))
        .route("/v1/rollouts/{name}", get(one))
        .route("/v1/rollouts/{name}/events", get(events))
        .route("/v1/rollouts/{name}/history", get(history))
        .route("/v1/reports/dora", get(dora))
        .route("/v1/rollouts/{name}/series", get(series))
        .route("/v1/rollouts/{name}/promote", post(promote))
        .route("/v1/rollouts/{name}/abort", post(abort))
        .route("/v1/rollouts/{name}/retry", post(retry))
        .route("/v1/rollouts/{name}/pause", post(pause))
        .route("/v1/rollouts/{name}/resume", post(resume))
        .route("/v1/rollouts/{name}/canary", put(release))
        .route("/v1/rollouts/{name}/weight", put(set_weight))
        .route("/v1/notifications/{name}/test", post(test_notification))
        .fallback(async || ApiError::NotFound("there is nothing at this path".to_owned()))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(sources)
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name))
            .map_err(|_| ApiError::BadRequest("the name in the path can't be read".to_owned()))
    }
}

pub(super) fn not_found(name: String) -> ApiError {
    CommandError::NotFound(name).into()
}

// === reads ===

async fn healthz() -> Response {
    text(StatusCode::OK, TEXT, "ok\n".to_owned())
}

async fn readyz(State(sources): State<Sources>) -> Response {
    match sources.readiness.waits_for() {
        None => text(StatusCode::OK, TEXT, "ready\n".to_owned()),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {reason}\n")),
    }
}

async fn exposition(State(sources): State<Sources>, headers: HeaderMap) -> Response {
    exposition::answer(&sources.exporter, &headers)
}

/// Whoever gets here has shown the token.
async fn access() -> Response {
    json(StatusCode::OK, &Access { commands: true })
}

async fn list(State(sources): State<Sources>, wish: Result<Query<ListWish>, QueryRejection>) -> Answer {
    let Query(wish) = wish.map_err(|_| ApiError::BadRequest("brief: true or false is allowed".to_owned()))?;
    let mut list = sources.pilot.list();
    if wish.brief {
        list.rollouts = list.rollouts.into_iter().map(RolloutStatus::into_brief).collect();
    }
    Ok(json(StatusCode::OK, &list))
}

async fn one(State(sources): State<Sources>, Name(name): Name) -> Answer {
    let status = sources.pilot.status(&name).ok_or_else(|| not_found(name))?;
    Ok(json(StatusCode::OK, &*status))
}

async fn history(State(sources): State<Sources>, Name(name): Name) -> Answer {
    let history = sources.pilot.history(&name).ok_or_else(|| not_found(name))?;
    Ok(json(StatusCode::OK, &history))
}

async fn series(
    State(sources): State<Sources>,
    Name(name): Name,
    wish: Result<Query<SeriesWish>, QueryRejection>,
) -> Answer {
    let Query(wish) = wish.map_err(|_| ApiError::BadRequest("after: Unix milliseconds are allowed".to_owned()))?;
    let series = sources.pilot.series(&name, wish.after).ok_or_else(|| not_found(name))?;
    Ok(json(StatusCode::OK, &series))
}

// === commands ===

async fn promote(State(sources): State<Sources>, Name(name): Name, Optional(body): Optional<PromoteRequest>) -> Answer {
    command(&sources, &name, body.generation, Command::Promote { full: body.full }).await
}

async fn abort(State(sources): State<Sources>, Name(name): Name, Optional(body): Optional<AbortRequest>) -> Answer {
    command(&sources, &name, body.generation, Command::Abort { reason: body.reason }).await
}

async fn retry(State(sources): State<Sources>, Name(name): Name, Optional(body): Optional<CommandRequest>) -> Answer {
    command(&sources, &name, body.generation, Command::Retry).await
}

async fn pause(State(sources): State<Sources>, Name(name): Name, Optional(body): Optional<CommandRequest>) -> Answer {
    command(&sources, &name, body.generation, Command::Pause).await
}

async fn resume(State(sources): State<Sources>, Name(name): Name, Optional(body): Optional<CommandRequest>) -> Answer {
    command(&sources, &name, body.generation, Command::Resume).await
}

async fn set_weight(
    State(sources): State<Sources>,
    Name(name): Name,
    Required(body): Required<WeightRequest>,
) -> Answer {
    command(&sources, &name, body.generation, Command::SetWeight(body.weight)).await
}

async fn release(State(sources): State<Sources>, Name(name): Name, Required(body): Required<ReleaseRequest>) -> Answer {
    Ok(changed(&*sources.pilot.release(&name, body).await?))
}

async fn command(sources: &Sources, name: &str, generation: Option<u64>, command: Command) -> Answer {
    Ok(changed(&*sources.pilot.command(name, generation, command).await?))
}

/// Not audited with a generation: it changes nothing here.
async fn test_notification(State(sources): State<Sources>, Name(name): Name) -> Answer {
    match sources.pilot.notifier().test(&name).await {
        Ok(()) => Ok(json(StatusCode::OK, &NotificationTest { name, delivered: true })),
        Err(error @ TestError::NotFound(_)) => Err(ApiError::NotFound(error.to_string())),
        Err(error @ TestError::NotTaken(_)) => Err(ApiError::NotDelivered(error.to_string())),
    }
}

fn changed(status: &RolloutStatus) -> Response {
    let mut response = json(StatusCode::OK, status);
    response.extensions_mut().insert(Generation(status.generation));
    response
}

fn text(status: StatusCode, kind: HeaderValue, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}
