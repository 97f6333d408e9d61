//! Vectors: single calculations with their inputs, by kind.
//!
//! Every kind has its own type with its own checks; [`Vector::answer`] repeats the calculation and gives the fields
//! that the vector's kind asks for.

mod backstop;
mod guard;

use serde::{Deserialize, Serialize};

pub use self::backstop::BackstopVector;
pub use self::guard::{GuardBlock, GuardVector};

use super::window::{WindowAnswer, WindowVector};
use super::{ReplayError, checks};
use crate::histogram;
use crate::judge::{Measurement, active_slots, pro, rel_rows};
use crate::units::TICK_MS;

/// Numbers of slots and milliseconds beyond which nothing is meant.
const MOST: u64 = 1 << 53;

/// A file of vectors. Other tables beside the vectors are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VectorFile {
    /// Version of the format: 1.
    pub format: u32,
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// One vector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Vector {
    /// Scores and decision of one window.
    Window(Box<WindowVector>),
    /// The proof that promotion asks for.
    Promotion(PromotionVector),
    /// Interval measurements.
    Backstop(BackstopVector),
    /// Whether a cohort counts for latency.
    Maturity(MaturityVector),
    /// A latency's bucket.
    Histogram(HistogramVector),
    /// Restart windows in force.
    Restarts(RestartsVector),
    /// REL factors of a weight.
    RelRows(RelRowsVector),
    /// The automatic choice of the burst guard.
    Guard(GuardVector),
}

/// PRO of `x` failures among `n` requests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionVector {
    /// Name.
    pub id: String,
    /// Requests.
    pub n: f64,
    /// Failures.
    pub x: f64,
    /// Allowed share of failures.
    pub theta: f64,
    /// P(wrong promotion); 0.05.
    #[serde(default = "five_percent")]
    pub alpha_promote: f64,
}

/// A cohort and a time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MaturityVector {
    /// Name.
    pub id: String,
    /// Latency limit.
    pub limit_ms: u64,
    /// The cohort's tick.
    pub cohort: u64,
    /// Milliseconds since the generation began.
    pub now: u64,
}

/// A latency.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HistogramVector {
    /// Name.
    pub id: String,
    /// Microseconds.
    pub us: u64,
}

/// A slot of 100 ms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RestartsVector {
    /// Name.
    pub id: String,
    /// The slot.
    pub now: u64,
}

/// A weight and a ratio.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RelRowsVector {
    /// Name.
    pub id: String,
    /// The weight.
    pub w: f64,
    /// How many times as bad as stable the canary may be; 1.25.
    #[serde(default = "five_quarters")]
    pub rho: f64,
}

/// The answer to one vector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorAnswer {
    /// The vector's name.
    pub id: String,
    /// The fields of its kind, `decision` among them.
    #[serde(flatten)]
    pub answered: Answered,
}

/// What a vector comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answered {
    /// `window`.
    Window(WindowAnswer),
    /// `promotion`: `promote` or `wait`.
    Promotion {
        /// The decision.
        decision: &'static str,
        /// The score in nats.
        pro: f64,
    },
    /// `backstop`: `revert` or `continue`.
    Backstop {
        /// The decision.
        decision: &'static str,
        /// What each measurement says.
        results: Vec<Measurement>,
        /// The measurement that reverts, from 0.
        at: Option<usize>,
    },
    /// `histogram`: `bucket`.
    Bucket {
        /// The decision.
        decision: &'static str,
        /// The bucket.
        index: usize,
        /// Its lower bound, microseconds.
        lower: u64,
        /// Its upper bound, exclusive; `None` for the last.
        upper: Option<u64>,
    },
    /// `restarts`: `set`.
    Restarts {
        /// The decision.
        decision: &'static str,
        /// Slots, newest first.
        active: Vec<u64>,
    },
    /// `relRows`: `rows`.
    RelRows {
        /// The decision.
        decision: &'static str,
        /// The six rows.
        rows: Vec<[f64; 4]>,
    },
    /// `maturity` and `guard`: nothing but the decision.
    Word {
        /// The decision.
        decision: &'static str,
    },
}

