//! Recomputes verdicts from files: whole traces, and single vectors.
//!
//! A *trace* is a rollout written down tick by tick; [`Trace::replay`] drives the judge through its public door and
//! says how the rollout would have ended. A *vector* is one calculation with its inputs; [`Vector::answer`] repeats
//! it. The types are plain serde types: reading and writing JSON is the caller's business. What cannot be meant is
//! refused with its place and value; fields that nobody knows are ignored.

mod checks;
mod config;
mod trace;
mod vectors;
mod window;

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::config::{TraceConfig, TraceLatency, TraceShares};
pub use self::trace::{Trace, TraceAnswer, TraceRow, TraceVerdict};
pub use self::vectors::{
    Answered, BackstopVector, GuardBlock, GuardVector, HistogramVector, MaturityVector, PromotionVector, RelRowsVector,
    RestartsVector, Vector, VectorAnswer, VectorFile,
};
pub use self::window::{WindowAnswer, WindowDecision, WindowTag, WindowVector};

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReplayError {
    /// Where in the file, such as `rows[3]` or `config.successRate`.
    pub place: String,
    /// What is wrong: the value and what is allowed.
    pub problem: String,
}

/// A burst guard as files write it: a number, `"off"` or `"auto"`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GuardSetting {
    /// Every failure counts in full.
    #[default]
    Off,
    /// At most so many failures of one cohort count.
    Cap(f64),
    /// Chosen from stable's history.
    Auto,
}

/// Whose test it is, as files write it; the number of proxies stands apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleName {
    /// A proxy that stands alone.
    #[default]
    Single,
    /// The merge of all proxies.
    Controller,
    /// One of several proxies.
    Local,
}

// === impl ReplayError ===

impl ReplayError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// The same, inside of `outer`.
    pub(crate) fn within(self, outer: &str) -> Self {
        Self { place: format!("{outer}: {}", self.place), problem: self.problem }
    }
}

// === impl GuardSetting ===

impl Serialize for GuardSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Auto => serializer.serialize_str("auto"),
            Self::Cap(count) => serializer.serialize_f64(*count),
        }
    }
}

impl<'de> Deserialize<'de> for GuardSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = GuardSetting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a guard: \"off\", \"auto\" or a number of failures")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<GuardSetting, E> {
                match word {
                    "off" => Ok(GuardSetting::Off),
                    "auto" => Ok(GuardSetting::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
            fn visit_u64<E>(self, count: u64) -> Result<GuardSetting, E> {
                Ok(GuardSetting::Cap(count as f64))
            }
            fn visit_i64<E>(self, count: i64) -> Result<GuardSetting, E> {
                Ok(GuardSetting::Cap(count as f64))
            }
            fn visit_f64<E>(self, count: f64) -> Result<GuardSetting, E> {
                Ok(GuardSetting::Cap(count))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

// === impl RoleName ===

impl RoleName {
    /// With the number of proxies.
    pub(crate) fn role(self, proxies: u32) -> crate::judge::Role {
        use crate::judge::Role;
        match self {
            Self::Single => Role::Single,
            Self::Controller => Role::Controller,
            Self::Local => Role::Local { proxies },
        }
    }
}
