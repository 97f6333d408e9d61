//! What happens to the service in a trial, as a script: at which time which arm begins to behave how.

use std::time::Duration;

use crate::chance::Chance;
use crate::control::Behaviour;

/// How late a healthy arm answers.
pub const USUAL_DELAY: Duration = Duration::from_millis(100);
/// How late a slow one does: five times.
pub const SLOW_DELAY: Duration = Duration::from_millis(500);
/// Share of requests that fail in a burst.
const BURST_SHARE: f64 = 0.2;
/// How long a burst lasts.
const BURST: Duration = Duration::from_secs(2);
/// Least and greatest time from the end of a burst to the next: one a minute in the mean, 0.7 % failing in the long run.
const BURST_GAP: [f64; 2] = [30.0, 90.0];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The canary fails this share of its requests.
    Failing(f64),
    /// The canary answers five times as late.
    Slow,
    /// The canary takes requests and answers none.
    Hang,
    /// The canary's port is closed.
    Refused,
    /// Both arms fail everything for a while.
    Outage,
    /// Both arms are within the limit, but what they fail comes in bursts, each arm's at times of its own.
    Bursts,
}

/// An arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The version that works.
    Stable,
    /// The new version.
    Canary,
}

/// How an arm is from then on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It answers so.
    Behave(Behaviour),
    /// It is gone, and its port is closed.
    Close,
}

/// Changes by the time after the fault's beginning, in order.
pub type Script = Vec<(Duration, Side, Change)>;

// === impl Fault ===

impl Fault {
    /// All, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Failing(1.0),
        Self::Failing(0.2),
        Self::Failing(0.05),
        Self::Slow,
        Self::Hang,
        Self::Refused,
        Self::Outage,
        Self::Bursts,
    ];

    /// Name in tables.
    pub fn label(self) -> String {
        match self {
            Self::Failing(share) => format!("{} % fail", share * 100.0),
            Self::Slow => "slow × 5".to_owned(),
            Self::Hang => "hang".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Outage => "shared outage".to_owned(),
            Self::Bursts => "healthy, bursts".to_owned(),
        }
    }

    /// Whether the canary is to blame, and so to be taken back.
    pub fn is_the_canarys(self) -> bool {
        !matches!(self, Self::Outage | Self::Bursts)
    }

    /// What happens from its beginning on, for `watched`; an outage is over after `outage`.
    pub fn script(self, outage: Duration, watched: Duration, seed: u64) -> Script {
        let now = |side, behaviour| (Duration::ZERO, side, Change::Behave(behaviour));
        match self {
            Self::Failing(share) => vec![now(Side::Canary, failing(share))],
            Self::Slow => vec![now(Side::Canary, Behaviour { delay: SLOW_DELAY, ..healthy() })],
            Self::Hang => vec![now(Side::Canary, Behaviour { hang: true, ..healthy() })],
            Self::Refused => vec![(Duration::ZERO, Side::Canary, Change::Close)],
            Self::Outage => [(Duration::ZERO, failing(1.0)), (outage, healthy())]
                .into_iter()
                .flat_map(|(at, behaviour)| {
                    [Side::Stable, Side::Canary].map(|side| (at, side, Change::Behave(behaviour)))
                })
                .collect(),
            Self::Bursts => bursts(watched, &mut Chance::new(seed)),
        }
    }
}

/// How an arm answers while nothing is wrong.
pub fn healthy() -> Behaviour {
    Behaviour { delay: USUAL_DELAY, ..Behaviour::default() }
}

fn failing(share: f64) -> Behaviour {
    Behaviour { fail: share, ..healthy() }
}

fn bursts(watched: Duration, chance: &mut Chance) -> Script {
    let mut script = Script::new();
    let [least, greatest] = BURST_GAP;
    for side in [Side::Stable, Side::Canary] {
        // The first comes anywhere within a gap.
        let mut at = Duration::from_secs_f64(chance.draw() * greatest);
        while at < watched {
            script.push((at, side, Change::Behave(failing(BURST_SHARE))));
            script.push((at + BURST, side, Change::Behave(healthy())));
            at += BURST + Duration::from_secs_f64(least + chance.draw() * (greatest - least));
        }
    }
    script.sort_by_key(|&(at, ..)| at);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_outage_hits_both_arms_at_once_and_ends() {
        let script = Fault::Outage.script(MINUTE, MINUTE * 5, 1);
        let both = |at, behaviour| [Side::Stable, Side::Canary].map(|side| (at, side, Change::Behave(behaviour)));
        assert_eq!(script, [both(Duration::ZERO, failing(1.0)), both(MINUTE, healthy())].concat());
    }

    #[test]
    fn bursts_leave_either_arm_within_one_percent() {
        let watched = MINUTE * 600;
        let script = Fault::Bursts.script(MINUTE, watched, 1);
        for side in [Side::Stable, Side::Canary] {
            let count = script.iter().filter(|&&(_, whose, change)| whose == side && change == burst()).count();
            let share = count as f64 * BURST.as_secs_f64() * BURST_SHARE / watched.as_secs_f64();
            assert!((0.005..0.008).contains(&share), "{side:?}: {share}");
        }
        assert!(script.is_sorted_by_key(|&(at, ..)| at));
        assert_eq!(script, Fault::Bursts.script(MINUTE, watched, 1), "the same seed is the same script");
        assert_ne!(script, Fault::Bursts.script(MINUTE, watched, 2));
    }

    fn burst() -> Change {
        Change::Behave(failing(BURST_SHARE))
    }
}
