//! The processes of the demo: two backends and the proxy, from the directory in which the driver itself is.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tempfile::TempDir;

use super::{ADMIN, BACKENDS, QUICKSTART, ROLLOUT};

/// Until the proxy must be ready.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// The running processes and their files; all of them end when this is dropped.
#[derive(Debug)]
pub(super) struct Children {
    directory: TempDir,
    processes: Vec<Owned>,
}

/// A process that is killed when it is no longer wanted.
#[derive(Debug)]
struct Owned(Child);

// === impl Children ===

impl Children {
    /// Starts all of them, with a fresh state.
    pub(super) fn start() -> anyhow::Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("sluice-demo-").tempdir().context("make a directory for the demo")?;
        let config = directory.path().join("quickstart.yaml");
        std::fs::write(&config, QUICKSTART).context("write the configuration")?;
        let log = File::create(directory.path().join("log")).context("make the log")?;
        let mut children = Self { directory, processes: Vec::new() };
        for (address, version) in BACKENDS.iter().zip(["v1", "v2"]) {
            children.spawn("demo-backend", &[address, version], &log)?;
        }
        children.spawn("sluice-proxy", &["run", &config.display().to_string()], &log)?;
        Ok(children)
    }

    fn spawn(&mut self, name: &str, arguments: &[&str], log: &File) -> anyhow::Result<()> {
        let path = neighbour(name)?;
        let mut command = Command::new(&path);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let child = command.spawn().with_context(|| format!("run {}", path.display()))?;
        self.processes.push(Owned(child));
        Ok(())
    }

    /// The secret for commands, once the proxy has made it and answers.
    pub(super) async fn token(&self) -> anyhow::Result<String> {
        let file = self.state_dir().join("admin.token");
        let ready = async {
            loop {
                if let Ok(token) = std::fs::read_to_string(&file)
                    && tokio::net::TcpStream::connect(ADMIN).await.is_ok()
                {
                    return token;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(START_DEADLINE, ready).await {
            Ok(token) => Ok(token),
            Err(_) => bail!("the proxy of rollout {ROLLOUT} was not ready within {} s", START_DEADLINE.as_secs()),
        }
    }

    /// Where the proxy keeps its state.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The error, with what the processes said last.
    pub(super) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        anyhow!("it did not go as told: {error:#}\nThe last lines of its log:\n{tail}")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A binary that was built together with this one.
fn neighbour(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the demo's own directory")?;
    let path = own.parent().unwrap_or_else(|| Path::new(".")).join(name);
    if !path.is_file() {
        bail!("{} is missing: build it with `cargo build --release`", path.display());
    }
    Ok(path)
}

/// Says clearly which port is taken before anything is started.
pub(super) fn check_ports(addresses: &[(&str, &str)]) -> anyhow::Result<()> {
    for (address, purpose) in addresses {
        if TcpListener::bind(address).is_err() {
            bail!("{address} ({purpose}) is taken: stop what listens there and start the demo again");
        }
    }
    Ok(())
}
