//! The verbs that change something. Each says afterwards what is so now: `shop: aborted; 0 % to v2, 100 % to v1`.

use sluice_api::client::{Client, ClientError};
use sluice_api::{AbortRequest, CommandRequest, PromoteRequest, ReleaseRequest, RolloutStatus, WeightRequest};
use sluice_engine::units::Weight;

use crate::args::Target;
use crate::exit::{Exit, Failure};
use crate::output::text::{Line, Paint};
use crate::output::{Output, tree, words};

pub(crate) async fn promote(
    client: &Client,
    target: Target,
    full: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let request = PromoteRequest { generation: target.generation, full };
    let done = if full { "promoted in full" } else { "promoted" };
    told(done, client.promote(&target.name, &request).await, output)
}

pub(crate) async fn abort(
    client: &Client,
    target: Target,
    reason: Option<String>,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let request = AbortRequest { generation: target.generation, reason };
    told("aborted", client.abort(&target.name, &request).await, output)
}

pub(crate) async fn retry(client: &Client, target: Target, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let request = CommandRequest { generation: target.generation };
    told("started again", client.retry(&target.name, &request).await, output)
}

pub(crate) async fn pause(client: &Client, target: Target, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let request = CommandRequest { generation: target.generation };
    told("paused", client.pause(&target.name, &request).await, output)
}

pub(crate) async fn resume(client: &Client, target: Target, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let request = CommandRequest { generation: target.generation };
    told("resumed", client.resume(&target.name, &request).await, output)
}

pub(crate) async fn release(
    client: &Client,
    name: &str,
    version: String,
    endpoints: Vec<String>,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let done = format!("release of {version} started");
    told(&done, client.release(name, &ReleaseRequest { version, endpoints }).await, output)
}

pub(crate) async fn weight(
    client: &Client,
    target: Target,
    weight: Weight,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let request = WeightRequest { weight, generation: target.generation };
    told("weight set", client.set_weight(&target.name, &request).await, output)
}

pub(crate) async fn test_notification(client: &Client, name: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let test = client.test_notification(name).await.map_err(|error| Failure::Call { error, commanded: true })?;
    if !output.document(&test)? {
        output.lines(&[Line::painted(Paint::Strong, &test.name).then(": delivered")])?;
    }
    Ok(Exit::Done)
}

fn told(done: &str, answer: Result<RolloutStatus, ClientError>, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let status = answer.map_err(|error| Failure::Call { error, commanded: true })?;
    if !output.document(&status)? {
        output.lines(&[outcome(done, &status)])?;
    }
    Ok(Exit::Done)
}

/// What was done and what is so now.
fn outcome(done: &str, status: &RolloutStatus) -> Line {
    Line::painted(Paint::Strong, &status.name)
        .then(": ")
        .with(words::phase_paint(status.phase, status.reason), done)
        .then(format!("; {}", tree::shares(status)))
        .with(Paint::Faint, format!(" (generation {})", status.generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_command_says_what_is_so_now() {
        assert_eq!(
            outcome("aborted", &samples::reverted()).write(false),
            "shop: aborted; 0 % to v2, 100 % to v1 (generation 7)"
        );
        assert_eq!(
            outcome("resumed", &samples::healthy("api")).write(false),
            "api: resumed; 100 % to v1 (generation 7)"
        );
    }
}
