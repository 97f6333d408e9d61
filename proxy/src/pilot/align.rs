//! What a configuration changes about a rollout that is already there.
//!
//! Only a *change* of what the file says means something. The file may go on saying `stable: v1, canary: v2` long after
//! v2 was promoted, and a release by API stands until the file names another canary. The same rules hold at a start,
//! with what the file said when the state was stored.

use std::sync::Arc;

use sluice_engine::rollout::Input;

use super::Pilot;
use super::arm::is_as;
use super::driver::FileVersions;
use crate::config::{ArmConfig, RolloutConfig};
use crate::snapshot::ArmView;

impl FileVersions {
    /// What the file says of a rollout.
    pub(super) fn of(config: &RolloutConfig) -> Self {
        Self {
            stable: Arc::clone(&config.stable.version),
            canary: config.canary.as_ref().map(|canary| Arc::clone(&canary.version)),
        }
    }
}

impl Pilot {
    /// Brings rollout `i` in line with its section of the file. Steps are carried out except for the swap of the
    /// snapshot, which the caller does once for all rollouts.
    pub(super) fn align(&mut self, i: usize, config: &RolloutConfig) {
        let said = std::mem::replace(&mut self.drivers[i].file, FileVersions::of(config));
        let says = self.drivers[i].file.clone();
        self.drivers[i].set_routing(config.routing.clone());
        self.drivers[i].gates.clone_from(&config.gates);
        if says.canary.is_none() && said.canary.is_some() && self.canary_version(i) == said.canary.as_deref() {
            self.step_quietly(i, Input::CanaryRemoved);
        }
        if *self.drivers[i].engine().plan() != config.plan {
            self.step_quietly(i, Input::PlanChanged(Box::new(config.plan.clone())));
        }
        if says.stable != said.stable && *says.stable != *self.drivers[i].engine().stable() {
            self.align_stable(i, &config.stable);
        }
        if let Some(canary) = &config.canary
            && says.canary != said.canary
            && self.canary_version(i) != Some(&*canary.version)
        {
            self.begin_release(i, canary);
        }
        self.align_endpoints(i, config);
    }

    /// The file names another stable version, which may be the canary under way.
    fn align_stable(&mut self, i: usize, stable: &ArmConfig) {
        if self.canary_version(i) != Some(&*stable.version) {
            self.drivers[i].stable = self.registry.arm(stable);
        }
        self.step_quietly(i, Input::StableIs { version: stable.version.as_ref().to_owned() });
    }

    /// A new canary version with its endpoints.
    pub(super) fn begin_release(&mut self, i: usize, canary: &ArmConfig) {
        if *canary.version != *self.drivers[i].engine().stable() {
            self.drivers[i].canary = Some(self.registry.arm(canary));
        }
        self.step_quietly(i, Input::NewCanary { version: canary.version.as_ref().to_owned() });
    }

    /// Endpoints follow the version, in whichever role it is by now.
    fn align_endpoints(&mut self, i: usize, config: &RolloutConfig) {
        let sections = || std::iter::once(&config.stable).chain(&config.canary);
        let of = |arm: &ArmView| sections().find(|section| section.version == arm.version);
        let driver = &mut self.drivers[i];
        if let Some(section) = of(&driver.stable)
            && !is_as(&driver.stable, section)
        {
            driver.stable = self.registry.arm(section);
            self.pending.store = true;
        }
        if let Some(canary) = &driver.canary
            && let Some(section) = of(canary)
            && !is_as(canary, section)
        {
            driver.canary = Some(self.registry.arm(section));
            self.pending.store = true;
        }
    }

    fn canary_version(&self, i: usize) -> Option<&str> {
        self.drivers[i].engine().canary()
    }
}
