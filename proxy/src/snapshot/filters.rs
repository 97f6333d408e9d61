//! A route's filters as workers use them: the settings, with all that can be prepared.
//!
//! What has to outlive a new configuration is taken over from the filters of the same hosts and paths before.

use std::sync::Arc;

use crate::config::{Config, RouteConfig, RouteFilters, UpstreamSettings};

/// The filters of one route.
#[derive(Debug)]
pub struct Filters {
    /// As configured.
    pub settings: Arc<RouteFilters>,
    /// Towards this route's upstreams, where they differ from those of all.
    pub upstream: Option<UpstreamSettings>,
}

// === impl Filters ===

impl Filters {
    /// The filters of all routes that have some, in their order.
    pub fn list(config: &Config) -> Vec<Arc<Self>> {
        config.routes.iter().filter_map(|route| Self::of(route, config)).map(Arc::new).collect()
    }

    fn of(route: &RouteConfig, config: &Config) -> Option<Self> {
        let settings = Arc::clone(route.filters.as_ref()?);
        let upstream = settings.upstream.apply(&config.upstream);
        Some(Self { settings, upstream })
    }
}
