//! `gates:` of a rollout: who is asked before the weight rises, and how.
//!
//! Names and points are the engine's ([`sluice_engine::plan::RawGate`]); here is where the webhook is and how it is
//! spoken to.

use std::path::Path;
use std::sync::Arc;

use sluice_engine::plan::{Gate, RawGate};
use sluice_engine::units::Millis;

use super::raw::RawGateWebhook;
use super::scope::Scope;
use super::{GateConfig, range, receiver};
use crate::outbound::Trust;

const DEFAULT_TIMEOUT: Millis = Millis::new(5_000);
const DEFAULT_INTERVAL: Millis = Millis::new(10_000);
const MINUTE: Millis = Millis::new(60_000);
/// Of several gates a yes stands until it is given anew, so it must not become old.
const LONGEST_INTERVAL: Millis = Millis::new(600_000);

/// The engine's gates, and how each of them is asked, in the same order.
pub(super) fn from_raw(
    raw: &[RawGate<RawGateWebhook>],
    is_manual: bool,
    directory: &Path,
    rollout: &Scope<'_>,
) -> Option<(Vec<Gate>, Vec<Arc<GateConfig>>)> {
    let gates = match Gate::list_from_raw(raw, is_manual) {
        Ok(gates) => Some(gates),
        Err(problems) => {
            problems.into_iter().for_each(|problem| rollout.follow(&problem.path).report(problem.message));
            None
        }
    };
    let webhooks = rollout.key("gates").each_of(raw, |gate, item| {
        GateConfig::from_raw(&gate.name, &gate.webhook, directory, &item.key("webhook")).map(Arc::new)
    });
    Some((gates?, webhooks?))
}

impl GateConfig {
    fn from_raw(name: &str, raw: &RawGateWebhook, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let url = receiver::url(&raw.url, &scope.key("url"));
        let timeout = range::time(raw.timeout, DEFAULT_TIMEOUT, Millis::new(100)..=MINUTE, &scope.key("timeout"));
        let interval =
            range::time(raw.interval, DEFAULT_INTERVAL, Millis::new(100)..=LONGEST_INTERVAL, &scope.key("interval"));
        let secret = match &raw.secret_file {
            Some(file) => receiver::secret(file, directory, &scope.key("secretFile")).map(Some),
            None => Some(None),
        };
        let trust = match &raw.ca_file {
            Some(file) => receiver::trust(file, directory, &scope.key("caFile")),
            None => Some(Trust::System),
        };
        Some(Self {
            name: name.into(),
            url: url?,
            timeout: timeout?,
            interval: interval?,
            secret: secret?,
            trust: trust?,
        })
    }
}
