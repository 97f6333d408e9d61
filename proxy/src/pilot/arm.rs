//! An arm in the form of the configuration, for comparison and for storing.

use std::sync::Arc;

use super::store::StoredArm;
use crate::config::ArmConfig;
use crate::snapshot::ArmView;

/// Whether the arm has this version and these addresses in this order.
pub(super) fn is_as(arm: &ArmView, config: &ArmConfig) -> bool {
    arm.version == config.version && arm.endpoints.iter().map(|endpoint| &endpoint.address).eq(&config.endpoints)
}

/// The arm as it is stored.
pub(super) fn to_stored(arm: &ArmView) -> StoredArm {
    let endpoints = arm.endpoints.iter().map(|endpoint| endpoint.address.as_ref().to_owned()).collect();
    StoredArm { version: arm.version.as_ref().to_owned(), endpoints }
}

impl From<StoredArm> for ArmConfig {
    fn from(arm: StoredArm) -> Self {
        Self { version: arm.version.into(), endpoints: arm.endpoints.into_iter().map(Arc::from).collect() }
    }
}
