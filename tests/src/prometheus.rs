//! A real Prometheus that scrapes a proxy: what its queries find is what users find.
//!
//! Debian's package; where it is missing, a test says so and steps aside.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::ports;
use crate::wait::eventually;
use crate::wire::Request;

const PROGRAM: &str = "/usr/bin/prometheus";

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

// === impl Prometheus ===

impl Prometheus {
    /// One that scrapes the admin address of a proxy five times a second; none where the program is missing.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn scraping(admin: SocketAddr, features: &[&str]) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("skipped: {PROGRAM} is not installed");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("prometheus-test-").tempdir().expect("a temporary directory");
        let config = directory.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\n\
             scrape_configs:\n  - job_name: sluice\n    static_configs: [{{ targets: ['{admin}'] }}]\n"
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        let address = ports::free_address();
        let log = std::fs::File::create(directory.path().join("log")).expect("the log can be written");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        if !features.is_empty() {
            command.arg(format!("--enable-feature={}", features.join(",")));
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("it can be run");
        let prometheus = Self { process, address, _directory: directory };
        eventually("Prometheus is ready", async || {
            match Request::get("/-/ready").host(&address.to_string()).try_send(address).await {
                Ok(response) if response.status == 200 => Ok(()),
                Ok(response) => Err(response.text()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        Some(prometheus)
    }

    /// The first value that a query finds now.
    pub async fn query(&self, query: &str) -> Option<f64> {
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
        eventually(query, async || match self.query(query).await {
            Some(value) if fits(value) => Ok(value),
            other => Err(format!("{other:?}")),
        })
        .await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A query as a part of a target.
pub fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}
