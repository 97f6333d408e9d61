//! Debian's Prometheus: started on loopback, and asked as a controller asks it.
//!
//! One server with one scrape job per interval. Nothing is cached between two questions.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::control;
use crate::interrupt::Interrupt;
use crate::load;
use crate::loopback::Loopback;
use crate::process::{Process, first_line, installed};

/// It replays no log at its first start, so it is quick.
const START: Duration = Duration::from_secs(30);

/// A scrape job.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Value of the label `job`.
    pub name: &'static str,
    /// Between two scrapes.
    pub interval: Duration,
}

/// A server that scrapes.
#[derive(Debug)]
pub struct Prometheus {
    address: Loopback,
    /// What it says of itself.
    pub version: String,
    /// Held so that it ends with this value.
    _process: Process,
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts it and waits until it answers questions; it scrapes `target` for each job.
    pub fn start(
        core: usize,
        jobs: &[Job],
        target: Loopback,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let program = program().context("prometheus is not installed: apt-get install prometheus")?;
        let config = folder.join("prometheus.yml");
        fs::write(&config, configuration(jobs, target)).context("write the configuration of Prometheus")?;
        let address = Loopback::free(1)?[0];
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("prometheus").display()),
            format!("--web.listen-address={address}"),
            "--log.level=warn".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let process = Process::start(core, &program, &arguments, &folder.join("prometheus.log"))?;
        let ready = load::get("/-/ready", "");
        let answers = || control::ask(address, &ready).is_ok_and(|(status, _)| status == 200);
        anyhow::ensure!(
            interrupt.wait_until(START, answers)?,
            "Prometheus does not answer; it wrote:\n{}",
            process.last_words()
        );
        let line = first_line(&program, &["--version"]);
        let version = line.split(' ').nth(2).unwrap_or(&line).to_owned();
        Ok(Self { address, version, _process: process })
    }

    /// The first value of the answer to `query`; `None` where there is nothing to compare.
    pub fn first_value(&self, query: &str) -> Option<f64> {
        let path = format!("/api/v1/query?query={}", escaped(query));
        let (status, body) = control::ask(self.address, &load::get(&path, "")).ok()?;
        (status == 200).then(|| value_in(&body)).flatten()
    }
}

/// The program, if it is there.
pub fn program() -> Option<PathBuf> {
    installed("prometheus")
}

fn configuration(jobs: &[Job], target: Loopback) -> String {
    jobs.iter().fold("scrape_configs:\n".to_owned(), |mut text, Job { name, interval }| {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "- job_name: {name}\n  scrape_interval: {seconds}s\n  scrape_timeout: {seconds}s\n  \
             static_configs: [{{targets: [\"{target}\"]}}]\n",
            seconds = interval.as_secs()
        );
        text
    })
}

fn value_in(body: &[u8]) -> Option<f64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.pointer("/data/result/0/value/1")?.as_str()?.parse().ok()
}

/// Percent-encoded for a query string.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_vector_is_read_and_nothing_else_counts() {
        let vector = |value: &str| {
            let result = format!(r#"[{{"metric":{{}},"value":[1435781451.781,"{value}"]}}]"#);
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
        };
        assert_eq!(value_in(vector("0.875").as_bytes()), Some(0.875));
        assert!(value_in(vector("NaN").as_bytes()).is_some_and(f64::is_nan));
        let empty = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(value_in(empty), None);
        assert_eq!(value_in(b"no JSON"), None);
    }

    #[test]
    fn a_query_survives_its_way_through_an_address() {
        assert_eq!(escaped(r#"a{b!~"5.*"}[5m] / c"#), "a%7Bb%21%7E%225%2E%2A%22%7D%5B5m%5D%20%2F%20c");
    }

    #[test]
    fn every_job_has_its_own_interval() {
        let jobs =
            [Job { name: "a", interval: Duration::from_secs(15) }, Job { name: "b", interval: Duration::from_secs(5) }];
        let text = configuration(&jobs, "127.0.0.1:9".parse().expect("an address"));
        assert!(text.contains("- job_name: a\n  scrape_interval: 15s\n"), "{text}");
        assert!(text.contains("- job_name: b\n  scrape_interval: 5s\n"), "{text}");
    }
}
