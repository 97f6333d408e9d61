//! The machine that a result was measured on: a number without it means little.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::getpriority_process;

use crate::process::first_line;

/// What a result has to say about its machine, as one paragraph.
pub fn description() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpus, "model name").unwrap_or("unknown CPU");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(2).collect();
    format!(
        "Machine: {model}, {cores} cores{}, {:.1} GiB, Linux {}, load average at the end of the run {} ({}).",
        if cpus.contains("hypervisor") { " (virtual)" } else { "" },
        memory.unwrap_or(0) as f64 / 1_048_576.0,
        kernel.trim(),
        load.join(" "),
        today(),
    )
}

/// What the machine's cores had done by some moment.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// Clock ticks of all cores.
    all: u64,
    /// Those of them that nobody wanted.
    idle: u64,
}

// === impl Busy ===

impl Busy {
    /// By now.
    pub fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
        let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
        Self { all: ticks.iter().sum(), idle: ticks.iter().skip(3).take(2).sum() }
    }

    /// Percent of all cores' time that was used since then, by whomever.
    pub fn share_since(self) -> f64 {
        self.share_until(Self::now())
    }

    fn share_until(self, later: Self) -> f64 {
        let all = later.all.saturating_sub(self.all);
        let idle = later.idle.saturating_sub(self.idle);
        100.0 - 100.0 * idle as f64 / (all as f64).max(1.0)
    }
}

/// How many cores there are to pin to.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How much this process and those that it starts give way to others: 0 is usual, less is before them.
pub fn nice() -> i32 {
    getpriority_process(None).unwrap_or(0)
}

/// Version of the compiler in use.
pub fn rustc() -> String {
    first_line(Path::new("rustc"), &["--version"])
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn today() -> String {
    let date = Command::new("date").arg("+%F").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&date).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_was_not_idle() {
        let before = Busy::parse("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 1");
        let after = Busy::parse("cpu  150 0 75 875 50 0 0 0 9 0\n");
        assert!((before.share_until(after) - 50.0).abs() < 1e-9);
    }
}
