//! nginx as the splitter of a polling controller: `split_clients` by weight, changed by a new file and a reload.
//!
//! It has a master, unlike the nginx that is measured for its cost: only with one does a reload retire the old workers
//! and their connections, as it does in real life. Each finished request leaves a line for the [`crate::exporter`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::control;
use crate::interrupt::Interrupt;
use crate::load;
use crate::loopback::Loopback;
use crate::process::{Process, first_line, installed};

const START: Duration = Duration::from_secs(15);
const TEMPLATE: &str = include_str!("../peers/splitter.conf");

/// What stays while the weight changes.
#[derive(Clone, Debug)]
pub struct Route {
    /// Name of the trial in its log lines.
    pub trial: usize,
    /// The stable arm.
    pub stable: Loopback,
    /// The canary arm.
    pub canary: Loopback,
    /// Who reads the log lines.
    pub exporter: Loopback,
    /// How long it waits for an answer.
    pub timeout: &'static str,
}

/// An nginx that runs.
#[derive(Debug)]
pub struct Splitter {
    /// Where it listens.
    pub address: Loopback,
    route: Route,
    folder: PathBuf,
    config: PathBuf,
    process: Process,
}

// === impl Splitter ===

impl Splitter {
    /// Starts it with `weight` percent for the canary and waits until it answers through to the backend.
    pub fn start(core: usize, route: Route, weight: f64, folder: &Path, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let program = program().context("nginx is not installed: apt-get install nginx-light")?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let config = folder.join("nginx.conf");
        let address = Loopback::free(1)?[0];
        fs::write(&config, filled(&route, address, weight, folder)).context("write the configuration of nginx")?;
        let arguments = ["-c", config.to_str().context("the path is no text")?];
        let mut process = Process::start_family(core, &program, &arguments, &folder.join("log"))?;
        let request = load::get("/", "");
        let mut ended = false;
        let answers = interrupt.wait_until(START, || {
            ended = !process.is_running();
            ended || control::ask(address, &request).is_ok_and(|(status, _)| status == 200)
        })?;
        anyhow::ensure!(answers && !ended, "nginx does not answer; it wrote:\n{}", process.last_words());
        Ok(Self { address, route, folder: folder.to_owned(), config, process })
    }

    /// Gives the canary `weight` percent from now on.
    pub fn set_weight(&self, weight: f64) -> anyhow::Result<()> {
        let text = filled(&self.route, self.address, weight, &self.folder);
        fs::write(&self.config, text).context("rewrite the configuration of nginx")?;
        self.process.reload()
    }
}

/// The program, if it is there.
pub fn program() -> Option<PathBuf> {
    installed("nginx")
}

/// What it says of itself; empty if it is not there.
pub fn version() -> String {
    let line = program().map(|program| first_line(&program, &["-v"])).unwrap_or_default();
    line.rsplit('/').next().unwrap_or_default().to_owned()
}

fn filled(route: &Route, listen: Loopback, weight: f64, folder: &Path) -> String {
    // nginx knows no 0 %.
    let canary = if weight > 0.0 { format!("{weight}% canary;") } else { String::new() };
    [
        ("{{trial}}", route.trial.to_string()),
        ("{{listen}}", listen.to_string()),
        ("{{stable}}", route.stable.to_string()),
        ("{{canary}}", route.canary.to_string()),
        ("{{exporter}}", route.exporter.to_string()),
        ("{{timeout}}", route.timeout.to_owned()),
        ("{{share}}", canary),
        ("{{dir}}", folder.display().to_string()),
    ]
    .iter()
    .fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_share_and_no_weight_leaves_only_stable() {
        let address: Loopback = "127.0.0.1:9".parse().expect("an address");
        let route = Route { trial: 7, stable: address, canary: address, exporter: address, timeout: "5s" };
        let text = filled(&route, address, 20.0, Path::new("/tmp/x"));
        assert!(text.contains("$arm { 20% canary; * stable; }") && !text.contains("{{"), "{text}");
        let text = filled(&route, address, 0.0, Path::new("/tmp/x"));
        assert!(text.contains("$arm {  * stable; }"), "{text}");
    }
}
