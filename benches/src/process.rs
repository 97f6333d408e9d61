//! Starts what is measured, on one core, and ends it whatever happens.
//!
//! A process is killed by its own handle when its [`Process`] is dropped, and by the kernel when the driver itself is
//! killed (`setpriv --pdeathsig`), so that no run leaves anything behind. One that has children of its own is asked to
//! end instead (SIGTERM), so that it takes them along.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::interrupt::Interrupt;

/// A child process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    end: End,
}

/// How it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    /// SIGTERM, and killed only if it doesn't follow.
    Terminate,
}

/// So long may a program take to end its children.
const FAREWELL: Duration = Duration::from_secs(5);

// === impl Process ===

impl Process {
    /// Starts `program` on `core`, its output in `log`. To be called by a thread that outlives it: the kernel ends the
    /// child with the thread that started it.
    pub fn start(core: usize, program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        Self::start_ended_by(End::Kill, core, program, arguments, log)
    }

    /// Starts a program that has children of its own, which it ends itself when it is told to end.
    pub fn start_family(core: usize, program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        Self::start_ended_by(End::Terminate, core, program, arguments, log)
    }

    fn start_ended_by(end: End, core: usize, program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
        // Both replace themselves by the program, so that the child's id is the program's.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", end.signal_name(), "taskset", "-c", &core.to_string()])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {} (setpriv and taskset come with util-linux)", program.display()))?;
        Ok(Self { child, log: log.to_owned(), end })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs; false once it ended by itself.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Tells it to take over its configuration again (SIGHUP).
    pub fn reload(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::HUP).context("send SIGHUP")
    }

    /// Asks it to end (SIGTERM); whether it did in time.
    fn terminate(&mut self) -> bool {
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_err() {
            return false;
        }
        // A run that was stopped has to clean up all the same, so nothing interrupts this wait.
        Interrupt::default().wait_until(FAREWELL, || !self.is_running()).unwrap_or(false)
    }

    /// The end of what it wrote, for error messages.
    pub fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(2_000)..]).into_owned()
    }
}

// === impl End ===

impl End {
    fn signal_name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end == End::Terminate && self.terminate() {
            return;
        }
        // Fails only if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts the calling thread, and the threads and processes that it starts from now on, on one core.
pub fn pin_to(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("pin to core {core}"))
}

/// Allows as many open files as the system lets us: each trial of many at once has its own connections.
pub fn raise_file_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raise the limit of open files")
}

/// The program of that name that was built beside this one.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("find the own program")?;
    let path = own.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} is missing: build it with --release first", path.display());
    Ok(path)
}

/// A program of `PATH`, or of the places where Debian keeps servers.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The first line that `program` prints on either output; empty if it can't be run.
pub fn first_line(program: &Path, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
