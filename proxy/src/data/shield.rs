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
use super::connection::Client;
use super::error::{Error, Source};
use super::flight::Flight;
use super::local::LocalRollout;
use super::pool::WhenEjected;
use super::record::user_saw_failure;
use super::upload::Upload;
use crate::counters::{FailureKind, add};

/// Spare copies that a worker keeps.
const SPARE: usize = 64;

/// A copy of a request's head, for a second attempt.
#[derive(Debug, Default)]
pub(super) struct Kept {
    method: Method,
    target: Uri,
    headers: HeaderMap,
}

// === impl Kept ===

impl Kept {
    /// Copies the head of a safe request without a body: one that may be sent again, to stable if the canary fails it, or
    /// on another connection if the first one was closed at that moment. The map is a spare one, names and values are
    /// shared.
    #[inline]
    pub(super) fn of(client: &Client, request: &Request<Upload>) -> Option<Box<Self>> {
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        (is_safe && request.body().is_empty()).then(|| Self::copy(client, request))
    }

    fn copy(client: &Client, request: &Request<Upload>) -> Box<Self> {
        let mut kept = client.worker.spare_heads.borrow_mut().pop().unwrap_or_default();
        kept.method = request.method().clone();
        kept.target = request.uri().clone();
        for (name, value) in request.headers() {
            kept.headers.append(name.clone(), value.clone());
        }
        kept
    }

    /// The copy is not needed any more.
    pub(super) fn give_back(mut self: Box<Self>, client: &Client) {
        let mut spare = client.worker.spare_heads.borrow_mut();
        if spare.len() < SPARE {
            self.headers.clear();
            spare.push(self);
        }
    }

    /// The request once more, and the copy stays.
    #[cold]
    pub(super) fn repeated(&self) -> Request<Upload> {
        Self { method: self.method.clone(), target: self.target.clone(), headers: self.headers.clone() }.take_request()
    }

    /// The request again; the map goes with it.
    fn take_request(&mut self) -> Request<Upload> {
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = std::mem::take(&mut self.method);
        *request.uri_mut() = std::mem::take(&mut self.target);
        *request.headers_mut() = std::mem::take(&mut self.headers);
        request
    }
}

/// The canary has failed: counts that, and lets stable answer if it may. What is still in `slot` was not sent.
#[cold]
pub(super) async fn second_attempt(
    journey: &Journey<'_>,
    rollout: &Rc<LocalRollout>,
    mut flight: Flight,
    kept: Option<Box<Kept>>,
    slot: &mut Option<Request<Upload>>,
    failed: Result<Arrival, Error>,
) -> Result<Response<Body>, Error> {
    let now_us = journey.client.now_us();
    if slot.is_some() && matches!(failed, Err(Error::Upstream(FailureKind::NoEndpoint))) {
        flight.hidden_failure(FailureKind::NoEndpoint, None, now_us);
        journey.client.report.hidden_failure(FailureKind::NoEndpoint);
        return ask_stable(journey, rollout, slot, now_us).await;
    }
    let Some(mut kept) = kept.filter(|_| is_canary_failure(&failed)) else {
        return pass_on(journey.client, flight, failed, now_us);
    };
    if !rollout.state.budget.withdraw(now_us) {
        add(&rollout.shard.shield.over_budget, 1);
        kept.give_back(journey.client);
        return pass_on(journey.client, flight, failed, now_us);
    }
    *slot = Some(kept.take_request());
    // The map of the answer that nobody shall see takes the place of the one that goes out again.
    kept.headers = hide(journey.client, flight, failed, now_us);
    kept.give_back(journey.client);
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

/// The user does not see what came of the first attempt; what is left of it is its header map.
fn hide(client: &Client, mut flight: Flight, failed: Result<Arrival, Error>, now_us: u64) -> HeaderMap {
    match failed {
        Ok(arrival) => {
            flight.hidden_failure(FailureKind::Status, Some(arrival.answer.status().as_u16()), now_us);
            client.report.hidden_failure(FailureKind::Status);
            arrival.discard(client, now_us)
        }
        Err(error) => {
            if let Error::Upstream(kind) = error {
                flight.hidden_failure(kind, None, now_us);
                client.report.hidden_failure(kind);
            }
            HeaderMap::new()
        }
    }
}

/// The second attempt, which is no trial. If it fails as well, the user sees the canary's failure after all.
async fn ask_stable(
    journey: &Journey<'_>,
    rollout: &Rc<LocalRollout>,
    slot: &mut Option<Request<Upload>>,
    now_us: u64,
) -> Result<Response<Body>, Error> {
    let arrived = journey.attempt(rollout.arm(Arm::Stable), WhenEjected::Try, slot, None, now_us).await;
    if arrived.as_ref().map_or(true, Arrival::is_failure) {
        user_saw_failure(&rollout.shard, Arm::Canary);
    }
    arrived.map(|arrival| arrival.pass(journey.client, None))
}
