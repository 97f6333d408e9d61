//! Asks gates: whoever is configured to be asked before a rollout's weight rises.
//!
//! The pilot says which questions are open and hears the answers; the engine decides what they mean. Asking happens on a
//! thread of its own with a task for each open question, so a gate that is slow, silent or gone delays neither a revert
//! nor another rollout, and each gate has one question on its way at most. A question is asked again and again, at the
//! gate's interval, until it is no longer open; then its exchange is dropped.
//!
//! A gate is open if it answers 200, 202 or 204, and closed in every other case: another status, a redirect, TLS that
//! can't be verified, no answer in time. Nothing that a gate says is believed beyond that; its message is for people.

mod answer;
mod question;

use std::io;
use std::pin::pin;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::outbound::Client;
use crate::pilot::{OpenQuestion, PilotHandle};

pub use answer::{GateResult, Said};

/// Asks the gates of every rollout.
#[derive(Debug)]
pub struct Asker {
    pilot: PilotHandle,
}

/// A question that is being asked until this is dropped.
#[derive(Debug)]
struct Asking {
    question: OpenQuestion,
    task: AbortHandle,
}

// === impl Asker ===

impl Asker {
    /// Asks what this pilot wants to know.
    pub fn new(pilot: PilotHandle) -> Self {
        Self { pilot }
    }

    /// Asks on a thread of its own, named `gates`, until `shutdown` resolves.
    ///
    /// # Errors
    /// The thread or its runtime can't be started.
    pub fn spawn(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("gates".to_owned()).spawn(move || {
            runtime.block_on(self.run(shutdown));
            // A look-up that hangs must not keep the process.
            runtime.shutdown_background();
        })
    }

    async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut questions = self.pilot.questions();
        let mut asking: Vec<Asking> = Vec::new();
        loop {
            let open = questions.borrow_and_update().clone();
            asking.retain(|asking| open.iter().any(|question| question.is_same(&asking.question)));
            for question in open {
                if !asking.iter().any(|asking| asking.question.is_same(&question)) {
                    asking.push(Asking::start(question, self.pilot.clone()));
                }
            }
            tokio::select! {
                () = &mut shutdown => return,
                changed = questions.changed() => if changed.is_err() { return },
            }
        }
    }
}

// === impl Asking ===

impl Asking {
    fn start(question: OpenQuestion, pilot: PilotHandle) -> Self {
        let task = tokio::spawn(ask(question.clone(), pilot)).abort_handle();
        Self { question, task }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until it is aborted or the pilot has ended.
async fn ask(question: OpenQuestion, pilot: PilotHandle) {
    let gate = &question.gate;
    let client = Client::new(gate.trust.clone());
    loop {
        let said = match question::build(&question, pilot.status(&question.rollout).as_deref()).await {
            Ok((headers, body)) => {
                let timeout = Duration::from_millis(gate.timeout.get());
                answer::read(client.post(&gate.url, headers, body, timeout).await)
            }
            Err(error) => Said::failed(&error.to_string()),
        };
        tracing::debug!(
            rollout = %question.rollout, gate = %gate.name, point = question.point.label(),
            result = said.result.label(), message = said.message, "a gate was asked"
        );
        if pilot.answer(&question, said).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(gate.interval.get())).await;
    }
}
