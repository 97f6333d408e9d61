//! Outages of both arms: hold, suspend, resume.
//!
//! A trip of ABS without REL means that both arms fail: the weight stands still instead of being taken back. A hold
//! ends 10 s after its last fresh trip. If trips are still fresh 5 s after it began, the canary gets nothing until
//! stable has been clear for 10 s, because comparing with stable must not shelter a canary that breaks what both
//! share. If stable is clear within 10 s of losing the canary, the canary is suspected as the cause; that rule is a
//! heuristic outside of α. Weights are changed by the rollout, not here.

use super::cohorts::Cohorts;
use super::finding::{Finding, Verdict};
use super::settings::{CauseSuspected, Metric};

/// A hold ends when its last fresh trip is this old (10 s), and only windows begun since then make a trip fresh:
/// after an outage the old windows stay tripped, and every ordinary failure would prolong the hold for ever.
pub(crate) const HOLD_TICKS: u64 = 200;
/// A fresh trip this long after entering suspends (5 s).
const SUSPEND_AFTER_TICKS: u64 = 100;
/// Stable is looked at over this long (2 s).
const CLEAR_WINDOW_TICKS: u64 = 40;
/// Stable requests that must be done in it.
const CLEAR_REQUESTS: f64 = 100.0;
/// Stable has to be clear for so long (10 s); clear within so long of the suspension makes the canary suspect.
const CLEAR_TICKS: u64 = 200;
/// Suspended for so long, a person has to look (10 min).
const TOO_LONG_TICKS: u64 = 12_000;

/// Whether an outage is under way.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// No outage known.
    Progressing,
    /// HOLD_SHARED.
    Holding(Hold),
    /// Weight 0.
    Suspended(Suspension),
}

/// A hold in force.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    entered: u64,
    last_fresh: u64,
    /// The window that tripped first when the hold began.
    pub(crate) verdict: Box<Verdict>,
}

/// A suspension in force.
#[derive(Clone, Debug)]
pub(crate) struct Suspension {
    since: u64,
    clear_since: Option<u64>,
    suspected: bool,
    reported: bool,
    verdict: Box<Verdict>,
}

/// What a suspension comes to at the end of a tick.
pub(crate) enum Outcome {
    /// Nothing yet.
    Wait,
    /// Stable has been clear for long enough.
    Resume {
        /// It was clear soon after the suspension.
        suspected: bool,
    },
    /// The canary is taken as the cause.
    Revert(Box<Verdict>),
    /// A person has to look.
    TooLong,
}

// === impl Hold ===

impl Hold {
    pub(crate) fn new(tick: u64, verdict: Box<Verdict>) -> Self {
        Self { entered: tick, last_fresh: tick, verdict }
    }

    /// A trip with new failures; `newest` is the first tick of the newest window that tripped. Whether to suspend.
    pub(crate) fn trip(&mut self, tick: u64, newest: u64) -> bool {
        if newest + HOLD_TICKS <= tick {
            return false;
        }
        self.last_fresh = tick;
        tick - self.entered >= SUSPEND_AFTER_TICKS
    }

    /// Whether it ends at the end of `tick`.
    pub(crate) fn is_over(&self, tick: u64) -> bool {
        tick - self.last_fresh >= HOLD_TICKS
    }
}

// === impl Suspension ===

impl Suspension {
    pub(crate) fn new(tick: u64, verdict: Box<Verdict>) -> Self {
        Self { since: tick, clear_since: None, suspected: false, reported: false, verdict }
    }

    /// Looks at stable at the end of `tick`. `suspicions` counts the suspensions of the generation that made the
    /// canary suspect.
    pub(crate) fn look(&mut self, tick: u64, clear: bool, rule: CauseSuspected, suspicions: &mut u32) -> Outcome {
        if self.reported {
            return Outcome::Wait; // only a person resumes now
        }
        if !clear {
            self.clear_since = None;
        } else {
            self.clear_since.get_or_insert(tick);
            if !self.suspected && tick - self.since <= CLEAR_TICKS {
                self.suspected = true;
                *suspicions = suspicions.saturating_add(1);
                if reverts(rule, *suspicions) {
                    return Outcome::Revert(self.verdict.clone());
                }
            }
        }
        if self.clear_since.is_some_and(|since| tick - since >= CLEAR_TICKS) {
            return Outcome::Resume { suspected: self.suspected };
        }
        if tick - self.since >= TOO_LONG_TICKS {
            self.reported = true;
            return Outcome::TooLong;
        }
        Outcome::Wait
    }

    /// It lasted too long; nothing ends it but a person.
    pub(crate) fn awaits_a_person(&self) -> bool {
        self.reported
    }

    /// Stable is clear: of the requests begun in the last 2 s, all of them after the suspension, at least 100 are done
    /// and at most a share `theta` of them failed.
    pub(crate) fn is_clear(&self, tick: u64, cohorts: &Cohorts, theta: f64) -> bool {
        let from = (tick + 1).saturating_sub(CLEAR_WINDOW_TICKS);
        if from <= self.since {
            return false;
        }
        let (mut done, mut failed) = (0.0, 0.0);
        for cohort in cohorts.range(from, tick) {
            let tally = &cohort.linear(Metric::Failures).tally;
            done += tally.n_stable;
            failed += tally.x_stable;
        }
        done >= CLEAR_REQUESTS && failed <= theta * done
    }
}

fn reverts(rule: CauseSuspected, suspicions: u32) -> bool {
    match rule {
        CauseSuspected::RevertOnSecond => suspicions >= 2,
        CauseSuspected::Revert => true,
        CauseSuspected::Resume => false,
    }
}

// === impl Outcome ===

impl Outcome {
    /// The finding to report, if there is one; `tick` is that of a verdict.
    pub(crate) fn into_finding(self, tick: u64) -> Option<Finding> {
        match self {
            Self::Wait => None,
            Self::Resume { suspected } => Some(Finding::Resume { suspected }),
            Self::Revert(mut verdict) => {
                verdict.rule = super::finding::Rule::Suspected;
                verdict.tick = tick;
                Some(Finding::Revert(*verdict))
            }
            Self::TooLong => Some(Finding::SuspendedTooLong),
        }
    }
}
