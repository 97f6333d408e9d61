//! What a test asks of a proxy: through the admin API with the client of the product, and through the `sluice` tool.

use sluice_api::client::{Client, Server, Token};
use sluice_api::{CommandRequest, Phase, Reason, ReleaseRequest, RolloutStatus};

use super::{Finished, Sluice, process};
use crate::backend::Backend;
use crate::config::ROLLOUT;
use crate::metrics::Metrics;
use crate::wait::eventually;
use crate::wire::Request;

// === impl Sluice ===

impl Sluice {
    /// A client without token.
    ///
    /// # Panics
    /// Never: the address is good.
    pub fn reader(&self) -> Client {
        Client::new(self.server(), None)
    }

    /// A client with token.
    ///
    /// # Panics
    /// If there is no token.
    pub fn client(&self) -> Client {
        Client::new(self.server(), Some(Token::try_new(&self.token()).expect("a token")))
    }

    fn server(&self) -> Server {
        Server::try_new(&self.admin_address().to_string()).expect("an address")
    }

    /// The rollout as it is.
    ///
    /// # Panics
    /// If the admin API does not answer.
    pub async fn status(&self) -> RolloutStatus {
        self.reader().get(ROLLOUT).await.expect("the admin API answers")
    }

    /// Waits until the rollout looks like this.
    ///
    /// # Panics
    /// If it never does.
    pub async fn until(&self, what: &str, condition: impl Fn(&RolloutStatus) -> bool) -> RolloutStatus {
        eventually(what, async || {
            let status = self.reader().get(ROLLOUT).await.map_err(|error| error.to_string())?;
            if condition(&status) { Ok(status) } else { Err(summary(&status)) }
        })
        .await
    }

    /// Waits for phase and reason.
    ///
    /// # Panics
    /// If they never come.
    pub async fn until_is(&self, phase: Phase, reason: Reason) -> RolloutStatus {
        let what = format!("the rollout is {phase:?} ({reason:?})");
        self.until(&what, |status| status.phase == phase && status.reason == reason).await
    }

    /// Waits until this weight is in force.
    ///
    /// # Panics
    /// If it never is.
    pub async fn until_weight(&self, percent: f64) -> RolloutStatus {
        self.until(&format!("{percent} % are in force"), |status| status.weight.in_force == percent).await
    }

    /// Waits until the canary of this generation got so many requests.
    ///
    /// # Panics
    /// If it never does.
    pub async fn until_canary_got(&self, requests: u64) -> RolloutStatus {
        let what = format!("the canary got {requests} requests");
        self.until(&what, |status| status.canary.as_ref().is_some_and(|arm| arm.requests >= requests)).await
    }

    /// Starts a release.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn release(&self, version: &str, backend: &Backend) -> RolloutStatus {
        let request = ReleaseRequest { version: version.to_owned(), endpoints: vec![backend.endpoint()] };
        self.client().release(ROLLOUT, &request).await.expect("the release is accepted")
    }

    /// `POST …/retry`.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn retry(&self) -> RolloutStatus {
        self.client().retry(ROLLOUT, &CommandRequest::default()).await.expect("retry is accepted")
    }

    /// The metrics.
    ///
    /// # Panics
    /// If they can't be had.
    pub async fn metrics(&self) -> Metrics {
        let response =
            Request::get("/metrics").host(&self.admin_address().to_string()).send(self.admin_address()).await;
        assert_eq!(response.status, 200, "{}", response.text());
        Metrics::parse(&response.text())
    }

    /// Runs `sluice` against it.
    ///
    /// # Panics
    /// If the program can't be run.
    pub async fn cli(&self, arguments: &[&str]) -> Finished {
        let server = format!("http://{}", self.admin_address());
        let environment = [("SLUICE_SERVER", server), ("SLUICE_TOKEN", self.token()), ("NO_COLOR", "1".to_owned())];
        process::run("sluice", arguments, &environment, self.directory.path()).await
    }
}

/// What a failed wait says of a rollout.
pub fn summary(status: &RolloutStatus) -> String {
    let RolloutStatus { phase, reason, generation, step, weight, message, waiting_for, .. } = status;
    let metrics: Vec<_> = status
        .metrics
        .iter()
        .map(|metric| (metric.metric, metric.n, metric.x, metric.n_stable, metric.x_stable))
        .collect();
    format!(
        "{phase:?} ({reason:?}), generation {generation}, step {}/{}, weight {} of {}: {message}; waits for {waiting_for:?}; {metrics:?}",
        step.index, step.count, weight.in_force, weight.wanted
    )
}
