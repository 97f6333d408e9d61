//! How near the process is to the end of its memory, as one word that workers read.
//!
//! The limit is that of the control group (version 2 or 1) or the configured one, whichever is nearer. From 92 % on new
//! requests are refused, from 95 % new connections: a proxy that the system kills serves nobody. Looked at once a
//! second, off the workers. What the kernel could take back at any time (inactive pages of files) does not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;

/// Shares of the limit, in percent.
const SHED_REQUESTS: f64 = 0.92;
const SHED_CONNECTIONS: f64 = 0.95;

const PERIOD: Duration = Duration::from_secs(1);

/// What is shed at present.
#[derive(Debug, Default)]
pub struct Pressure(AtomicU8);

/// Looks at what is used.
#[derive(Debug)]
pub struct MemoryWatch {
    pressure: Arc<Pressure>,
    /// Of the process alone, in bytes.
    own_limit: Option<u64>,
    /// Where `/proc` and `/sys` are.
    root: PathBuf,
}

/// Files of one version of control groups.
struct Names {
    limit: &'static str,
    used: &'static str,
    inactive: &'static str,
}

const VERSION_1: Names =
    Names { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", inactive: "total_inactive_file" };
const VERSION_2: Names = Names { limit: "memory.max", used: "memory.current", inactive: "inactive_file" };

// === impl Pressure ===

impl Pressure {
    /// New requests are refused.
    #[inline]
    pub fn sheds_requests(&self) -> bool {
        self.0.load(Relaxed) >= 1
    }

    /// New connections are closed.
    #[inline]
    pub fn sheds_connections(&self) -> bool {
        self.0.load(Relaxed) >= 2
    }

    /// Takes note of the share of the memory that is used.
    pub fn set(&self, share: f64) {
        let level = u8::from(share >= SHED_REQUESTS) + u8::from(share >= SHED_CONNECTIONS);
        let before = self.0.swap(level, Relaxed);
        match (before, level) {
            (0, 1..) => tracing::warn!(percent = share * 100.0, "memory is short: new requests are refused"),
            (1.., 0) => tracing::info!(percent = share * 100.0, "memory is sufficient again"),
            _ => {}
        }
    }
}

// === impl MemoryWatch ===

impl MemoryWatch {
    /// A watch over this process, which may have a limit of its own.
    pub fn new(own_limit: Option<u64>) -> Self {
        Self { pressure: Arc::default(), own_limit, root: PathBuf::from("/") }
    }

    /// What workers read.
    pub fn pressure(&self) -> Arc<Pressure> {
        Arc::clone(&self.pressure)
    }

    /// Looks once a second until `shutdown`; not at all where there is no limit to come near.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(PERIOD);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                // Files of the kernel, which answer at once.
                _ = beat.tick() => self.pressure.set(self.share()),
            }
        }
    }

    /// The largest share of any limit; 0 without one.
    fn share(&self) -> f64 {
        let own = self.own_limit.and_then(|limit| Some(self.resident()? as f64 / limit as f64));
        self.groups().into_iter().chain(own).fold(0.0, f64::max)
    }

    /// What the process has in memory.
    fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(self.root.join("proc/self/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
    }

    /// The shares of its control group and of those above.
    fn groups(&self) -> Vec<f64> {
        let groups = fs::read_to_string(self.root.join("proc/self/cgroup")).unwrap_or_default();
        let mut shares = Vec::new();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let (mount, names) = match controllers {
                "" => ("sys/fs/cgroup", &VERSION_2),
                _ if controllers.split(',').any(|controller| controller == "memory") => {
                    ("sys/fs/cgroup/memory", &VERSION_1)
                }
                _ => continue,
            };
            let mount = self.root.join(mount);
            let own = mount.join(path.trim_start_matches('/'));
            let up_to_mount = own.ancestors().take_while(|group| group.starts_with(&mount));
            shares.extend(up_to_mount.filter_map(|group| share_of(group, names)));
        }
        shares
    }
}

/// None if the group has no limit.
fn share_of(group: &Path, names: &Names) -> Option<f64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = (number(names.limit)?, number(names.used)?);
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let inactive = statistics.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == names.inactive);
    let inactive = inactive.and_then(|(_, value)| value.trim().parse::<u64>().ok()).unwrap_or(0);
    (limit > 0).then(|| used.saturating_sub(inactive) as f64 / limit as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(own_limit: Option<u64>, files: &[(&str, &str)]) -> f64 {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        MemoryWatch { root: root.path().to_owned(), ..MemoryWatch::new(own_limit) }.share()
    }

    #[test]
    fn the_nearest_limit_of_all_groups_above_counts() {
        let files = [
            ("proc/self/cgroup", "0::/pod/container\n"),
            ("sys/fs/cgroup/pod/container/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/container/memory.current", "90\n"),
            ("sys/fs/cgroup/pod/memory.max", "1000\n"),
            ("sys/fs/cgroup/pod/memory.current", "600\n"),
            ("sys/fs/cgroup/pod/memory.stat", "anon 500\ninactive_file 100\n"),
        ];
        assert_eq!(share(None, &files), 0.5);
    }

    #[test]
    fn version_1_is_known_too_and_no_limit_is_no_pressure() {
        let files = [
            ("proc/self/cgroup", "5:cpu,memory:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "950\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 50\n"),
        ];
        assert_eq!(share(None, &files), 0.9);
        assert_eq!(share(None, &[("proc/self/cgroup", "0::/\n")]), 0.0);
    }

    #[test]
    fn a_limit_of_its_own_is_held_against_what_the_process_has() {
        let files = [("proc/self/status", "Name:\tx\nVmRSS:\t    1024 kB\n")];
        assert_eq!(share(Some(2 << 20), &files), 0.5);
        assert!(MemoryWatch::new(Some(1 << 50)).share() > 0.0, "of this very process");
    }
}
