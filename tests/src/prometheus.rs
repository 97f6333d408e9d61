//! The real Prometheus of Debian's packages, scraping a proxy as a team would have it.
//!
//! Configuration and rules are those that the repository ships; only the address and the interval are changed. Where the
//! program can't be had, tests say so and step aside: `scripts/setup-tests.sh` fetches it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::repository;
use crate::ports;
use crate::wait::eventually;
use crate::wire::Request;

/// Between two scrapes.
const INTERVAL: &str = "500ms";

/// A running Prometheus; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
    started: f64,
}

/// Path of `prometheus` or `promtool`; `None`, with a printed line, where it is missing.
pub fn program(name: &str) -> Option<PathBuf> {
    let installed = PathBuf::from("/usr/bin").join(name);
    let unpacked = repository().join("target/tools/prometheus/usr/bin").join(name);
    let found = [installed, unpacked].into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is missing; scripts/setup-tests.sh fetches it");
    }
    found
}

/// The directory with the configuration and the rules that are shipped.
pub fn shipped() -> PathBuf {
    repository().join("manifests/prometheus")
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts it on the shipped configuration with `target` in place of the usual admin address; `None` where the program
    /// is missing.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start(target: SocketAddr) -> Option<Self> {
        Self::with_features(target, &[]).await
    }

    /// The same with features that are off otherwise.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn with_features(target: SocketAddr, features: &[&str]) -> Option<Self> {
        let program = program("prometheus")?;
        let directory = tempfile::Builder::new().prefix("sluice-prometheus-").tempdir().expect("a directory");
        let config = write_config(directory.path(), target);
        let address = ports::free_address();
        let log = std::fs::File::create(directory.path().join("log")).expect("a log");
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=warn", "--storage.tsdb.retention.time=1h"])
            .args(features.iter().map(|feature| format!("--enable-feature={feature}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus can be run");
        let prometheus = Self { child, address, directory, started: unix_seconds() };
        eventually("Prometheus is ready", async || prometheus.look_ready().await).await;
        Some(prometheus)
    }

    async fn look_ready(&self) -> Result<(), String> {
        let response = Request::get("/-/ready").host(&self.address.to_string()).try_send(self.address).await;
        match response {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(response.text()),
            Err(error) => Err(format!("{error}; {}", self.log())),
        }
    }

    /// Waits until the proxy was scraped.
    ///
    /// # Panics
    /// If it never is.
    pub async fn until_scraped(&self) {
        eventually("the proxy is scraped", async || {
            let up = self.query("up == 1").await?;
            if up.is_empty() { Err(self.log()) } else { Ok(()) }
        })
        .await;
    }

    /// The first value that a query finds now.
    pub async fn value(&self, query: &str) -> Option<f64> {
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(query))).await?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The answer of its API to a path.
    pub async fn ask(&self, path: &str) -> Option<Value> {
        let request = Request::get(path).host(&self.address.to_string());
        let response = request.try_send(self.address).await.ok()?;
        serde_json::from_slice(&response.body).ok()
    }

    /// Waits until a query finds a value that fits.
    ///
    /// # Panics
    /// If it does not.
    pub async fn until(&self, query: &str, fits: impl Fn(f64) -> bool) -> f64 {
        eventually(query, async || match self.value(query).await {
            Some(value) if fits(value) => Ok(value),
            other => Err(format!("{other:?}")),
        })
        .await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The values of every series that `expression` finds between the start and now, as a panel would draw it.
    ///
    /// # Errors
    /// What Prometheus says of an expression that it can't evaluate.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn query(&self, expression: &str) -> Result<Vec<Vec<f64>>, String> {
        let (from, to) = (self.started, unix_seconds());
        let path = format!("/api/v1/query_range?query={}&start={from}&end={to}&step=0.5", encoded(expression));
        let response = Request::get(&path).host(&self.address.to_string()).send(self.address).await;
        let answer: Value = serde_json::from_str(&response.text()).expect("Prometheus answers JSON");
        if answer["status"] != "success" {
            return Err(format!("{}: {}", answer["errorType"], answer["error"]));
        }
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        Ok(series.iter().map(values).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The shipped configuration beside the shipped rules, for this target.
fn write_config(directory: &Path, target: SocketAddr) -> PathBuf {
    let text = std::fs::read_to_string(shipped().join("prometheus.yml")).expect("the shipped configuration");
    let changed = text.replace("127.0.0.1:9900", &target.to_string()).replace(": 5s", &format!(": {INTERVAL}"));
    assert!(changed.contains(&target.to_string()) && changed.contains(INTERVAL), "{text}");
    let rules = "sluice-rules.yaml";
    std::fs::copy(shipped().join(rules), directory.join(rules)).expect("the shipped rules");
    let path = directory.join("prometheus.yml");
    std::fs::write(&path, changed).expect("the configuration can be written");
    path
}

/// `[[time, "value"], …]` of one series; `NaN` and infinities are what they say.
fn values(series: &Value) -> Vec<f64> {
    let points = series["values"].as_array().cloned().unwrap_or_default();
    points.iter().filter_map(|point| point[1].as_str()?.parse().ok()).collect()
}

/// A query as a part of a target.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
