//! A line for each change, for logs and pipes: a status that says nothing new is not repeated.

use std::collections::HashMap;

use sluice_api::{Decision, Phase, Reason, RolloutStatus};

use super::numbers::{latency, moment, success};
use super::text::{Line, Paint};
use super::{tree, words};

/// Remembers what was last said of each rollout.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    said: HashMap<String, Said>,
}

/// What makes a status worth a new line. Weights are compared as they are shown.
#[derive(Debug, PartialEq)]
struct Said {
    generation: u64,
    phase: Phase,
    reason: Reason,
    step: usize,
    shares: String,
}

impl Ticker {
    /// A line for `status` if it differs from the last one of that rollout.
    pub(crate) fn status(&mut self, status: &RolloutStatus, unix_ms: u64) -> Option<Line> {
        let said = Said {
            generation: status.generation,
            phase: status.phase,
            reason: status.reason,
            step: status.step.index,
            shares: tree::shares(status),
        };
        if self.said.get(&status.name) == Some(&said) {
            return None;
        }
        let line = stamp(unix_ms, &status.name).join(words::phase(status.phase, status.reason)).then(format!(
            " · {}, {}{}: {}",
            words::reason_word(status.reason),
            said.shares,
            canary(status),
            status.message
        ));
        self.said.insert(status.name.clone(), said);
        Some(line)
    }
}

/// A line for a decision.
pub(crate) fn decision(decision: &Decision) -> Line {
    let event = &decision.event;
    stamp(decision.at_ms, &decision.name).join(words::event(event.kind)).then(format!(": {}", event.message))
}

/// A line for something that happened here, such as a lost connection.
pub(crate) fn note(unix_ms: u64, name: &str, text: &str) -> Line {
    stamp(unix_ms, name).with(Paint::Warn, text)
}

fn stamp(unix_ms: u64, name: &str) -> Line {
    Line::painted(Paint::Faint, moment(unix_ms)).then("  ").with(Paint::Strong, name).then("  ")
}

fn canary(status: &RolloutStatus) -> String {
    match &status.canary {
        Some(canary) if canary.requests > 0 => {
            format!(" ({} successful, P95 {})", success(canary.success_rate), latency(canary.p95_ms))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn only_changes_are_worth_a_line() {
        let mut ticker = Ticker::default();
        let first = ticker.status(&samples::progressing(), 0).map(|line| line.write(false));
        assert_eq!(
            first.as_deref(),
            Some(
                "1970-01-01T00:00:00Z  shop  ◐ Progressing · Step, 10 % to v2, 90 % to v1 (99.68 % successful, P95 41 ms): Step 1 of 4 at 10 %."
            )
        );
        let mut later = samples::progressing();
        later.step.elapsed_seconds += 1.0;
        later.stable.requests += 20;
        assert_eq!(ticker.status(&later, 1_000), None);
        assert!(ticker.status(&samples::reverted(), 2_000).is_some());
        assert!(ticker.status(&samples::healthy("api"), 2_000).is_some(), "another rollout is news of its own");
    }

    #[test]
    fn a_decision_is_a_line_with_its_own_time() {
        let event = serde_json::json!({
            "name": "shop", "atMs": 1_000, "kind": "reverted", "generation": 7, "version": "v2",
            "message": "5 of 5 canary requests failed\n", "weight": 0.0, "verdict": null
        });
        let line = decision(&serde_json::from_value(event).unwrap());
        assert_eq!(line.write(false), r"1970-01-01T00:00:01Z  shop  reverted: 5 of 5 canary requests failed\n");
    }
}
