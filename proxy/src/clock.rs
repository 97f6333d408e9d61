//! One monotonic clock for the whole process, in microseconds since its start.
//!
//! Workers and pilot must agree on ticks to the microsecond, so both read this one. It never goes back and knows
//! nothing of the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The process's monotonic clock; a copy reads the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts counting now. One per process, made in `main` (or by a test).
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Microseconds since the start.
    pub fn now_us(&self) -> u64 {
        // 2^64 microseconds are 584,000 years.
        self.started.elapsed().as_micros() as u64
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }
}

/// Wall clock in milliseconds, for people only: no decision depends on it.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
