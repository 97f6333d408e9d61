//! Which rollout or plain route a host and path lead to.
//!
//! Hosts are looked up from the most to the least specific (exact, wildcard for one label, any), paths within a host
//! from the longest to the shortest, exact before prefix. A host without a fitting path falls through to the next less
//! specific one. It refuses to normalise: what is looked up here is what gets forwarded.

use std::collections::HashMap;
use std::sync::Arc;

use super::Target;
use super::places::{Place, Places};
use crate::config::{Config, PathRule, RouteTarget};

/// Host names are at most this long (RFC 1035 section 2.3.4); anything longer matches no name.
const LONGEST_HOST: usize = 253;

/// Hosts and paths: built once per configuration, looked up without allocation.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Paths>,
    /// By what follows `*`, so with the leading dot.
    wildcard: HashMap<Box<str>, Paths>,
    any: Paths,
    places: Places,
}

/// The paths of one host, in the order in which they are tried.
#[derive(Debug, Default)]
struct Paths(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    rule: PathRule,
    located: Located,
}

/// What a host and path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where to.
    pub target: Target,
    /// The number of the place.
    pub place: u32,
    /// The number of the route among those with filters; one that is not there for a route without.
    pub filters: u32,
    /// How many bytes of the path the route's own path is.
    pub matched: u32,
}

/// Where a route leads, and what it is called.
#[derive(Clone, Copy, Debug)]
struct Way<'a> {
    target: Target,
    name: &'a Arc<str>,
    filters: u32,
}

/// The number of the filters that a route does not have.
const NO_FILTERS: u32 = u32::MAX;

// === impl RouteTable ===

impl RouteTable {
    /// Prepares the routes of `config`; indices refer to `config.rollouts` and to the plain routes in their order.
    /// Preview hosts lead to their rollout without a route of their own.
    pub fn build(config: &Config) -> Self {
        let namespace = config.compat.nginx_metrics.then(|| Arc::clone(&config.compat.namespace));
        let mut table = Self { places: Places::new(namespace), ..Self::default() };
        let name_of = |index: usize| config.rollouts.get(index).map_or_else(Arc::default, |it| Arc::clone(&it.name));
        let (mut plain, mut filtered) = (0, 0);
        for (number, route) in config.routes.iter().enumerate() {
            let (target, name) = match route.target {
                RouteTarget::Rollout(index) => (Target::Rollout(index), name_of(index)),
                RouteTarget::Endpoints(_) => {
                    plain += 1;
                    (Target::Plain(plain - 1), format!("route-{}", number + 1).into())
                }
            };
            let filters = if route.filters.is_some() { filtered } else { NO_FILTERS };
            filtered += u32::from(route.filters.is_some());
            table.insert(&route.hosts, &route.paths, Way { target, name: &name, filters });
        }
        if config.routes.is_empty() && config.rollouts.len() == 1 {
            table.insert(&[], &[], Way { target: Target::Rollout(0), name: &name_of(0), filters: NO_FILTERS });
        }
        for (index, rollout) in config.rollouts.iter().enumerate() {
            if let Some(host) = &rollout.routing.preview_host {
                let way = Way { target: Target::Rollout(index), name: &rollout.name, filters: NO_FILTERS };
                table.insert(std::slice::from_ref(host), &[], way);
            }
        }
        table.sort();
        table
    }

    /// A table that sends everything to one target.
    pub fn everything_to(target: Target) -> Self {
        let mut table = Self::default();
        table.insert(&[], &[], Way { target, name: &Arc::default(), filters: NO_FILTERS });
        table
    }

    /// The places, by the number that [`RouteTable::locate`] answers; none unless they are asked for.
    pub fn places(&self) -> &[Place] {
        self.places.all()
    }

    /// The target for a host (any case, with or without port) and a path, if any.
    pub fn find(&self, host: &str, path: &str) -> Option<Target> {
        self.locate(host, path).map(|located| located.target)
    }

    /// All that is known of it.
    pub fn locate(&self, host: &str, path: &str) -> Option<Located> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.any.find(path);
        }
        let mut buffer = [0; LONGEST_HOST];
        let named = lower(without_port(host), &mut buffer).and_then(|host| self.find_named(host, path));
        named.or_else(|| self.any.find(path))
    }

    fn find_named(&self, host: &str, path: &str) -> Option<Located> {
        let exact = self.exact.get(host).and_then(|paths| paths.find(path));
        exact.or_else(|| {
            let dot = host.find('.').filter(|&dot| dot > 0)?;
            self.wildcard.get(&host[dot..])?.find(path)
        })
    }

    fn insert(&mut self, hosts: &[String], paths: &[PathRule], way: Way<'_>) {
        if hosts.is_empty() {
            self.any.insert(paths, way, |path| self.places.add(way.name, None, path));
        }
        for host in hosts {
            let host = host.to_ascii_lowercase();
            let (map, key) = match host.strip_prefix('*') {
                Some(suffix) => (&mut self.wildcard, suffix),
                None => (&mut self.exact, host.as_str()),
            };
            let place = |path: Option<&PathRule>| self.places.add(way.name, Some(&host), path);
            map.entry(key.into()).or_default().insert(paths, way, place);
        }
    }

    fn sort(&mut self) {
        let hosts = self.exact.values_mut().chain(self.wildcard.values_mut());
        hosts.chain(std::iter::once(&mut self.any)).for_each(Paths::sort);
    }
}

