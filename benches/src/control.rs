//! What a backend's arm can be told, what it notes, and the small client that asks it.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;

use crate::http::parse_answer;
use crate::load;
use crate::loopback::Loopback;

const PATIENCE: Duration = Duration::from_secs(5);

/// How an arm answers; written `fail=0.2&delay_ms=10&hang=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Share of requests that get a 503, 0 to 1.
    pub fail: f64,
    /// How late the others are answered.
    pub delay: Duration,
    /// The others are never answered.
    pub hang: bool,
}

/// What an arm noted since it was reset; times since the backend started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Requests that arrived.
    pub requests: u64,
    /// Those that were told to fail.
    pub failures: u64,
    /// Requests that arrived after the first failure.
    pub after_first_failure: u64,
    /// When the first arrived.
    pub first_request: Duration,
    /// When the first failed.
    pub first_failure: Duration,
    /// When the last request arrived.
    pub last_request: Duration,
}

// === impl Behaviour ===

impl FromStr for Behaviour {
    type Err = anyhow::Error;

    fn from_str(query: &str) -> anyhow::Result<Self> {
        let mut behaviour = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').context("name=value is expected")?;
            match name {
                "fail" => behaviour.fail = value.parse().context("fail: a share from 0 to 1")?,
                "delay_ms" => behaviour.delay = Duration::from_millis(value.parse().context("delay_ms: a number")?),
                "hang" => behaviour.hang = value.parse().context("hang: true or false")?,
                _ => anyhow::bail!("{name}: fail, delay_ms and hang are known"),
            }
        }
        Ok(behaviour)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fail={}&delay_ms={}&hang={}", self.fail, self.delay.as_millis(), self.hang)
    }
}

// === impl Stats ===

impl Stats {
    /// From the first failure to the last request; `None` while none failed.
    pub fn reaction(&self) -> Option<Duration> {
        (self.failures > 0).then(|| self.last_request.saturating_sub(self.first_failure))
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failures, after_first_failure, .. } = self;
        let times = [self.first_request, self.first_failure, self.last_request].map(|time| time.as_micros());
        let [request, failure, last] = times;
        writeln!(f, "{requests} {failures} {after_first_failure} {request} {failure} {last}")
    }
}

impl FromStr for Stats {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(|word| word.parse().with_context(|| format!("{word}: a number")))
            .collect::<anyhow::Result<_>>()?;
        let [requests, failures, after_first_failure, request, failure, last] = numbers[..] else {
            anyhow::bail!("{text}: six numbers are expected");
        };
        Ok(Self {
            requests,
            failures,
            after_first_failure,
            first_request: Duration::from_micros(request),
            first_failure: Duration::from_micros(failure),
            last_request: Duration::from_micros(last),
        })
    }
}

/// Tells an arm how to answer from now on.
pub fn set(arm: Loopback, behaviour: Behaviour) -> anyhow::Result<()> {
    command(arm, &format!("set?{behaviour}")).map(|_| ())
}

/// Makes an arm forget what it noted.
pub fn reset(arm: Loopback) -> anyhow::Result<()> {
    command(arm, "reset").map(|_| ())
}

/// What an arm noted.
pub fn stats(arm: Loopback) -> anyhow::Result<Stats> {
    command(arm, "stats")
}

fn command(arm: Loopback, command: &str) -> anyhow::Result<Stats> {
    let (status, body) = ask(arm, &load::get(&format!("/-/{command}"), ""))?;
    let text = String::from_utf8_lossy(&body);
    anyhow::ensure!(status == 200, "{command}: the backend says {status} {text}");
    text.parse()
}

/// Sends one request over a connection of its own; status and body of the answer.
pub fn ask(address: Loopback, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    let asking = || format!("ask {address}");
    let mut stream = TcpStream::connect_timeout(&address.address(), PATIENCE).with_context(asking)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request).with_context(asking)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let parsed = parse_answer(&bytes).map_err(|_| anyhow::anyhow!("{address} answers malformed"))?;
        if let Some((status, head)) = parsed.filter(|(_, head)| bytes.len() >= head.len + head.body) {
            return Ok((status, bytes.split_off(head.len)));
        }
        let len = stream.read(&mut chunk).with_context(asking)?;
        anyhow::ensure!(len > 0, "{address} closed before its answer was whole");
        bytes.extend_from_slice(&chunk[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_as_it_was_written() {
        let behaviour = Behaviour { fail: 0.05, delay: Duration::from_millis(20), hang: true };
        assert_eq!(behaviour.to_string().parse::<Behaviour>().expect("own words"), behaviour);
        assert!("fail=x".parse::<Behaviour>().is_err() && "speed=1".parse::<Behaviour>().is_err());
    }

    #[test]
    fn stats_are_read_as_they_were_written() {
        let stats = Stats {
            requests: 9,
            failures: 2,
            after_first_failure: 3,
            first_request: Duration::from_micros(4),
            first_failure: Duration::from_micros(5),
            last_request: Duration::from_micros(7),
        };
        let read: Stats = stats.to_string().parse().expect("own words");
        assert_eq!((read, read.reaction()), (stats, Some(Duration::from_micros(2))));
        assert_eq!(Stats::default().reaction(), None);
    }
}
