//! The machine that a result was measured on: a number without it means little.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

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

/// How many cores there are to pin to.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
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
