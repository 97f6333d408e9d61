//! A route's filters as workers use them: the settings, with all that can be prepared.
//!
//! What has to outlive a new configuration is taken over from the filters of the same hosts and paths before.

use std::sync::Arc;

use crate::config::filters::{BasicAuth, ExternalAuth, RateLimit};
use crate::config::{Config, PathRule, RouteConfig, RouteFilters, UpstreamSettings};
use crate::htpasswd::PasswordFile;
use crate::limit::Limits;
use crate::resolve::EndpointRegistry;
use crate::snapshot::ArmView;

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
    /// Who is asked whether a request may pass, and with which time-outs.
    pub authority: Option<(Arc<ArmView>, UpstreamSettings)>,
    hosts: Vec<String>,
    paths: Vec<PathRule>,
}

// === impl Filters ===

impl Filters {
    /// The filters of all routes that have some, in their order.
    pub fn list(config: &Config, registry: &EndpointRegistry, former: &[Arc<Self>]) -> Vec<Arc<Self>> {
        config.routes.iter().filter_map(|route| Self::of(route, config, registry, former)).map(Arc::new).collect()
    }

    fn of(route: &RouteConfig, config: &Config, registry: &EndpointRegistry, former: &[Arc<Self>]) -> Option<Self> {
        let settings = Arc::clone(route.filters.as_ref()?);
        let former = former.iter().find(|former| former.is_for(route)).map(Arc::as_ref);
        let upstream = settings.upstream.apply(&config.upstream);
        let passwords = settings.basic_auth.as_ref().map(|auth| passwords(auth, former));
        let limits = settings.rate_limit.map(|limit| limits(limit, former));
        let authority = settings.external_auth.as_ref().map(|auth| authority(auth, config, registry));
        let (hosts, paths) = (route.hosts.clone(), route.paths.clone());
        Some(Self { settings, upstream, passwords, limits, authority, hosts, paths })
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

fn authority(auth: &ExternalAuth, config: &Config, registry: &EndpointRegistry) -> (Arc<ArmView>, UpstreamSettings) {
    let arm = ArmView { version: "".into(), endpoints: vec![registry.helper(&auth.endpoint)] };
    let settings = UpstreamSettings {
        connect_timeout: auth.timeout.min(config.upstream.connect_timeout),
        request_timeout: auth.timeout,
        ..config.upstream.clone()
    };
    (Arc::new(arm), settings)
}

fn limits(settings: RateLimit, former: Option<&Filters>) -> Arc<Limits> {
    let former = former.and_then(|former| former.limits.as_ref()).filter(|former| former.settings() == settings);
    former.map_or_else(|| Arc::new(Limits::new(settings)), Arc::clone)
}
