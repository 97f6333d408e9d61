//! A place in the file while its meaning is worked out: the node, the path to it, and where findings go.
//!
//! A scope may be below anything that is written (`scope.key("canary").key("version")` of a rollout without canary):
//! it then keeps the position of what is nearest.

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use super::findings::{Finding, Position};
use super::read;
use super::tree::{Kind, Node, Path, Step};

/// Where we are.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    node: Option<&'a Node>,
    at: Position,
    path: Path,
    findings: &'a RefCell<Vec<Finding>>,
}

// === impl Scope ===

impl<'a> Scope<'a> {
    pub(super) fn root(node: &'a Node, findings: &'a RefCell<Vec<Finding>>) -> Self {
        Self { node: Some(node), at: node.at, path: Path::default(), findings }
    }

    /// Below `key`.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// At the `i`-th item.
    pub(super) fn index(&self, i: usize) -> Self {
        self.step(Step::Index(i))
    }

    /// Down a path such as `strategy.canary.steps[2].setWeight`.
    pub(super) fn follow(&self, path: &str) -> Self {
        Path::parse(path).0.into_iter().fold(self.clone(), |scope, step| scope.step(step))
    }

    /// Something is wrong here.
    pub(super) fn report(&self, message: impl Into<String>) {
        self.add(Finding { at: Some(self.at), path: self.path.to_string(), message: message.into() });
    }

    /// Something is wrong here, and nothing comes of it.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.report(message);
        None
    }

    /// Whether anything is written here.
    pub(super) fn is_written(&self) -> bool {
        self.node.is_some_and(|node| !node.is_null())
    }

    /// What is written here; all faults are reported.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        read::section(self.node?, |fault| {
            let path = match (self.path.to_string(), fault.path) {
                (own, below) if below.is_empty() => own,
                (own, below) if below.starts_with('[') => own + &below,
                (own, below) => format!("{own}.{below}"),
            };
            self.add(Finding { path, ..fault });
        })
    }

    /// What is written here, or the default if nothing is.
    pub(super) fn read_or_default<T: DeserializeOwned + Default>(&self) -> Option<T> {
        if self.is_written() { self.read() } else { Some(T::default()) }
    }

    /// One value for each item of the list that is written here; `None` if it is no list or an item yields none.
    pub(super) fn each<T>(&self, mut make: impl FnMut(Self) -> Option<T>) -> Option<Vec<T>> {
        match self.node {
            Some(node) => match &node.kind {
                Kind::List(items) => {
                    let made: Vec<Option<T>> = (0..items.len()).map(|i| make(self.index(i))).collect();
                    made.into_iter().collect()
                }
                _ if node.is_null() => Some(Vec::new()),
                _ => self.refuse(format!("{node}: a list is expected")),
            },
            None => Some(Vec::new()),
        }
    }

    /// Whether the key or item stands in the file, if only as a key without value.
    pub(super) fn is_present(&self) -> bool {
        self.node.is_some()
    }

    /// One value for each of `raw`, the items of the list that is written here; `None` if one yields none.
    pub(super) fn each_of<R, T>(&self, raw: &[R], make: impl Fn(&R, Self) -> Option<T>) -> Option<Vec<T>> {
        let made: Vec<Option<T>> = raw.iter().enumerate().map(|(i, raw)| make(raw, self.index(i))).collect();
        made.into_iter().collect()
    }

    /// The text of the scalar written here, if it is one.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node?.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// How many items the list written here has.
    pub(super) fn length(&self) -> usize {
        match self.node.map(|node| &node.kind) {
            Some(Kind::List(items)) => items.len(),
            _ => 0,
        }
    }

    /// Refuses keys of the section written here other than `allowed`.
    pub(super) fn allow(&self, allowed: &[&str]) {
        match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => {
                for entry in entries.iter().filter(|entry| !allowed.contains(&entry.key.as_str())) {
                    let path = self.path.and(Step::Key(entry.key.clone())).to_string();
                    self.add(Finding { at: Some(entry.key_at), path, message: read::unknown_key(&entry.key, allowed) });
                }
            }
            _ => self.report(format!("the file must be a section with {}", super::suggest::list(allowed, "and"))),
        }
    }

    fn step(&self, step: Step) -> Self {
        let node = self.node.and_then(|node| node.child(&step));
        Self { node, at: node.map_or(self.at, |node| node.at), path: self.path.and(step), findings: self.findings }
    }

    fn add(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }
}
