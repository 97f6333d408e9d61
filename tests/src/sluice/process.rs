//! Processes that a test owns.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::binaries;
use crate::wait::within;

/// A killed process is gone at once, but the machine may be busy.
const END_DEADLINE: Duration = Duration::from_secs(20);

/// A running program; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

/// A program that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

// === impl Process ===

impl Process {
    /// Starts `sluice-proxy`, with its output at the end of the file `log`.
    pub(super) async fn spawn(wrapper: &[String], arguments: &[&OsStr], log: &Path) -> Self {
        let program = path("sluice-proxy").await;
        let mut words = wrapper.iter().map(OsStr::new).chain([program.as_os_str()]).chain(arguments.iter().copied());
        let mut command = Command::new(words.next().expect("at least the program"));
        let log = OpenOptions::new().create(true).append(true).open(log).expect("the log can be written");
        let errors = log.try_clone().expect("a second handle");
        command.args(words).stdin(Stdio::null()).stdout(log).stderr(errors);
        command.env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
        Self { child: command.spawn().expect("the program can be run"), ended: None }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        // A process that was waited for has given its id away.
        if self.ended.is_none() {
            let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            kill_process(id.expect("ids are positive"), signal).ok();
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().ok();
    }

    pub(super) fn look_ended(&mut self) -> Option<ExitStatus> {
        self.ended = self.ended.or_else(|| self.child.try_wait().expect("a child can be waited for"));
        self.ended
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        within(END_DEADLINE, "the process ends", async || self.look_ended().ok_or_else(|| "it runs".to_owned())).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

// === impl Finished ===

impl Finished {
    /// Both outputs.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Demands an exit code.
    ///
    /// # Panics
    /// If it was another.
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
    }
}

/// Runs a program to its end, off the test's thread: the backends on it must go on answering.
pub(super) async fn run(name: &str, arguments: &[&str], environment: &[(&str, String)], directory: &Path) -> Finished {
    let mut command = Command::new(path(name).await);
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command.envs(environment.iter().map(|(key, value)| (key, value)));
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The first call may build the programs, which takes long.
async fn path(name: &str) -> std::path::PathBuf {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || binaries::path(&name)).await.expect("the binaries are built")
}
