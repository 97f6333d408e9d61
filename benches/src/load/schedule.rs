//! When requests are due, and the timer that wakes the load for them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{MAX_DURATION, MAX_REQUESTS, Pace, Phase};

/// So long after the end, paced requests that were due before it are still sent; what a server can't do by then it is
/// not asked for any more.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Hands out the times at which requests are due.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    duration: Duration,
    left: u64,
    sent: u64,
    last_answer: Instant,
    /// Between two requests; `None` in a closed load.
    spacing: Option<Duration>,
}

/// Wakes the poll once for each request of a paced load: a poll's own time-out only knows milliseconds.
#[derive(Debug)]
pub(super) struct Timer(File);

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(phase: &Phase) -> Self {
        let start = Instant::now();
        Self {
            start,
            duration: phase.duration.min(MAX_DURATION),
            left: phase.requests.min(MAX_REQUESTS),
            sent: 0,
            last_answer: start,
            spacing: match phase.pace {
                Pace::Closed => None,
                // A million a second is more than one thread can send.
                Pace::PerSecond(rate) => Some(Duration::from_secs_f64(1.0 / rate.clamp(0.01, 1e6))),
            },
        }
    }

    /// The time at which the next request is due, if that has come; it then counts as sent.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Instant> {
        if self.left == 0 {
            return None;
        }
        let due = match self.spacing {
            None => now,
            Some(spacing) => self.start + spacing.mul_f64(self.sent as f64),
        };
        if due > now || due >= self.end() || now >= self.end() + CATCH_UP {
            return None;
        }
        self.left -= 1;
        self.sent += 1;
        Some(due)
    }

    /// Nothing more will be due. Paced requests that were due before the end are still sent after it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.left == 0 || now >= self.end()
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = now;
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.last_answer.saturating_duration_since(self.start)
    }

    pub(super) fn end(&self) -> Instant {
        self.start + self.duration
    }

    /// The timer that a paced load needs.
    pub(super) fn timer(&self) -> io::Result<Option<Timer>> {
        self.spacing.map(Timer::every).transpose()
    }
}

// === impl Timer ===

impl Timer {
    fn every(spacing: Duration) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let spacing = Timespec {
            tv_sec: i64::try_from(spacing.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(spacing.subsec_nanos()),
        };
        let spec = Itimerspec { it_interval: spacing, it_value: spacing };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(Self(File::from(timer)))
    }

    /// Winds it up again: the kernel only goes on once it was read.
    pub(super) fn rewind(&self) {
        // It fails only if it has not expired, which is just as well.
        let _ = (&self.0).read(&mut [0; 8]);
    }

    pub(super) fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(pace: Pace, requests: u64) -> Schedule {
        Schedule::new(&Phase { pace, duration: Duration::from_secs(10), requests })
    }

    #[test]
    fn a_paced_request_is_due_at_its_place_however_late_it_is_asked_for() {
        let mut schedule = schedule(Pace::PerSecond(100.0), 1_000);
        let late = schedule.start + Duration::from_millis(35);
        let due: Vec<_> = std::iter::from_fn(|| schedule.take_due(late)).collect();
        let wanted: Vec<_> = [0, 10, 20, 30].map(|ms| schedule.start + Duration::from_millis(ms)).into();
        assert_eq!(due, wanted);
    }

    #[test]
    fn it_ends_by_count_and_by_time() {
        let mut closed = schedule(Pace::Closed, 2);
        let now = closed.start;
        assert!(closed.take_due(now).is_some() && closed.take_due(now).is_some());
        assert!(closed.take_due(now).is_none() && closed.is_over(now));
        let mut paced = schedule(Pace::PerSecond(1.0), 1_000);
        let after = paced.end() + CATCH_UP / 2;
        assert_eq!(std::iter::from_fn(|| paced.take_due(after)).count(), 10);
        assert!(paced.is_over(after));
    }
}
