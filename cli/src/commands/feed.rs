//! What happens to one rollout, as it happens: the server's events, and where there are none a look every second.
//!
//! The first look decides: if it fails, so does the feed. After that a server that goes away is news, not an end; the
//! feed says so and tries again. What no patience can mend (no such rollout any more, a wrong token) ends it.

use std::time::Duration;

use sluice_api::client::{Client, ClientError, Events, ServerEvent};
use sluice_api::{Decision, RolloutStatus};

/// Time between two looks.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// One thing to know.
#[derive(Debug)]
pub(crate) enum News {
    Status(Box<RolloutStatus>),
    Decision(Box<Decision>),
    /// The server can't be asked at present.
    Lost(ClientError),
}

/// The news of one rollout.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    client: &'a Client,
    name: &'a str,
    pause: Duration,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Nothing was asked yet.
    Start,
    /// A look was just taken; listen next.
    Looked,
    /// The server's events.
    Events(Box<Events>),
    /// The connection was lost: look again after a pause.
    Lost,
    /// The server has no events: only look, with a pause before each.
    Polling,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(client: &'a Client, name: &'a str, pause: Duration) -> Self {
        Self { client, name, pause, source: Source::Start }
    }

    /// The next news. It may be dropped while it waits; nothing is lost but that wait.
    pub(crate) async fn next(&mut self) -> Result<News, ClientError> {
        loop {
            match &mut self.source {
                Source::Start => {
                    let status = self.client.get(self.name).await?;
                    self.source = Source::Looked;
                    return Ok(News::Status(Box::new(status)));
                }
                Source::Looked => match self.client.events(self.name).await {
                    Ok(events) => self.source = Source::Events(Box::new(events)),
                    Err(error) if error.is_passing() => return Ok(self.lost(error)),
                    Err(_) => self.source = Source::Polling,
                },
                Source::Events(events) => match events.next().await {
                    Ok(Some(ServerEvent::Status(status))) => return Ok(News::Status(status)),
                    Ok(Some(ServerEvent::Decision(decision))) => return Ok(News::Decision(decision)),
                    Ok(None) => self.source = Source::Lost,
                    Err(error) if error.is_passing() => return Ok(self.lost(error)),
                    Err(error) => return Err(error),
                },
                Source::Lost => {
                    tokio::time::sleep(self.pause).await;
                    return self.look(Source::Looked).await;
                }
                Source::Polling => {
                    tokio::time::sleep(self.pause).await;
                    return self.look(Source::Polling).await;
                }
            }
        }
    }

    /// Looks; goes on with `then` if the server answers.
    async fn look(&mut self, then: Source) -> Result<News, ClientError> {
        match self.client.get(self.name).await {
            Ok(status) => {
                self.source = then;
                Ok(News::Status(Box::new(status)))
            }
            Err(error) if error.is_passing() => Ok(self.lost(error)),
            Err(error) => Err(error),
        }
    }

    fn lost(&mut self, error: ClientError) -> News {
        self.source = Source::Lost;
        News::Lost(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::scripted::{Answer, Scripted};

    async fn told(server: &Scripted) -> Vec<String> {
        let client = server.client();
        let mut feed = Feed::new(&client, "shop", Duration::ZERO);
        let mut told = Vec::new();
        loop {
            told.push(match feed.next().await {
                Ok(News::Status(status)) => format!("{:?}", status.phase),
                Ok(News::Decision(decision)) => decision.event.message,
                Ok(News::Lost(error)) => format!("lost: {error}"),
                Err(error) => {
                    told.push(format!("end: {error}"));
                    return told;
                }
            });
        }
    }

    #[tokio::test]
    async fn it_looks_once_and_then_listens() {
        let server = Scripted::answering(vec![
            Answer::status(&samples::progressing()),
            Answer::events(&[&samples::progressing(), &samples::reverted()]),
            Answer::status(&samples::reverted()),
            Answer::refusal(500, "no more"),
            Answer::refusal(404, "no rollout shop"),
        ])
        .await;
        assert_eq!(
            told(&server).await,
            [
                "Progressing",
                "Progressing",
                "Degraded",
                "Degraded",
                "lost: the server failed (HTTP 500): no more",
                "end: no rollout shop"
            ]
        );
        assert_eq!(server.asked()[..3], ["/v1/rollouts/shop", "/v1/rollouts/shop/events", "/v1/rollouts/shop"]);
    }

    #[tokio::test]
    async fn a_server_without_events_is_looked_at_again_and_again() {
        let server = Scripted::answering(vec![
            Answer::status(&samples::progressing()),
            Answer::refusal(404, "no such path"),
            Answer::status(&samples::progressing()),
            Answer::status(&samples::reverted()),
            Answer::refusal(401, "a token is needed"),
        ])
        .await;
        assert_eq!(told(&server).await, ["Progressing", "Progressing", "Degraded", "end: a token is needed"]);
    }

    #[tokio::test]
    async fn when_the_first_look_fails_there_is_no_feed() {
        let server = Scripted::answering(vec![Answer::refusal(503, "starting")]).await;
        assert_eq!(told(&server).await, ["end: the server failed (HTTP 503): starting"]);
    }
}
