//! Counts of requests, by the tick in which they started: the only thing the judge ever sees of traffic.
//!
//! A trial counts when the request starts, a failure when it is known. So an observation made in one
//! tick carries, for every count, the *age*: how many ticks ago the request had started. Trace files, the proxy's
//! pilot and the merge of many proxies all speak this one form.

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// One of the two versions of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arm {
    /// The version that is known to work.
    Stable,
    /// The version under test.
    Canary,
}

/// Both arms, in the order of [`Arm::index`].
pub const ARMS: [Arm; 2] = [Arm::Stable, Arm::Canary];

/// The eight counters of one arm in one start cohort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// An arm was chosen for the request.
    pub started: u32,
    /// The final outcome, success or failure, is known.
    pub done: u32,
    /// That outcome is a failure.
    pub failed: u32,
    /// Answered within the latency limit (always, if there is no limit).
    pub fast: u32,
    /// Answered later than the limit, or timed out.
    pub slow: u32,
    /// The client gave up within the limit before any answer: withdrawn from both metrics.
    pub excluded: u32,
    /// The client gave up after the limit: withdrawn from the failure metric, slow for latency.
    pub late_cancel: u32,
    /// Answered 4xx (or the gRPC statuses of that kind); such an answer is a success.
    pub c4xx: u32,
}

/// Counts observed in one tick of requests that started `age` ticks earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The tick of observation minus the tick of the start.
    pub age: u64,
    /// What was newly observed; everything here is a difference, never a running total.
    pub counts: Counts,
}

/// All that became known in one tick, for both arms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The tick of observation, counted from the start of the generation; never smaller than an earlier one.
    pub tick: u64,
    /// Groups of the canary arm.
    pub canary: Vec<Group>,
    /// Groups of the stable arm.
    pub stable: Vec<Group>,
}

// === impl Arm ===

impl Arm {
    /// 0 for stable, 1 for canary.
    pub const fn index(self) -> usize {
        match self {
            Self::Stable => 0,
            Self::Canary => 1,
        }
    }

    /// `stable` or `canary`, as in metrics and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

// === impl Counts ===

impl Counts {
    /// The counters in the order of the file format: started, done, failed, fast, slow, excluded, late_cancel, c4xx.
    pub const fn to_array(self) -> [u32; 8] {
        [self.started, self.done, self.failed, self.fast, self.slow, self.excluded, self.late_cancel, self.c4xx]
    }

    /// The inverse of [`Counts::to_array`].
    pub const fn from_array(values: [u32; 8]) -> Self {
        let [started, done, failed, fast, slow, excluded, late_cancel, c4xx] = values;
        Self { started, done, failed, fast, slow, excluded, late_cancel, c4xx }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Group ===

// In files a group is `[age, started, done, ...]` with trailing zeros left out.
impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.counts.to_array();
        let used = counts.iter().rposition(|&count| count != 0).map_or(0, |last| last + 1);
        let mut list = serializer.serialize_seq(Some(used + 1))?;
        list.serialize_element(&self.age)?;
        for count in &counts[..used] {
            list.serialize_element(count)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Group;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group: an age and up to eight counts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Group, A::Error> {
                let age = list.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut counts = [0; 8];
                for count in &mut counts {
                    match list.next_element()? {
                        Some(value) => *count = value,
                        None => break,
                    }
                }
                if list.next_element::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::invalid_length(10, &self));
                }
                Ok(Group { age, counts: Counts::from_array(counts) })
            }
        }
        deserializer.deserialize_seq(List)
    }
}
