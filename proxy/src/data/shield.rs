//! The shield: what the canary fails, stable answers, as long as the budget lasts.
//!
//! Only for safe requests without a body that the weight had assigned, and only before the head of the answer was passed
//! on. The failure counts against the canary as its first attempt; the second attempt is no trial. Apart from the shield
//! and its budget, stable answers whatever the canary has no endpoint for.

use std::rc::Rc;

use http::{HeaderMap, Method, Request, Response, Uri};
use sluice_engine::evidence::Arm;

use super::answer::Body;
use super::attempt::{Arrival, Journey};
use super::choose::Choice;
use super::connection::Client;
use super::error::{Error, Source};
use super::flight::Flight;
use super::local::LocalRollout;
use super::pool::WhenEjected;
use super::record::{Reason, user_saw_failure};
use super::upload::Upload;
use crate::counters::{FailureKind, add};

/// Spare maps that a worker keeps.
const SPARE: usize = 64;

/// A copy of a request's head, for a second attempt.
#[derive(Debug)]
pub(super) struct Kept {
    method: Method,
    target: Uri,
    headers: HeaderMap,
}

// === impl Kept ===

impl Kept {
    /// Copies the head if the shield would send the request again. The map is a spare one, names and values are shared.
    #[inline]
    pub(super) fn of(
        client: &Client,
        rollout: &LocalRollout,
        choice: Choice,
        request: &Request<Upload>,
    ) -> Option<Self> {
        if choice.arm != Arm::Canary || choice.reason == Reason::Directed || !rollout.view.routing.settings.shield {
            return None;
        }
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        (is_safe && request.body().is_empty()).then(|| Self::copy(client, request))
    }

    fn copy(client: &Client, request: &Request<Upload>) -> Self {
        let mut headers = client.worker.spare_heads.borrow_mut().pop().unwrap_or_default();
        for (name, value) in request.headers() {
            headers.append(name.clone(), value.clone());
        }
        Self { method: request.method().clone(), target: request.uri().clone(), headers }
    }

    /// The copy was not needed.
    pub(super) fn give_back(self, client: &Client) {
        recycle(client, self.headers);
    }

    fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        request
    }
}

fn recycle(client: &Client, mut headers: HeaderMap) {
    let mut spare = client.worker.spare_heads.borrow_mut();
    if spare.len() < SPARE {
        headers.clear();
        spare.push(headers);
    }
}

/// The canary has failed: counts that, and lets stable answer if it may. What is still in `slot` was not sent.
#[cold]
pub(super) async fn second_attempt(
    journey: &Journey<'_>,
    rollout: &Rc<LocalRollout>,
    mut flight: Flight,
    kept: Option<Kept>,
    slot: &mut Option<Request<Upload>>,
    failed: Result<Arrival, Error>,
) -> Result<Response<Body>, Error> {
    let now_us = journey.client.now_us();
    if slot.is_some() && matches!(failed, Err(Error::Upstream(FailureKind::NoEndpoint))) {
        flight.hidden_failure(FailureKind::NoEndpoint, None, now_us);
        return ask_stable(journey, rollout, slot, now_us).await;
    }
    let Some(kept) = kept.filter(|_| is_canary_failure(&failed)) else {
        return pass_on(journey.client, flight, failed, now_us);
    };
    if !rollout.state.budget.withdraw(now_us) {
        add(&rollout.shard.shield.over_budget, 1);
        kept.give_back(journey.client);
        return pass_on(journey.client, flight, failed, now_us);
    }
    hide(journey.client, flight, failed, now_us);
    *slot = Some(kept.into_request());
    let answer = ask_stable(journey, rollout, slot, now_us).await;
    let is_answered = answer.as_ref().is_ok_and(|answer| answer.status().as_u16() < 500);
    let totals = &rollout.shard.shield;
    add(if is_answered { &totals.answered } else { &totals.failed }, 1);
    answer
}

/// Whether stable could do better: not if the fault is the client's.
fn is_canary_failure(failed: &Result<Arrival, Error>) -> bool {
    failed.as_ref().map_or_else(|error| error.source() != Source::Client, Arrival::is_failure)
}

/// The user sees what came of the first attempt.
pub(super) fn pass_on(
    client: &Rc<Client>,
    mut flight: Flight,
    came: Result<Arrival, Error>,
    now_us: u64,
) -> Result<Response<Body>, Error> {
    if let Err(Error::Upstream(kind)) = came {
        flight.failed(kind, now_us);
    }
    came.map(|arrival| arrival.pass(client, Some(flight)))
}

/// The user does not see what came of the first attempt.
fn hide(client: &Client, mut flight: Flight, failed: Result<Arrival, Error>, now_us: u64) {
    match failed {
        Ok(arrival) => {
            flight.hidden_failure(FailureKind::Status, Some(arrival.answer.status().as_u16()), now_us);
            recycle(client, arrival.discard(client, now_us));
        }
        Err(Error::Upstream(kind)) => {
            flight.hidden_failure(kind, None, now_us);
        }
        Err(_) => {}
    }
}

/// The second attempt, which is no trial. If it fails as well, the user sees the canary's failure after all.
async fn ask_stable(
    journey: &Journey<'_>,
    rollout: &Rc<LocalRollout>,
    slot: &mut Option<Request<Upload>>,
    now_us: u64,
) -> Result<Response<Body>, Error> {
    let arrived = journey.attempt(rollout.arm(Arm::Stable), WhenEjected::Try, slot, now_us).await;
    if arrived.as_ref().map_or(true, Arrival::is_failure) {
        user_saw_failure(&rollout.shard, Arm::Canary);
    }
    arrived.map(|arrival| arrival.pass(journey.client, None))
}
