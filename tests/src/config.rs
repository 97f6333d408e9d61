//! Configurations to start from, with times short enough for a test.
//!
//! A file is written as JSON, which is YAML as well; a test changes the sections it is about and leaves the rest. The
//! success rate is 90 % so that some forty requests without a failure carry a step, not 468; the other settings of the
//! analysis are the product's own defaults.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::backend::Backend;
use crate::ports;

/// Name of the only rollout.
pub const ROLLOUT: &str = "shop";

/// A configuration file in the making.
#[derive(Clone, Debug)]
pub struct Config {
    root: Value,
    proxy: SocketAddr,
    admin: SocketAddr,
}

// === impl Config ===

impl Config {
    /// One rollout with `stable` as version v1, two workers, steps 20, 50 and 100 % of a second each.
    pub fn new(stable: &Backend) -> Self {
        let (proxy, admin) = (ports::free_address(), ports::free_address());
        let root = json!({
            "listeners": [{ "address": proxy.to_string() }],
            "admin": { "address": admin.to_string() },
            "stateDir": "state",
            "workers": 2,
            "rollouts": [{
                "name": ROLLOUT,
                "stable": { "version": "v1", "endpoints": [stable.endpoint()] },
                "strategy": { "canary": { "steps": [
                    { "setWeight": 20 }, { "pause": { "duration": "1s" } },
                    { "setWeight": 50 }, { "pause": { "duration": "1s" } },
                ], "bake": "1s" } },
                "analysis": { "successRate": { "min": "90%" }, "minStepRequests": 20 },
            }],
        });
        Self { root, proxy, admin }
    }

    /// The same with `canary` as version v2, so that a rollout begins at start.
    pub fn with_canary(stable: &Backend, canary: &Backend) -> Self {
        Self::new(stable).canary("v2", canary)
    }

    /// Where the proxy will listen.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Where the admin API will listen.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Sets the canary.
    #[must_use]
    pub fn canary(self, version: &str, backend: &Backend) -> Self {
        self.set("/rollouts/0/canary", json!({ "version": version, "endpoints": [backend.endpoint()] }))
    }

    /// One weight that is held until somebody promotes, and a bake of a second.
    #[must_use]
    pub fn held_at(self, percent: u32) -> Self {
        self.strategy(json!({ "canary": { "steps": [{ "setWeight": percent }, { "pause": {} }], "bake": "1s" } }))
    }

    /// One weight that is held for so long at least, and a bake of a second.
    #[must_use]
    pub fn held_for(self, percent: u32, duration: &str) -> Self {
        let steps = json!([{ "setWeight": percent }, { "pause": { "duration": duration } }]);
        self.strategy(json!({ "canary": { "steps": steps, "bake": "1s" } }))
    }

    /// Sets `strategy`.
    #[must_use]
    pub fn strategy(self, strategy: Value) -> Self {
        self.set("/rollouts/0/strategy", strategy)
    }

    /// The `manual` strategy, with this weight to begin with.
    #[must_use]
    pub fn manual(self, percent: u32) -> Self {
        self.strategy(json!({ "manual": { "weight": percent } }))
    }

    /// Sets `routing`.
    #[must_use]
    pub fn routing(self, routing: Value) -> Self {
        self.set("/rollouts/0/routing", routing)
    }

    /// Sets one key of `analysis`.
    #[must_use]
    pub fn analysis(self, key: &str, value: Value) -> Self {
        self.set(&format!("/rollouts/0/analysis/{key}"), value)
    }

    /// Sets the latency limit.
    #[must_use]
    pub fn latency(self, limit: &str) -> Self {
        self.analysis("latency", json!({ "quantile": 0.95, "max": limit }))
    }

    /// Sets any value by its JSON pointer; the parent must exist.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        match self.root.pointer_mut(parent) {
            Some(Value::Object(object)) => drop(object.insert(key.to_owned(), value)),
            Some(Value::Array(array)) => array.push(value),
            _ => panic!("{parent} is no section of the configuration"),
        }
        self
    }

    /// Takes a value out.
    ///
    /// # Panics
    /// If its parent is no section.
    #[must_use]
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        let parent = self.root.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent is a section");
        parent.remove(key);
        self
    }

    /// Takes other ports, because one of the present was taken meanwhile.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        (self.proxy, self.admin) = (ports::free_address(), ports::free_address());
        let (proxy, admin) = (json!(self.proxy.to_string()), json!(self.admin.to_string()));
        self.root["listeners"][0]["address"] = proxy;
        self.root["admin"]["address"] = admin;
        self
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        format!("{:#}\n", self.root)
    }
}