// === impl VectorFile ===

impl VectorFile {
    /// Answers every vector, in order. The first that is invalid makes the file invalid.
    pub fn answers(&self) -> Result<Vec<VectorAnswer>, ReplayError> {
        if self.format != 1 {
            return Err(ReplayError::new("format", format!("{} is not known: 1", self.format)));
        }
        let answer = |(at, vector): (usize, &Vector)| vector.answer().map_err(|e| e.within(&format!("vectors[{at}]")));
        self.vectors.iter().enumerate().map(answer).collect()
    }
}

// === impl Vector ===

impl Vector {
    /// The vector's name.
    pub fn id(&self) -> &str {
        match self {
            Self::Window(vector) => &vector.id,
            Self::Promotion(vector) => &vector.id,
            Self::Backstop(vector) => &vector.id,
            Self::Maturity(vector) => &vector.id,
            Self::Histogram(vector) => &vector.id,
            Self::Restarts(vector) => &vector.id,
            Self::RelRows(vector) => &vector.id,
            Self::Guard(vector) => &vector.id,
        }
    }

    /// Repeats the calculation.
    pub fn answer(&self) -> Result<VectorAnswer, ReplayError> {
        let answered = match self {
            Self::Window(vector) => vector.answer().map(Answered::Window),
            Self::Promotion(vector) => vector.answer(),
            Self::Backstop(vector) => vector.answer(),
            Self::Maturity(vector) => vector.answer(),
            Self::Histogram(vector) => Ok(vector.answer()),
            Self::Restarts(vector) => vector.answer(),
            Self::RelRows(vector) => vector.answer(),
            Self::Guard(vector) => vector.answer(),
        };
        let answered = answered.map_err(|error| error.within(&format!("{:?}", self.id())))?;
        Ok(VectorAnswer { id: self.id().to_owned(), answered })
    }
}

// === impl the kinds ===

impl PromotionVector {
    fn answer(&self) -> Result<Answered, ReplayError> {
        checks::counts("n, x", self.n, self.x)?;
        checks::theta("theta", self.theta)?;
        checks::positive("alphaPromote", self.alpha_promote, 1.0)?;
        let pro = pro(self.n, self.x, self.theta);
        let decision = if pro >= -self.alpha_promote.ln() { "promote" } else { "wait" };
        Ok(Answered::Promotion { decision, pro })
    }
}

impl MaturityVector {
    /// Mature at `now` when now ≥ (t+1)Δ + L + Δ; the last Δ lets a busy worker record an answer given in time.
    fn answer(&self) -> Result<Answered, ReplayError> {
        for (place, value) in [("limitMs", self.limit_ms), ("cohort", self.cohort), ("now", self.now)] {
            checks::within(place, value as f64, 0.0, checks::MOST)?;
        }
        let from = u128::from(self.cohort + 2) * u128::from(TICK_MS) + u128::from(self.limit_ms);
        let decision = if u128::from(self.now) >= from { "mature" } else { "immature" };
        Ok(Answered::Word { decision })
    }
}

impl HistogramVector {
    fn answer(&self) -> Answered {
        let index = histogram::index(self.us);
        let (lower, upper) = histogram::bounds(index);
        Answered::Bucket { decision: "bucket", index, lower, upper }
    }
}

impl RestartsVector {
    fn answer(&self) -> Result<Answered, ReplayError> {
        if self.now > MOST {
            return Err(ReplayError::new("now", format!("{} is not allowed: at most {MOST}", self.now)));
        }
        Ok(Answered::Restarts { decision: "set", active: active_slots(self.now) })
    }
}

impl RelRowsVector {
    fn answer(&self) -> Result<Answered, ReplayError> {
        checks::within("w", self.w, 0.0, 1.0)?;
        checks::positive("rho", self.rho, 1e6)?;
        Ok(Answered::RelRows { decision: "rows", rows: rel_rows(self.w, self.rho).to_vec() })
    }
}

fn five_percent() -> f64 {
    0.05
}

fn five_quarters() -> f64 {
    1.25
}
