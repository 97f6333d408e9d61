//! What a process used, from /proc: CPU by thread, resident memory.
//!
//! CPU is user and system time together, by thread and in nanoseconds (`schedstat`); kernels without it give ticks of
//! 10 ms. Every measured peer is one process: nginx runs without its master, HAProxy without its.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// Length of a tick of /proc/PID/stat: fixed by the kernel's interface.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of each living thread.
    threads: Vec<Thread>,
    /// User time of the whole process, to 10 ms.
    user: Duration,
}

/// CPU time of a thread so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    id: String,
    name: String,
    cpu: Duration,
}

/// CPU time between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// All threads.
    pub total: Duration,
    /// Threads whose name does not say `worker`.
    pub control: Duration,
    /// User time, to 10 ms.
    pub user: Duration,
}

// === impl Usage ===

impl Usage {
    /// What the process has used so far.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}");
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("{folder}/task")).context("list threads")? {
            let entry = entry.context("list threads")?;
            // A thread may end while we look.
            if let Ok(cpu) = thread_cpu(&entry.path()) {
                threads.push(Thread {
                    id: entry.file_name().to_string_lossy().into_owned(),
                    name: fs::read_to_string(entry.path().join("comm")).unwrap_or_default(),
                    cpu,
                });
            }
        }
        let (user, _) = ticks(&fs::read_to_string(format!("{folder}/stat")).context("read its CPU time")?)?;
        Ok(Self { threads, user })
    }

    /// What it has used since `before`.
    pub fn since(&self, before: &Self) -> Spent {
        let spent = |thread: &Thread| {
            let former = before.threads.iter().find(|former| former.id == thread.id);
            thread.cpu.saturating_sub(former.map_or(Duration::ZERO, |former| former.cpu))
        };
        let control = self.threads.iter().filter(|thread| !thread.name.contains("worker"));
        Spent {
            total: self.threads.iter().map(spent).sum(),
            control: control.map(spent).sum(),
            user: self.user.saturating_sub(before.user),
        }
    }
}

fn thread_cpu(folder: &Path) -> anyhow::Result<Duration> {
    if let Ok(text) = fs::read_to_string(folder.join("schedstat")) {
        let nanos = text.split_whitespace().next().context("schedstat is empty")?;
        return Ok(Duration::from_nanos(nanos.parse().context("schedstat has no number")?));
    }
    let (user, system) = ticks(&fs::read_to_string(folder.join("stat"))?)?;
    Ok(user + system)
}

/// User and system time of a line of /proc/PID/stat.
fn ticks(stat: &str) -> anyhow::Result<(Duration, Duration)> {
    // The name in parentheses may hold anything; what follows the last one is numbers.
    let (_, numbers) = stat.rsplit_once(')').context("stat has no name")?;
    let mut times = numbers.split_whitespace().skip(11);
    let mut next = || -> anyhow::Result<Duration> {
        let ticks: u32 = times.next().context("stat is short")?.parse().context("stat has no number")?;
        Ok(TICK * ticks)
    };
    Ok((next()?, next()?))
}

/// Resident memory of a process in MiB.
pub fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read its memory")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("status has no VmRSS")?;
    Ok(kib.trim().parse::<f64>().context("VmRSS is no number")? / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(threads: &[(&str, &str, u64)]) -> Usage {
        let thread = |&(id, name, millis): &(&str, &str, u64)| Thread {
            id: id.to_owned(),
            name: name.to_owned(),
            cpu: Duration::from_millis(millis),
        };
        Usage { threads: threads.iter().map(thread).collect(), user: Duration::ZERO }
    }

    #[test]
    fn workers_and_control_are_told_apart_and_new_threads_count_in_full() {
        let before = usage(&[("1", "sluice-proxy\n", 5), ("2", "sluice-worker-0\n", 100)]);
        let after = usage(&[("1", "sluice-proxy\n", 6), ("2", "sluice-worker-0\n", 300), ("3", "pilot\n", 4)]);
        let spent = after.since(&before);
        assert_eq!(spent.total, Duration::from_millis(205));
        assert_eq!(spent.control, Duration::from_millis(5));
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_numbers() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 12 34 0 0 20 0 1 0";
        let (user, system) = ticks(stat).expect("a stat line");
        assert_eq!((user.as_millis(), system.as_millis()), (120, 340));
    }

    #[test]
    fn the_own_process_can_be_read() {
        let pid = std::process::id();
        assert!(resident_mib(pid).expect("own memory") > 0.1);
        assert!(Usage::of(pid).is_ok());
    }
}
