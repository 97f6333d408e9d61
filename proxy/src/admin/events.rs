//! `GET /v1/rollouts/{name}/events`: what happens, as it happens.
//!
//! First the present status; then `status` on every change and once a second, and `decision` for each event. With
//! `?recent=N` the last N decisions come first (at most those that are kept), for whoever joins late. With `?brief=true`
//! no status carries the past generations, which `history` has.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

use super::error::ApiError;
use super::routes::{Name, Sources, not_found};
use crate::pilot::{FeedItem, Subscription};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    /// How many past decisions.
    #[serde(default)]
    recent: usize,
    /// Leave the past generations out of every status.
    #[serde(default)]
    brief: bool,
}

pub(super) async fn events(
    State(sources): State<Sources>,
    Name(name): Name,
    wish: Result<Query<Wish>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wish) =
        wish.map_err(|_| ApiError::BadRequest("recent: a number is allowed; brief: true or false".to_owned()))?;
    let subscription = sources.pilot.subscribe(&name).ok_or_else(|| not_found(name))?;
    Ok(Sse::new(stream(subscription, &wish)).keep_alive(KeepAlive::default()).into_response())
}

fn stream(subscription: Subscription, wish: &Wish) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let brief = wish.brief;
    let Subscription { status, recent: known, feed } = subscription;
    let skipped = known.len().saturating_sub(wish.recent);
    let past = known.into_iter().skip(skipped).map(FeedItem::Decision);
    let first: Vec<FeedItem> = past.chain([FeedItem::Status(status)]).collect();
    // Whoever is too slow misses some; the next status says where things are.
    let later = BroadcastStream::new(feed).filter_map(Result::ok);
    tokio_stream::iter(first).chain(later).filter_map(move |item| match item {
        FeedItem::Status(status) if brief => event("status", &Arc::new(status.as_ref().clone().into_brief())),
        FeedItem::Status(status) => event("status", &status),
        FeedItem::Decision(decision) => event("decision", &decision),
    })
}

fn event<T: Serialize>(kind: &str, body: &Arc<T>) -> Option<Result<Event, Infallible>> {
    Event::default().event(kind).json_data(&**body).ok().map(Ok)
}
