//! One proxy process, its files and its admin API.
//!
//! The directory, the process and its log belong to one test; whatever happens the process is killed, by its id, when
//! the test ends, and if it ends badly the log is printed.

mod api;
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

pub use self::api::summary;
pub use self::process::Finished;
use self::process::Process;
use crate::config::Config;
use crate::wait::{eventually, within};
use crate::wire::Request;

/// A debug build on a busy machine takes a while to start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A proxy under test.
#[derive(Debug)]
pub struct Sluice {
    directory: TempDir,
    config: Config,
    process: Option<Process>,
    /// Run through this first, such as `unshare -m sh -c …`.
    wrapper: Vec<String>,
}

// === impl Sluice ===

impl Sluice {
    /// A proxy with its files, not started.
    ///
    /// # Panics
    /// If the files can't be written.
    pub fn prepare(config: Config) -> Self {
        let directory = tempfile::Builder::new().prefix("sluice-test-").tempdir().expect("a temporary directory");
        let sluice = Self { directory, config, process: None, wrapper: Vec::new() };
        sluice.write_config();
        sluice
    }

    /// A proxy that is ready.
    ///
    /// # Panics
    /// If it does not become so.
    pub async fn start(config: Config) -> Self {
        let mut sluice = Self::prepare(config);
        sluice.run().await;
        sluice
    }

    /// Runs the program through another one, which gets the command line as its last arguments.
    #[must_use]
    pub fn wrapped(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts the process and waits until it is ready; on other ports if its own were taken.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn run(&mut self) {
        for _ in 0..3 {
            self.spawn().await;
            let ready = within(START_DEADLINE, "the proxy is ready", async || {
                if self.has_ended() { Ok(false) } else { self.look_ready().await.map(|()| true) }
            });
            if ready.await {
                return;
            }
            assert!(self.log().contains("in use"), "the proxy ended at once:\n{}", self.log());
            self.config = self.config.clone().elsewhere();
            self.write_config();
        }
        panic!("the proxy found no free ports in three starts");
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Panics
    /// If the program can't be run.
    pub async fn spawn(&mut self) {
        let (config, log) = (self.config_path(), self.log_path());
        self.process = Some(Process::spawn(&self.wrapper, &["run".as_ref(), config.as_os_str()], &log).await);
    }

    /// Starts the process and waits for its end: for configurations that are to be refused.
    ///
    /// # Panics
    /// If it goes on running.
    pub async fn run_to_end(&mut self) -> Finished {
        self.spawn().await;
        let code = self.ended().await;
        Finished { code, stdout: String::new(), stderr: self.log() }
    }

    async fn look_ready(&self) -> Result<(), String> {
        let response =
            Request::get("/readyz").host(&self.admin_address().to_string()).try_send(self.admin_address()).await;
        match response {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(format!("{} {}", response.status, response.text())),
            Err(error) => Err(error.to_string()),
        }
    }

    // --- addresses and files ---

    /// Where it proxies.
    pub fn address(&self) -> SocketAddr {
        self.config.proxy()
    }

    /// Where its admin API is.
    pub fn admin_address(&self) -> SocketAddr {
        self.config.admin()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("sluice.yaml")
    }

    /// Its `stateDir`.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Its log of all runs so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The secret for writes.
    ///
    /// # Panics
    /// If it has made none.
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(self.state_dir().join("admin.token")).expect("the token file");
        token.trim().to_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// The directory with all its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration as it was written last.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Writes a file beside the configuration, whole, under another name, then renamed.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write_file(&self, name: &str, content: &str) {
        let new = self.directory.path().join(format!("{name}.new"));
        std::fs::write(&new, content).expect("the file can be written");
        std::fs::rename(new, self.directory.path().join(name)).expect("the file can be renamed");
    }

    fn write_config(&self) {
        self.write_config_text(&self.config.to_text());
    }

    /// Writes the file as an editor does: whole, under another name, then renamed.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write_config_text(&self, text: &str) {
        let new = self.directory.path().join("sluice.yaml.new");
        std::fs::write(&new, text).expect("the configuration can be written");
        std::fs::rename(new, self.config_path()).expect("the configuration can be renamed");
    }

    /// Changes the configuration file; nothing is reloaded.
    pub fn rewrite(&mut self, change: impl FnOnce(Config) -> Config) {
        self.config = change(self.config.clone());
        self.write_config();
    }

    // --- the process ---

    /// Its process id.
    ///
    /// # Panics
    /// If it was not started.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it was started").id()
    }

    /// Changes the configuration file, reloads, and waits until it is in force.
    ///
    /// # Panics
    /// If the reload is not reported as good.
    pub async fn reload(&mut self, change: impl FnOnce(Config) -> Config) {
        let before = self.metrics().await.sum("sluice_config_reloads_total", &[("result", "accepted")]);
        self.rewrite(change);
        self.hang_up();
        eventually("the reload is in force", async || {
            let now = self.metrics().await.sum("sluice_config_reloads_total", &[("result", "accepted")]);
            if now > before { Ok(()) } else { Err(format!("{now} good reloads; {:?}", self.server_error().await)) }
        })
        .await;
    }

    async fn server_error(&self) -> Option<String> {
        self.reader().list().await.ok()?.server.config_error
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        self.process.as_ref().expect("it was started").signal(signal);
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            process.ended().await;
        }
    }

    /// SIGKILL and start again.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.run().await;
    }

    /// Waits for its end by itself; its exit code (`None`: by a signal).
    ///
    /// # Panics
    /// If it goes on running.
    pub async fn ended(&mut self) -> Option<i32> {
        let process = self.process.as_mut().expect("it was started");
        let ended = within(START_DEADLINE, "the process ends", async || {
            process.look_ended().ok_or_else(|| "it runs".to_owned())
        });
        ended.await.code()
    }

    /// Whether it ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.look_ended().is_some())
    }
}

/// Runs `sluice-proxy check` on a file.
///
/// # Panics
/// If the program can't be run.
pub async fn check(file: &Path) -> Finished {
    let file = file.to_str().expect("a path of the tests");
    process::run("sluice-proxy", &["check", file], &[], Path::new("/")).await
}

impl Drop for Sluice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(80).collect();
            eprintln!("--- end of the proxy's log ---");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
