//! File descriptors: as many as the system allows, the last of them for the admin port and for files.

use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the admin port, its clients, the state, logs, certificates and look-ups.
const RESERVE: u64 = 128;

/// How the descriptors of this process are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Clients' connections get none from this one on.
    pub ceiling: RawFd,
    /// Connections to upstreams get none from this one on: those inside shall be served while others are sent away.
    pub upstream_ceiling: RawFd,
    /// Connections of clients at a time for which there are descriptors, each with one to an upstream.
    pub connections: usize,
}

// === impl Budget ===

impl Budget {
    /// Raises the limit of this process as far as it may be, and divides it.
    pub fn claim() -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current < limit.maximum || (limit.current.is_some() && limit.maximum.is_none()) {
            let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
            if let Err(error) = setrlimit(Resource::Nofile, raised) {
                tracing::warn!(%error, "the limit of file descriptors can't be raised");
            }
        }
        Self::of(getrlimit(Resource::Nofile).current)
    }

    /// No limit.
    pub const fn unlimited() -> Self {
        Self { ceiling: RawFd::MAX, upstream_ceiling: RawFd::MAX, connections: usize::MAX }
    }

    /// Of few descriptors half are kept, so that something is left for both sides.
    fn of(limit: Option<u64>) -> Self {
        let Some(limit) = limit else { return Self::unlimited() };
        let reserve = RESERVE.min(limit / 2);
        let open = limit - reserve;
        let number = |count: u64| RawFd::try_from(count).unwrap_or(RawFd::MAX);
        Self {
            ceiling: number(open),
            upstream_ceiling: number(open + reserve / 2),
            connections: usize::try_from(open / 2).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_of_any_number() {
        assert_eq!(Budget::of(Some(1_024)), Budget { ceiling: 896, upstream_ceiling: 960, connections: 448 });
        assert_eq!(Budget::of(Some(100)), Budget { ceiling: 50, upstream_ceiling: 75, connections: 25 });
        assert_eq!(Budget::of(Some(u64::MAX)).ceiling, RawFd::MAX);
        assert_eq!(Budget::of(None), Budget::unlimited());
    }
}
