//! A scripted gate: a receiver that says yes or no, or nothing, to the raise of a weight.
//!
//! It is a [`Backend`] whose requests are questions; what it can do to a client, it can do to whoever asks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::{Answer, Backend, Seen};
use crate::wait::{eventually, holds};

/// A running gate; it ends when dropped.
#[derive(Debug)]
pub struct GateReceiver(Backend);

// === impl GateReceiver ===

impl GateReceiver {
    /// A gate that is open.
    ///
    /// # Panics
    /// If it can't listen.
    pub async fn open() -> Self {
        Self(Backend::start("gate").await)
    }

    /// A gate that says no, with this message.
    ///
    /// # Panics
    /// If it can't listen.
    pub async fn closed(message: &str) -> Self {
        let gate = Self::open().await;
        gate.close(message);
        gate
    }

    /// Says no from now on.
    pub fn close(&self, message: &str) {
        self.0.script(|script| {
            (script.answer, script.share) = (Answer::Status(403), 1.0);
            script.body = json!({ "message": message }).to_string().into_bytes();
        });
    }

    /// Says yes from now on.
    pub fn reopen(&self) {
        self.0.recovers();
    }

    /// Answers with this status.
    pub fn answers(&self, status: u16) {
        self.0.answers(Answer::Status(status), 1.0);
    }

    /// Waits this long before each answer.
    pub fn delays(&self, delay: Duration) {
        self.0.delays(delay);
    }

    /// Listens no longer.
    pub async fn die(&mut self) {
        self.0.refuse().await;
    }

    /// An entry of `gates` that asks this one, soon again.
    pub fn entry(&self, name: &str, before: &[&str]) -> Value {
        let url = format!("http://{}/gate?key=SECRET", self.0.endpoint());
        json!({ "name": name, "before": before, "webhook": { "url": url, "timeout": "1s", "interval": "100ms" } })
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.0.requests()
    }

    /// What it was asked, oldest first.
    ///
    /// # Panics
    /// If that was no JSON.
    pub fn questions(&self) -> Vec<Value> {
        self.seen().iter().map(|seen| serde_json::from_slice(&seen.body).expect("a question is JSON")).collect()
    }

    /// The same, as it arrived.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen()
    }

    /// Waits until it was asked so many times more.
    ///
    /// # Panics
    /// If it never is.
    pub async fn until_asked_again(&self, times: u64) {
        let before = self.asked();
        eventually("the gate is asked again", async || {
            holds(self.asked() >= before + times, || format!("{} times", self.asked() - before))
        })
        .await;
    }
}
