//! Why a part of the file could not be read, in the words of people who write YAML.

use std::fmt;

use serde::de::{self, Unexpected};

use super::super::findings::Position;
use super::super::suggest::{closest, list};
use super::super::tree::{Node, Shortened, Step};

/// Why a part could not be read, and where it is.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    /// Where exactly, if that is not where the part begins (a key).
    pub(super) at: Option<Position>,
    /// From the inside out.
    pub(super) steps: Vec<Step>,
    missing: Option<&'static str>,
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(message: String) -> Self {
        Self { message, at: None, steps: Vec::new(), missing: None }
    }

    pub(super) fn below(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Begins at `at`, if that is known.
    pub(super) fn at(self, at: Option<Position>) -> Self {
        Self { at, ..self }
    }

    /// Whether this is only so because a part of `culprit` was ignored: a key that is missing because its value was
    /// faulty, or because it was misspelt.
    pub(super) fn follows_from_ignored(&self, culprit: &Node) -> bool {
        match self.missing {
            Some(missing) => culprit.ignored_keys().any(|key| closest(key, &[missing]).is_some()),
            None => culprit.has_ignored_part(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("{}: {expected} is expected", Found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::new(format!("{length} entries: {expected} is expected"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = closest(variant, expected).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        Self::new(format!("{:?}: {} is allowed{hint}", Shortened(variant), list(expected, "or")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(unknown_key(field, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("{field} is missing")) }
    }
}

/// What is said about a key that does not exist.
pub(in crate::config) fn unknown_key(key: &str, allowed: &[&str]) -> String {
    let allowed_keys = list(allowed, "and");
    match closest(key, allowed) {
        Some(name) => format!("unknown key; did you mean {name}? Allowed: {allowed_keys}"),
        None => format!("unknown key; allowed: {allowed_keys}"),
    }
}

/// What was found, in the words of people who write YAML.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(value) => write!(f, "{value}"),
            Unexpected::Unsigned(value) => write!(f, "{value}"),
            Unexpected::Signed(value) => write!(f, "{value}"),
            Unexpected::Float(value) => write!(f, "{value}"),
            Unexpected::Str(text) => write!(f, "{:?}", Shortened(text)),
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("a section"),
            other => write!(f, "{other}"),
        }
    }
}
