//! `rollouts:`, two arms, a routing and a plan each.

use std::path::Path;
use std::sync::Arc;

use sluice_engine::plan::raw::{RawCanary, RawPause, RawStep, RawStrategy};
use sluice_engine::plan::{Plan, Strategy};
use sluice_engine::units::{Millis, Weight};

use super::raw::{RawArm, RawRollout};
use super::scope::Scope;
use super::{ArmConfig, RolloutConfig, Routing, address, gates};

/// Names stand in metrics, paths and file names.
const MAX_NAME: usize = 63;
const MAX_VERSION: usize = 128;
/// Percent and minutes of a rollout that says nothing about its strategy.
const DEFAULT_STEPS: [(f64, u64); 3] = [(10.0, 5), (25.0, 10), (50.0, 15)];

impl RolloutConfig {
    /// Every rollout; no name twice. Paths are relative to `directory`.
    pub(super) fn list_from_raw(scope: &Scope<'_>, directory: &Path) -> Option<Vec<Self>> {
        let names: Vec<&str> =
            (0..scope.length()).map(|i| scope.index(i).key("name").text().unwrap_or_default()).collect();
        for (i, name) in names.iter().enumerate() {
            if let Some(first) = names[..i].iter().position(|other| other == name && !name.is_empty()) {
                scope.index(i).key("name").report(format!("{name}: is also the name of rollouts[{first}]"));
            }
        }
        scope.each(|item| Self::from_raw(item.read()?, directory, &item))
    }

    fn from_raw(raw: RawRollout, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let name = name(&raw.name, &scope.key("name"));
        let stable = ArmConfig::from_raw(&raw.stable, &scope.key("stable"));
        let canary = match &raw.canary {
            Some(arm) => ArmConfig::from_raw(arm, &scope.key("canary")).map(Some),
            None => Some(None),
        };
        let is_sticky = raw.routing.sticky.is_some();
        let routing = Routing::from_raw(&raw.routing, &scope.key("routing"));
        let strategy = raw.strategy.unwrap_or_else(default_strategy);
        let gates = gates::from_raw(&raw.gates, strategy.manual.is_some(), directory, scope);
        let plan = match Plan::try_from_raw(strategy, &raw.analysis, is_sticky, raw.skip_analysis) {
            Ok(plan) => Some(plan),
            Err(problems) => {
                problems.into_iter().for_each(|problem| scope.follow(&problem.path).report(problem.message));
                None
            }
        };
        let plan = plan?;
        let routing = routing.and_then(|routing| with_preview(routing, &plan, &scope.key("strategy").key("blueGreen")));
        let (stable, canary) = (stable?, canary?);
        let (plan_gates, gates) = gates?;
        refuse_shared_endpoints(&stable, canary.as_ref(), scope);
        Some(Self { name: name?, stable, canary, routing: routing?, plan: Plan { gates: plan_gates, ..plan }, gates })
    }
}

impl ArmConfig {
    fn from_raw(raw: &RawArm, scope: &Scope<'_>) -> Option<Self> {
        let version = version(&raw.version, &scope.key("version"));
        let endpoints = address::endpoints(&raw.endpoints, &scope.key("endpoints"));
        Some(Self { version: version?, endpoints: endpoints? })
    }
}

fn name(text: &str, scope: &Scope<'_>) -> Option<Arc<str>> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.') {
        return Some(text.into());
    }
    scope
        .refuse(format!("{text:?}: up to {MAX_NAME} letters, digits, `-`, `_` and `.` are allowed, the first no point"))
}

fn version(text: &str, scope: &Scope<'_>) -> Option<Arc<str>> {
    if (1..=MAX_VERSION).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text.into());
    }
    scope.refuse(format!("{text:?}: up to {MAX_VERSION} ASCII characters without spaces are allowed"))
}

/// Steps with rising times, as most people write them.
fn default_strategy() -> RawStrategy {
    let steps = DEFAULT_STEPS.into_iter().flat_map(|(percent, minutes)| {
        let weight = Weight::try_from_percent(percent).expect("a constant from 0 to 100");
        [RawStep::SetWeight(weight), RawStep::Pause(RawPause { duration: Some(Millis::new(minutes * 60_000)) })]
    });
    RawStrategy { canary: Some(RawCanary { steps: steps.collect(), bake: None }), ..RawStrategy::default() }
}

/// The preview belongs to the strategy when written and to the routing when meant.
fn with_preview(routing: Routing, plan: &Plan, scope: &Scope<'_>) -> Option<Routing> {
    let Strategy::BlueGreen(blue_green) = &plan.strategy else {
        return Some(routing);
    };
    let host = match &blue_green.preview_host {
        Some(host) => super::host::name(host, &scope.key("previewHost")).map(Some),
        None => Some(None),
    };
    let header = match &blue_green.preview_header {
        Some(name) => super::routing::header_name(name, &scope.key("previewHeader")).map(Some),
        None => Some(None),
    };
    Some(Routing { preview_host: host?, preview_header: header?, ..routing })
}

/// Two versions behind the same address can't be told apart, and every comparison of them would be noise. The same
/// version in both arms is a finished release that still stands in the file, which is fine.
fn refuse_shared_endpoints(stable: &ArmConfig, canary: Option<&ArmConfig>, scope: &Scope<'_>) {
    let Some(canary) = canary.filter(|canary| canary.version != stable.version) else { return };
    for (i, endpoint) in canary.endpoints.iter().enumerate().filter(|(_, endpoint)| stable.endpoints.contains(endpoint))
    {
        scope
            .key("canary")
            .key("endpoints")
            .index(i)
            .report(format!("{endpoint}: is an endpoint of stable too, though the versions differ"));
    }
}
