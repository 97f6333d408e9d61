//! How a generation ends: taken back, promoted, withdrawn or superseded. What a fleet reports can only end it.

use super::door::Action;
use super::event::{EventKind, Outcome, PastGeneration};
use super::phase::Reason;
use super::trial::{Stage, Trial};
use super::{Rollout, State, TakenBack};
use crate::judge::Verdict;
use crate::units::Weight;

impl Rollout {
    /// Weight 0 and latched: only `retry` or a new version clears it.
    pub(super) fn take_back(
        &mut self,
        now: u64,
        reason: Reason,
        cause: String,
        verdict: Option<Verdict>,
        out: &mut Vec<Action>,
    ) {
        let State::Trial(trial) = &self.state else { return };
        out.push(Action::SetWeight { generation: self.generation, weight: Weight::ZERO, from_tick: 0 });
        let outcome = if reason == Reason::Aborted { Outcome::Aborted } else { Outcome::Reverted };
        let kind = if reason == Reason::Aborted { EventKind::Aborted } else { EventKind::Reverted };
        let taken = TakenBack {
            version: trial.version.clone(),
            reason,
            cause: cause.clone(),
            verdict: verdict.clone(),
            origin_ms: trial.origin_ms,
            step: step_of(trial),
            metrics: trial.judge.views(trial.tick(now)),
        };
        self.record(now, outcome, &cause, verdict.clone());
        self.watch_on();
        self.state = State::TakenBack(Box::new(taken));
        self.emit(kind, cause, verdict, out);
    }

    /// The canary becomes stable.
    pub(super) fn finish(&mut self, now: u64, outcome: Outcome, cause: &str, out: &mut Vec<Action>) {
        let Some(version) = self.canary().map(str::to_owned) else { return };
        self.record(now, outcome, cause, None);
        self.stable = version;
        self.state = State::Healthy { completed: true };
        self.forget_stable();
        out.push(Action::Finish { generation: self.generation, stable: self.stable.clone() });
        let message = format!("{} serves everyone: {cause}", self.stable);
        self.emit(EventKind::Completed, message, None, out);
    }

    /// Back to the stable version without verdict.
    pub(super) fn withdraw(&mut self, now: u64, cause: &str, out: &mut Vec<Action>) {
        if self.canary().is_none() {
            return;
        }
        out.push(Action::SetWeight { generation: self.generation, weight: Weight::ZERO, from_tick: 0 });
        self.record(now, Outcome::Withdrawn, cause, None);
        self.emit(EventKind::Note, cause.to_owned(), None, out);
        self.watch_on();
        self.state = State::Healthy { completed: false };
    }

    pub(super) fn supersede(&mut self, now: u64, cause: &str) {
        self.record(now, Outcome::Superseded, cause, None);
    }

    /// Writes the generation under way into history; one that was taken back is there already.
    fn record(&mut self, now: u64, outcome: Outcome, cause: &str, verdict: Option<Verdict>) {
        let State::Trial(trial) = &self.state else { return };
        let past = PastGeneration {
            generation: self.generation,
            version: trial.version.clone(),
            stable: self.stable.clone(),
            outcome,
            cause: cause.to_owned(),
            duration_ms: trial.age_ms(now),
            reached: trial.reached,
            verdict,
        };
        self.remember(past);
    }

    // === fleet ===

    pub(super) fn handle_veto(&mut self, now: u64, proxy: String, generation: u64, out: &mut Vec<Action>) {
        let State::Trial(trial) = &mut self.state else { return };
        if generation != self.generation {
            return;
        }
        trial.vetoes.insert(proxy);
        let count = trial.vetoes.len();
        if count >= 2 {
            let cause = format!("{count} proxies took it back on their own counts");
            self.take_back(now, Reason::Reverted, cause, None, out);
        } else {
            self.pause(Reason::ProxyVeto, None, out);
        }
    }

    pub(super) fn handle_pod_fault(&mut self, now: u64, generation: u64, reason: &str, out: &mut Vec<Action>) {
        if generation == self.generation {
            self.take_back(now, Reason::PodFault, format!("the canary's pods failed: {reason}"), None, out);
        }
    }
}

pub(super) fn step_of(trial: &Trial) -> usize {
    match trial.stage {
        Stage::Step(index) => index,
        Stage::Ready | Stage::Preview | Stage::Watch | Stage::Manual => 0,
    }
}
