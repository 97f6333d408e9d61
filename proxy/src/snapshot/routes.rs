//! Which rollout or plain route a host and path lead to.
//!
//! Hosts are looked up from the most to the least specific (exact, wildcard for one label, any), paths within a host
//! from the longest to the shortest, exact before prefix. A host without a fitting path falls through to the next less
//! specific one. It refuses to normalise: what is looked up here is what gets forwarded.

use std::collections::HashMap;

use super::Target;
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
}

/// The paths of one host, in the order in which they are tried.
#[derive(Debug, Default)]
struct Paths(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    rule: PathRule,
    target: Target,
}

// === impl RouteTable ===

impl RouteTable {
    /// Prepares the routes of `config`; indices refer to `config.rollouts` and to the plain routes in their order.
    /// Preview hosts lead to their rollout without a route of their own.
    pub fn build(config: &Config) -> Self {
        let mut table = Self::default();
        let mut plain = 0;
        for route in &config.routes {
            let target = match route.target {
                RouteTarget::Rollout(index) => Target::Rollout(index),
                RouteTarget::Endpoints(_) => {
                    plain += 1;
                    Target::Plain(plain - 1)
                }
            };
            table.insert(&route.hosts, &route.paths, target);
        }
        if config.routes.is_empty() && config.rollouts.len() == 1 {
            table.insert(&[], &[], Target::Rollout(0));
        }
        for (index, rollout) in config.rollouts.iter().enumerate() {
            if let Some(host) = &rollout.routing.preview_host {
                table.insert(std::slice::from_ref(host), &[], Target::Rollout(index));
            }
        }
        table.sort();
        table
    }

    /// A table that sends everything to one target.
    pub fn everything_to(target: Target) -> Self {
        let mut table = Self::default();
        table.insert(&[], &[], target);
        table
    }

    /// The target for a host (any case, with or without port) and a path, if any.
    pub fn find(&self, host: &str, path: &str) -> Option<Target> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.any.find(path);
        }
        let mut buffer = [0; LONGEST_HOST];
        let named = lower(without_port(host), &mut buffer).and_then(|host| self.find_named(host, path));
        named.or_else(|| self.any.find(path))
    }

    fn find_named(&self, host: &str, path: &str) -> Option<Target> {
        let exact = self.exact.get(host).and_then(|paths| paths.find(path));
        exact.or_else(|| {
            let dot = host.find('.').filter(|&dot| dot > 0)?;
            self.wildcard.get(&host[dot..])?.find(path)
        })
    }

    fn insert(&mut self, hosts: &[String], paths: &[PathRule], target: Target) {
        if hosts.is_empty() {
            self.any.insert(paths, target);
        }
        for host in hosts {
            let host = host.to_ascii_lowercase();
            let (map, key) = match host.strip_prefix('*') {
                Some(suffix) => (&mut self.wildcard, suffix),
                None => (&mut self.exact, host.as_str()),
            };
            map.entry(key.into()).or_default().insert(paths, target);
        }
    }

    fn sort(&mut self) {
        let hosts = self.exact.values_mut().chain(self.wildcard.values_mut());
        hosts.chain(std::iter::once(&mut self.any)).for_each(Paths::sort);
    }
}

// === impl Paths ===

impl Paths {
    fn insert(&mut self, paths: &[PathRule], target: Target) {
        if paths.is_empty() {
            self.0.push(Entry { rule: PathRule::Prefix(String::new()), target });
        }
        for rule in paths {
            let rule = match rule {
                PathRule::Exact(path) => PathRule::Exact(path.clone()),
                // `/api/` and `/api` are the same prefix: elements are compared, not bytes.
                PathRule::Prefix(path) => PathRule::Prefix(path.trim_end_matches('/').to_owned()),
            };
            self.0.push(Entry { rule, target });
        }
    }

    /// Longest first, exact before prefix; equals stay in the order of the configuration.
    fn sort(&mut self) {
        self.0.sort_by_key(|entry| match &entry.rule {
            PathRule::Exact(path) => (std::cmp::Reverse(path.len()), 0),
            PathRule::Prefix(path) => (std::cmp::Reverse(path.len()), 1),
        });
    }

    fn find(&self, path: &str) -> Option<Target> {
        self.0.iter().find(|entry| entry.matches(path)).map(|entry| entry.target)
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
pub(crate) fn without_port(host: &str) -> &str {
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
            table.insert(&hosts, paths, *target);
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
