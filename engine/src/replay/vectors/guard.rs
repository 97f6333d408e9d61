//! Vectors of the automatic burst guard: stable's history as patterns, unfolded only as far back as it is remembered.

use serde::Deserialize;

use super::{Answered, ReplayError, checks};
use crate::judge::{HISTORY_TICKS, History, Routing};

/// Ticks that a vector may unfold to.
const MOST_TICKS: u64 = 1 << 40;

/// Stable's history, written as repeated patterns.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GuardVector {
    /// Name.
    pub id: String,
    /// Patterns, one after the other.
    pub blocks: Vec<GuardBlock>,
    /// How often the list is repeated; 1.
    #[serde(default = "once")]
    pub times: u64,
    /// Users rather than requests are assigned.
    #[serde(default)]
    pub sticky: bool,
}

/// A pattern of ticks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GuardBlock {
    /// Requests and failures of each tick.
    pub pattern: Vec<[f64; 2]>,
    /// How often the pattern is repeated; 1.
    #[serde(default = "once")]
    pub repeat: u64,
}

impl GuardVector {
    pub(super) fn answer(&self) -> Result<Answered, ReplayError> {
        let once = self.once()?;
        let total = once.checked_mul(self.times).filter(|&ticks| ticks <= MOST_TICKS).ok_or_else(|| self.too_long())?;
        let mut history = History::default();
        for tick in total.saturating_sub(HISTORY_TICKS)..total {
            let [n, x] = self.tick(tick % once);
            history.push(n, x);
        }
        let routing = if self.sticky { Routing::Sticky } else { Routing::Coin };
        let decision = match history.choice(routing) {
            None => "off",
            Some(cap) if cap < 3.0 => "2",
            Some(_) => "4",
        };
        Ok(Answered::Word { decision })
    }

    /// Ticks of the list, unfolded once; every count checked.
    fn once(&self) -> Result<u64, ReplayError> {
        let mut ticks = 0_u64;
        for (at, block) in self.blocks.iter().enumerate() {
            for (tick, &[n, x]) in block.pattern.iter().enumerate() {
                checks::counts(&format!("blocks[{at}].pattern[{tick}]"), n, x)?;
            }
            let length = (block.pattern.len() as u64).checked_mul(block.repeat);
            ticks = length.and_then(|length| ticks.checked_add(length)).ok_or_else(|| self.too_long())?;
        }
        Ok(ticks)
    }

    /// The counts of one tick of the list.
    fn tick(&self, tick: u64) -> [f64; 2] {
        let mut left = tick;
        for block in &self.blocks {
            let pattern = block.pattern.len() as u64;
            let length = pattern * block.repeat;
            if left < length {
                return block.pattern[(left % pattern) as usize];
            }
            left -= length;
        }
        [0.0, 0.0]
    }

    fn too_long(&self) -> ReplayError {
        ReplayError::new("blocks, times", format!("more than {MOST_TICKS} ticks (times: {})", self.times))
    }
}

fn once() -> u64 {
    1
}
