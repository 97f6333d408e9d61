//! What people and programs command.

use std::sync::Arc;

use sluice_api::{ReleaseRequest, RolloutStatus};
use sluice_engine::rollout::Input;

use super::Pilot;
use super::arm::is_as;
use super::handle::{CommandError, Order, Reply};
use crate::config::ArmConfig;

/// Longest version name.
const MAX_VERSION: usize = 128;

/// Most endpoints of an arm.
const MAX_ENDPOINTS: usize = 1_024;

/// Somebody who waits until a decision is stored.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The number of the state that holds the decision.
    number: u64,
    name: Arc<str>,
    reply: Reply,
}

impl Pilot {
    pub(super) fn take_order(&mut self, order: Order) {
        match order {
            Order::Command { name, generation, command, reply } => {
                let done =
                    self.find(&name).and_then(|i| match self.step_quietly(i, Input::Command { generation, command }) {
                        Some(refusal) => Err(refusal.into()),
                        None => Ok(i),
                    });
                self.reply(done, reply);
            }
            Order::Release { name, request, reply } => {
                let done = self.find(&name).and_then(|i| self.release(i, request).map(|()| i));
                self.reply(done, reply);
            }
            Order::Apply { config, reply } => {
                self.apply(&config);
                // Whoever asked may have given up; the configuration is in force all the same.
                let _ = reply.send(());
            }
            Order::Answer(answered) => self.take_answer(answered),
        }
    }

    fn find(&self, name: &str) -> Result<usize, CommandError> {
        self.drivers
            .iter()
            .position(|driver| &*driver.name == name)
            .ok_or_else(|| CommandError::NotFound(name.to_owned()))
    }

    /// Carries out what follows, and answers once that is stored.
    fn reply(&mut self, done: Result<usize, CommandError>, reply: Reply) {
        let number = self.settle();
        match (done, number) {
            (Ok(i), Some(number)) => {
                self.waiting.push(Waiting { number, name: Arc::clone(&self.drivers[i].name), reply })
            }
            (done, _) => answer(reply, done.map(|i| self.drivers[i].board.status())),
        }
    }

    /// The state with this number is stored, or it is known that it can't be.
    pub(super) fn answer_waiting(&mut self, number: u64) {
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.number > number {
                self.waiting.push(waiting);
                continue;
            }
            let status = self.find(&waiting.name).map(|i| self.drivers[i].board.status());
            answer(waiting.reply, status);
        }
    }

    fn release(&mut self, i: usize, request: ReleaseRequest) -> Result<(), CommandError> {
        let arm = arm_of(request).map_err(CommandError::Invalid)?;
        let driver = &self.drivers[i];
        let (canary, stable) = (driver.engine().canary(), driver.engine().stable());
        if canary.is_none() && *arm.version == *stable {
            return Err(CommandError::Conflict(format!("version {stable} serves everyone already")));
        }
        if canary != Some(&*arm.version) {
            self.begin_release(i, &arm);
            return Ok(());
        }
        if driver.engine().is_taken_back() {
            return Err(CommandError::Conflict(format!(
                "version {} was taken back: retry it, or release another version",
                arm.version
            )));
        }
        if driver.canary.as_deref().is_none_or(|present| !is_as(present, &arm)) {
            self.drivers[i].canary = Some(self.registry.arm(&arm));
            self.pending.reroute.push(i);
            self.pending.store = true;
        }
        Ok(())
    }
}

fn answer(reply: Reply, result: Result<Arc<RolloutStatus>, CommandError>) {
    // Whoever asked may have given up waiting; what was decided stands.
    let _ = reply.send(result);
}

/// The arm that a request means, or a sentence that says what is wrong with it.
fn arm_of(request: ReleaseRequest) -> Result<ArmConfig, String> {
    let ReleaseRequest { version, endpoints } = request;
    let is_name = |c: char| c.is_ascii_graphic();
    if version.is_empty() || version.len() > MAX_VERSION || !version.chars().all(is_name) {
        return Err(format!(
            "version {version:?}: 1 to {MAX_VERSION} printable ASCII characters without spaces are allowed"
        ));
    }
    if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
        return Err(format!("endpoints: 1 to {MAX_ENDPOINTS} are allowed, {} were given", endpoints.len()));
    }
    for endpoint in &endpoints {
        check_endpoint(endpoint)?;
    }
    Ok(ArmConfig { version: version.into(), endpoints: endpoints.into_iter().map(Into::into).collect() })
}

/// `host:port`: a name, an IPv4 address or an IPv6 address in brackets, and a port from 1.
fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let refused = || format!("endpoint {endpoint:?}: write host:port, such as 127.0.0.1:9002 or shop.internal:80");
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(refused)?;
    let is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = (1..=253).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    ((is_ipv6 || is_name) && is_port).then_some(()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for good in ["127.0.0.1:9002", "shop.internal:80", "[::1]:8080", "a_b:1"] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop",
            "shop:",
            ":80",
            "shop:0",
            "shop:65536",
            "shop:+1",
            "::1:80",
            "[::1]",
            "a b:80",
            "http://shop:80",
            "shop:80/x",
            "sh\nop:80",
        ] {
            assert!(check_endpoint(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_release_names_a_version_and_at_least_one_endpoint() {
        let mk = |version: &str, endpoints: &[&str]| ReleaseRequest {
            version: version.to_owned(),
            endpoints: endpoints.iter().map(|&endpoint| endpoint.to_owned()).collect(),
        };
        assert!(arm_of(mk("v2", &["127.0.0.1:1"])).is_ok());
        for bad in [
            mk("", &["127.0.0.1:1"]),
            mk("v 2", &["127.0.0.1:1"]),
            mk("v\n2", &["127.0.0.1:1"]),
            mk("v2", &[]),
            mk("v2", &["x"]),
        ] {
            assert!(arm_of(bad).is_err());
        }
    }
}
