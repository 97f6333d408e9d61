//! A route's filters as workers use them: the settings, with all that can be prepared.
//!
//! What has to outlive a new configuration is taken over from the filters of the same hosts and paths before.

use std::sync::Arc;

use crate::config::{Config, RouteConfig, RouteFilters};

/// The filters of one route.
#[derive(Debug)]
pub struct Filters {
    /// As configured.
    pub settings: Arc<RouteFilters>,
}

// === impl Filters ===

impl Filters {
    /// The filters of all routes that have some, in their order.
    pub fn list(config: &Config) -> Vec<Arc<Self>> {
        config.routes.iter().filter_map(Self::of).map(Arc::new).collect()
    }

    fn of(route: &RouteConfig) -> Option<Self> {
        let settings = Arc::clone(route.filters.as_ref()?);
        Some(Self { settings })
    }
}
