//! Copies of requests for the canary: it sees real traffic before it has to answer any.
//!
//! A copy is a request of its own in a task of its own, so that the client never waits for it; what comes back is read and
//! thrown away. It is no trial and no verdict hears of it: whoever mirrors looks at its counters, and at the canary's own
//! logs. Only safe requests without a body are copied, only while stable answers them, never to a canary that was taken
//! back, and no more at a time than a worker can forget about.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use http_body::Body as _;
use sluice_engine::evidence::Arm;

use super::attempt::Journey;
use super::connection::Client;
use super::deadlines::Phase;
use super::local::{Local, LocalRollout};
use super::pool::WhenEjected;
use super::shield::Kept;
use super::upload::Upload;

/// Copies under way in one worker; what comes on top is not made.
const MOST: usize = 64;

/// Tells the canary's own logs apart.
const X_SLUICE_MIRROR: HeaderName = HeaderName::from_static("x-sluice-mirror");

/// What became of copies, counted by all workers.
#[derive(Debug, Default)]
pub struct Mirrored {
    /// Answered with less than 500.
    pub answered: AtomicU64,
    /// Answered with more, or not at all.
    pub failed: AtomicU64,
    /// Not made, since too many were under way.
    pub dropped: AtomicU64,
}

// === impl Mirrored ===

impl Mirrored {
    /// Labels and counts.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        [("answered", count(&self.answered)), ("failed", count(&self.failed)), ("dropped", count(&self.dropped))]
    }
}

/// Sends a copy of a request that stable is about to get; the original is left as it is.
pub(super) fn send(client: &Client, local: &Rc<Local>, rollout: &Rc<LocalRollout>, request: &http::Request<Upload>) {
    if rollout.view.canary.is_none() || rollout.view.reverted || client.upgrade.is_asked() {
        return;
    }
    let Some(copy) = Kept::of(client, request) else { return };
    let worker = &client.worker;
    if worker.mirrors.get() >= MOST {
        worker.mirrored.dropped.fetch_add(1, Relaxed);
        return copy.give_back(client);
    }
    worker.mirrors.set(worker.mirrors.get() + 1);
    let shadow = Rc::new(Client::stream_of(client));
    shadow.lines.borrow_mut().clone_from(&client.lines.borrow());
    let (local, rollout) = (Rc::clone(local), Rc::clone(rollout));
    // Nobody awaits it: it ends at its time-out at the latest, and with the runtime.
    tokio::task::spawn_local(async move {
        let timeout = Duration::from(local.snapshot.upstream.request_timeout);
        let answered = tokio::time::timeout(timeout, exchange(&shadow, &local, &rollout, &copy)).await;
        let worker = &shadow.worker;
        worker.mirrors.set(worker.mirrors.get() - 1);
        let is_well = answered.is_ok_and(|status| status.is_some_and(|status| status < 500));
        if is_well { &worker.mirrored.answered } else { &worker.mirrored.failed }.fetch_add(1, Relaxed);
        copy.give_back(&shadow);
    });
}

/// The status of the canary's answer, once all of it has come.
async fn exchange(shadow: &Rc<Client>, local: &Local, rollout: &LocalRollout, copy: &Kept) -> Option<u16> {
    let mut exchange = pin!(async {
        shadow.slot.enter(Phase::Waiting);
        let mut request = copy.repeated();
        request.headers_mut().insert(X_SLUICE_MIRROR, HeaderValue::from_static("true"));
        let journey = Journey { client: shadow, settings: &local.snapshot.upstream, filtered: None };
        let (arm, mut slot) = (rollout.arm(Arm::Canary), Some(request));
        let arrival = journey.attempt(arm, WhenEjected::Refuse, &mut slot, None, shadow.now_us()).await.ok()?;
        let status = arrival.answer.status().as_u16();
        let mut body = arrival.pass(shadow, None).into_body();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            frame.ok()?;
        }
        Some(status)
    });
    // The upstream connection is polled under the gate of a client's connection, whose task is this one.
    std::future::poll_fn(|cx| {
        shadow.slot.gate.attach(cx.waker());
        exchange.as_mut().poll(cx)
    })
    .await
}
