//! A route's filters as workers use them: the settings, with all that can be prepared.
//!
//! What has to outlive a new configuration is taken over from the filters of the same hosts and paths before.

use std::sync::Arc;

use crate::config::filters::{BasicAuth, RateLimit};
use crate::config::{Config, PathRule, RouteConfig, RouteFilters, UpstreamSettings};
use crate::htpasswd::PasswordFile;
use crate::limit::Limits;

/// The filters of one route.
#[derive(Debug)]
pub struct Filters {
    /// As configured.
    pub settings: Arc<RouteFilters>,
    /// Towards this route's upstreams, where they differ from those of all.
    pub upstream: Option<UpstreamSettings>,
    /// Users with passwords; outlives a change of anything but these.
    pub passwords: Option<Arc<PasswordFile>>,
    /// What each client uses of its limits; outlives a change of anything but these.
    pub limits: Option<Arc<Limits>>,
    hosts: Vec<String>,
    paths: Vec<PathRule>,
}

// === impl Filters ===

impl Filters {
    /// The filters of all routes that have some, in their order.
    pub fn list(config: &Config, former: &[Arc<Self>]) -> Vec<Arc<Self>> {
        config.routes.iter().filter_map(|route| Self::of(route, config, former)).map(Arc::new).collect()
    }

    fn of(route: &RouteConfig, config: &Config, former: &[Arc<Self>]) -> Option<Self> {
        let settings = Arc::clone(route.filters.as_ref()?);
        let former = former.iter().find(|former| former.is_for(route)).map(Arc::as_ref);
        let upstream = settings.upstream.apply(&config.upstream);
        let passwords = settings.basic_auth.as_ref().map(|auth| passwords(auth, former));
        let limits = settings.rate_limit.map(|limit| limits(limit, former));
        let (hosts, paths) = (route.hosts.clone(), route.paths.clone());
        Some(Self { settings, upstream, passwords, limits, hosts, paths })
    }

    /// Whether these are the filters of the same hosts and paths.
    pub(crate) fn is_for(&self, route: &RouteConfig) -> bool {
        self.hosts == route.hosts && self.paths == route.paths
    }
}

fn passwords(auth: &BasicAuth, former: Option<&Filters>) -> Arc<PasswordFile> {
    let former = former.and_then(|former| former.passwords.as_ref()).filter(|former| former.path() == auth.file);
    former.map_or_else(|| Arc::new(PasswordFile::new(auth.file.clone(), auth.users.clone())), Arc::clone)
}

fn limits(settings: RateLimit, former: Option<&Filters>) -> Arc<Limits> {
    let former = former.and_then(|former| former.limits.as_ref()).filter(|former| former.settings() == settings);
    former.map_or_else(|| Arc::new(Limits::new(settings)), Arc::clone)
}