// === impl Paths ===

impl Paths {
    fn insert(&mut self, paths: &[PathRule], way: Way<'_>, mut place: impl FnMut(Option<&PathRule>) -> u32) {
        let Way { target, filters, .. } = way;
        if paths.is_empty() {
            let located = Located { target, place: place(None), filters, matched: 0 };
            self.0.push(Entry { rule: PathRule::Prefix(String::new()), located });
        }
        for rule in paths {
            let place = place(Some(rule));
            let rule = match rule {
                PathRule::Exact(path) => PathRule::Exact(path.clone()),
                // `/api/` and `/api` are the same prefix: elements are compared, not bytes.
                PathRule::Prefix(path) => PathRule::Prefix(path.trim_end_matches('/').to_owned()),
            };
            let (PathRule::Exact(path) | PathRule::Prefix(path)) = &rule;
            let matched = u32::try_from(path.len()).unwrap_or(u32::MAX);
            self.0.push(Entry { rule, located: Located { target, place, filters, matched } });
        }
    }

    /// Longest first, exact before prefix; equals stay in the order of the configuration.
    fn sort(&mut self) {
        self.0.sort_by_key(|entry| match &entry.rule {
            PathRule::Exact(path) => (std::cmp::Reverse(path.len()), 0),
            PathRule::Prefix(path) => (std::cmp::Reverse(path.len()), 1),
        });
    }

    fn find(&self, path: &str) -> Option<Located> {
        self.0.iter().find(|entry| entry.matches(path)).map(|entry| entry.located)
    }
}

impl Entry {
    fn matches(&self, path: &str) -> bool {
        match &self.rule {
            PathRule::Exact(exact) => path == exact,
            PathRule::Prefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// The host without its port: `a:80` to `a`, `[::1]:80` to `[::1]`.
fn without_port(host: &str) -> &str {
    let digits = host.bytes().rev().take_while(u8::is_ascii_digit).count();
    host[..host.len() - digits].strip_suffix(':').unwrap_or(host)
}

/// The host in lower case; borrowed as it is where nothing has to change. `None` if it is too long for a name.
fn lower<'a>(host: &'a str, buffer: &'a mut [u8; LONGEST_HOST]) -> Option<&'a str> {
    if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(host);
    }
    let lowered = buffer.get_mut(..host.len())?;
    lowered.copy_from_slice(host.as_bytes());
    lowered.make_ascii_lowercase();
    std::str::from_utf8(lowered).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&[&str], &[PathRule], Target)]) -> RouteTable {
        let mut table = RouteTable::default();
        for (hosts, paths, target) in routes {
            let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            table.insert(&hosts, paths, Way { target: *target, name: &Arc::default(), filters: NO_FILTERS });
        }
        table.sort();
        table
    }

    fn prefix(path: &str) -> PathRule {
        PathRule::Prefix(path.to_owned())
    }

    fn exact(path: &str) -> PathRule {
        PathRule::Exact(path.to_owned())
    }

    #[test]
    fn an_exact_host_wins_over_a_wildcard_and_a_wildcard_over_any() {
        let table = table(&[
            (&[], &[], Target::Plain(0)),
            (&["*.shop.example"], &[], Target::Plain(1)),
            (&["eu.shop.example"], &[], Target::Plain(2)),
        ]);
        assert_eq!(table.find("eu.shop.example", "/"), Some(Target::Plain(2)));
        assert_eq!(table.find("us.shop.example", "/"), Some(Target::Plain(1)));
        assert_eq!(table.find("a.us.shop.example", "/"), Some(Target::Plain(0)), "a wildcard stands for one label");
        assert_eq!(table.find("shop.example", "/"), Some(Target::Plain(0)));
    }

    #[test]
    fn hosts_are_compared_without_case_and_port() {
        let table = table(&[(&["Shop.Example"], &[], Target::Rollout(0)), (&["[::1]"], &[], Target::Rollout(1))]);
        assert_eq!(table.find("SHOP.example:8080", "/"), Some(Target::Rollout(0)));
        assert_eq!(table.find("[::1]:8080", "/"), Some(Target::Rollout(1)));
        assert_eq!(table.find(&"A".repeat(300), "/"), None);
    }

    #[test]
    fn the_longest_path_wins_and_exact_wins_over_prefix_of_the_same_length() {
        let paths = [prefix("/"), prefix("/api"), exact("/api"), prefix("/api/v2/")];
        let routes: Vec<(&[&str], &[PathRule], Target)> =
            paths.iter().enumerate().map(|(i, path)| (&[][..], std::slice::from_ref(path), Target::Plain(i))).collect();
        let table = table(&routes);
        for (path, target) in
            [("/", 0), ("/apix", 0), ("/api/", 1), ("/api/v1", 1), ("/api", 2), ("/api/v2", 3), ("/api/v2/x", 3)]
        {
            assert_eq!(table.find("any", path), Some(Target::Plain(target)), "{path}");
        }
    }

    #[test]
    fn a_host_without_a_fitting_path_falls_through_to_the_less_specific() {
        let table = table(&[(&["a.example"], &[prefix("/api")], Target::Plain(0)), (&[], &[], Target::Plain(1))]);
        assert_eq!(table.find("a.example", "/other"), Some(Target::Plain(1)));
    }
}
