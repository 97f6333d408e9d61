//! `routes:`, which hosts and paths lead where.

use std::collections::HashMap;
use std::path::Path;

use super::raw::{RawPath, RawRoute};
use super::scope::Scope;
use super::suggest::closest;
use super::{Config, PathRule, RouteConfig, RouteFilters, RouteTarget, address, host};

impl RouteConfig {
    /// Every route; none leads to a rollout that does not exist, no host and path to two places.
    pub(super) fn list_from_raw(scope: &Scope<'_>, rollouts: &Scope<'_>, directory: &Path) -> Option<Vec<Self>> {
        let names: Vec<&str> =
            (0..rollouts.length()).map(|i| rollouts.index(i).key("name").text().unwrap_or_default()).collect();
        let routes = scope.each(|item| Self::from_raw(&item.read()?, &names, directory, &item))?;
        refuse_overlaps(&routes, scope);
        Some(routes)
    }

    fn from_raw(raw: &RawRoute, rollouts: &[&str], directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let hosts = scope.key("hosts").each_of(&raw.hosts, |host, item| host::pattern(host, &item));
        let paths = scope.key("paths").each_of(&raw.paths, |path, item| PathRule::from_raw(path, &item));
        let target = match (&raw.rollout, &raw.endpoints) {
            (Some(name), None) => rollout(name, rollouts, &scope.key("rollout")),
            (None, Some(endpoints)) => {
                address::endpoints(endpoints, &scope.key("endpoints")).map(RouteTarget::Endpoints)
            }
            (Some(_), Some(_)) => scope.key("endpoints").refuse("a route has either a rollout or endpoints"),
            (None, None) if raw.redirect.is_some() => Some(RouteTarget::Endpoints(Vec::new())),
            (None, None) => scope.refuse("a route needs a rollout, endpoints, or a redirect"),
        };
        let filters = RouteFilters::from_raw(raw, directory, scope);
        Some(Self { hosts: hosts?, paths: paths?, target: target?, filters: filters? })
    }
}

fn rollout(name: &str, rollouts: &[&str], scope: &Scope<'_>) -> Option<RouteTarget> {
    if let Some(index) = rollouts.iter().position(|known| *known == name) {
        return Some(RouteTarget::Rollout(index));
    }
    match closest(name, rollouts) {
        Some(near) => scope.refuse(format!("{name:?}: no rollout has this name; did you mean {near}?")),
        None => scope.refuse(format!("{name:?}: no rollout has this name")),
    }
}

impl PathRule {
    fn from_raw(raw: &RawPath, scope: &Scope<'_>) -> Option<Self> {
        let (text, rule): (&String, fn(String) -> Self) = match raw {
            RawPath::Exact(text) => (text, Self::Exact),
            RawPath::Prefix(text) => (text, Self::Prefix),
        };
        let is_path = text.starts_with('/')
            && !text.contains(['?', '#'])
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_path {
            return Some(rule(text.clone()));
        }
        scope.refuse(format!("{text:?}: a path such as / or /api is expected, without query"))
    }
}

/// Two routes for the same host and path: only one of them could ever be found.
fn refuse_overlaps(routes: &[RouteConfig], scope: &Scope<'_>) {
    let mut first = HashMap::new();
    for (i, route) in routes.iter().enumerate() {
        for (host, path) in route.patterns() {
            let shown = format!("{} with {path}", if host.is_empty() { "any host" } else { host });
            let other = *first.entry((host, path)).or_insert(i);
            if other != i {
                scope.index(i).report(format!("{shown} leads to routes[{other}] already"));
                break;
            }
        }
    }
}

impl RouteConfig {
    /// Each combination of host and path, where nothing written is `""` and the prefix `/`.
    fn patterns(&self) -> impl Iterator<Item = (&str, String)> {
        let paths: Vec<String> = match self.paths.as_slice() {
            [] => vec!["prefix /".to_owned()],
            paths => paths.iter().map(PathRule::describe).collect(),
        };
        let hosts = if self.hosts.is_empty() { vec![""] } else { self.hosts.iter().map(String::as_str).collect() };
        hosts.into_iter().flat_map(move |host| paths.clone().into_iter().map(move |path| (host, path)))
    }
}

impl PathRule {
    fn describe(&self) -> String {
        match self {
            Self::Exact(path) => format!("exact {path}"),
            // `/api` and `/api/` are the same prefix, element by element.
            Self::Prefix(path) => format!("prefix {}", if path.len() > 1 { path.trim_end_matches('/') } else { path }),
        }
    }
}

/// Every rollout can be reached, and a preview host leads to one rollout only.
pub(super) fn check_reachable(config: &Config, root: &Scope<'_>) {
    if config.rollouts.is_empty() && config.routes.is_empty() {
        root.report("at least one rollout or route is needed");
    }
    if config.routes.is_empty() && config.rollouts.len() > 1 {
        root.key("routes")
            .report("several rollouts need routes, such as `routes: [{ hosts: [shop.example], rollout: shop }]`");
        return;
    }
    for (i, rollout) in config.rollouts.iter().enumerate() {
        let is_routed = config.routes.iter().any(|route| route.target == RouteTarget::Rollout(i));
        if !is_routed && !config.routes.is_empty() {
            root.key("rollouts")
                .index(i)
                .key("name")
                .report(format!("{}: no route leads to this rollout", rollout.name));
        }
    }
    check_preview_hosts(config, root);
}

fn check_preview_hosts(config: &Config, root: &Scope<'_>) {
    for (i, host) in config.preview_hosts() {
        let scope = root.key("rollouts").index(i).follow("strategy.blueGreen.previewHost");
        if let Some((other, _)) = config.preview_hosts().find(|(other, named)| *other < i && *named == host) {
            scope.report(format!("{host}: is also the preview host of rollouts[{other}]"));
        }
        let elsewhere = |route: &RouteConfig| {
            route.target != RouteTarget::Rollout(i) && route.hosts.iter().any(|named| named == host)
        };
        if let Some(route) = config.routes.iter().position(elsewhere) {
            scope.report(format!("{host}: leads to routes[{route}] already"));
        }
    }
}

impl Config {
    /// Hosts under which new versions can be seen before they get traffic, and the index of their rollout.
    pub fn preview_hosts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.rollouts.iter().enumerate().filter_map(|(i, rollout)| Some((i, rollout.routing.preview_host.as_deref()?)))
    }
}
