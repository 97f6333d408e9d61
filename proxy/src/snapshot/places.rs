//! Hosts and paths of routes as labels: all values that come from the configuration, none from a client.
//!
//! A place is what ingress-nginx would call one path of one Ingress. There are none unless series named after it are
//! asked for, so that a lookup costs the same as ever.

use std::sync::Arc;

use crate::config::PathRule;

/// The number of a place that nobody asked for.
const NOWHERE: u32 = u32::MAX;

/// How ingress-nginx calls the server for any host.
const ANY_HOST: &str = "_";

/// One host and path of one route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As configured (`compat.namespace`).
    pub namespace: Arc<str>,
    /// The rollout's name, or `route-N` for the N-th route if it has none.
    pub ingress: Arc<str>,
    /// As configured, or `_` for any.
    pub host: Arc<str>,
    /// As configured, or `/` for any.
    pub path: Arc<str>,
}

/// All places of a route table, by number.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// None: nobody asks.
    namespace: Option<Arc<str>>,
    all: Vec<Place>,
}

// === impl Place ===

impl Place {
    /// The label `canary` of what the canary got: ingress-nginx names a Service and its port there.
    pub fn canary(&self) -> String {
        format!("{}-{}-canary-80", self.namespace, self.ingress)
    }
}

// === impl Places ===

impl Places {
    pub(super) fn new(namespace: Option<Arc<str>>) -> Self {
        Self { namespace, all: Vec::new() }
    }

    pub(super) fn all(&self) -> &[Place] {
        &self.all
    }

    /// The number of this place.
    pub(super) fn add(&mut self, ingress: &Arc<str>, host: Option<&str>, path: Option<&PathRule>) -> u32 {
        let Some(namespace) = &self.namespace else { return NOWHERE };
        let path = match path {
            None => "/",
            Some(PathRule::Exact(path) | PathRule::Prefix(path)) => path,
        };
        let place = Place {
            namespace: Arc::clone(namespace),
            ingress: Arc::clone(ingress),
            host: host.unwrap_or(ANY_HOST).into(),
            path: path.into(),
        };
        let known = self.all.iter().position(|other| *other == place).unwrap_or_else(|| {
            self.all.push(place);
            self.all.len() - 1
        });
        u32::try_from(known).unwrap_or(NOWHERE)
    }
}
