//! `status`: waits until a rollout is healthy or degraded, for scripts that deploy.

use std::time::Duration;

use sluice_api::client::Client;
use sluice_api::{Phase, RolloutStatus};

use super::feed::{Feed, News, PAUSE};
use super::watch::now_ms;
use crate::args::Patience;
use crate::exit::{Exit, Failure};
use crate::output::text::Line;
use crate::output::ticker::{self, Ticker};
use crate::output::{Output, tree};

/// Waits; people see a line for each change, programs only the last status.
pub(crate) async fn run(
    client: &Client,
    name: &str,
    patience: Patience,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    wait(client, name, patience, PAUSE, output).await
}

async fn wait(
    client: &Client,
    name: &str,
    patience: Patience,
    pause: Duration,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut feed = Feed::new(client, name, pause);
    let mut ticker = Ticker::default();
    let mut last = match feed.next().await? {
        News::Status(status) => status,
        // A feed begins with a look, which fails or gives a status.
        News::Decision(_) | News::Lost(_) => client.get(name).await.map(Box::new)?,
    };
    tell(&mut ticker, &last, output)?;
    let settled = async {
        while exit(last.phase).is_none() {
            match feed.next().await? {
                News::Status(status) => {
                    last = status;
                    tell(&mut ticker, &last, output)?;
                }
                News::Decision(_) => {} // the status that follows says it
                News::Lost(error) => note(name, &error.to_string(), output)?,
            }
        }
        Ok::<_, Failure>(())
    };
    match patience {
        Patience::Endless => settled.await?,
        // Whether it ended in time is seen by the phase below.
        Patience::AtMost(length) => tokio::time::timeout(length, settled).await.unwrap_or(Ok(()))?,
    }
    conclude(&last, output)
}

fn exit(phase: Phase) -> Option<Exit> {
    match phase {
        Phase::Healthy => Some(Exit::Done),
        Phase::Degraded => Some(Exit::Degraded),
        Phase::Progressing | Phase::Paused => None,
    }
}

fn tell(ticker: &mut Ticker, status: &RolloutStatus, output: &mut Output<'_>) -> Result<(), Failure> {
    match ticker.status(status, now_ms()) {
        Some(line) if output.format().is_for_people() => output.lines(&[line]),
        _ => Ok(()),
    }
}

fn note(name: &str, trouble: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    if !output.format().is_for_people() {
        return Ok(());
    }
    output.lines(&[ticker::note(now_ms(), name, &format!("connection lost, trying again: {trouble}"))])
}

fn conclude(status: &RolloutStatus, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let exit = exit(status.phase);
    if !output.document(status)? {
        let verdict = tree::verdict(status).filter(|_| exit == Some(Exit::Degraded));
        output.lines(&verdict.map(Line::plain).into_iter().collect::<Vec<_>>())?;
        if exit.is_none() {
            output.lines(&[Line::plain("Timed out; it goes on without this program.")])?;
        }
    }
    Ok(exit.unwrap_or(Exit::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use crate::samples;
    use crate::scripted::{Answer, Scripted};

    async fn waited(answers: Vec<Answer>, patience: Patience, format: Format) -> (Result<Exit, Failure>, String) {
        let server = Scripted::answering(answers).await;
        let mut written = Vec::new();
        let exit = {
            let mut output = Output::plain(&mut written, format);
            wait(&server.client(), "shop", patience, Duration::ZERO, &mut output).await
        };
        (exit, String::from_utf8(written).unwrap())
    }

    #[tokio::test]
    async fn healthy_is_0_at_once() {
        let (exit, written) =
            waited(vec![Answer::status(&samples::healthy("shop"))], Patience::Endless, Format::Table).await;
        assert_eq!(exit.unwrap().code(), 0);
        assert!(written.contains("✔ Healthy · Stable, 100 % to v1: v1 serves everyone."), "{written}");
    }

    #[tokio::test]
    async fn degraded_is_1_and_says_why() {
        let answers = vec![Answer::status(&samples::progressing()), Answer::events(&[&samples::reverted()])];
        let (exit, written) = waited(answers, Patience::Endless, Format::Table).await;
        assert_eq!(exit.unwrap().code(), 1);
        assert_eq!(written.lines().count(), 3, "{written}");
        assert!(written.lines().last().unwrap().starts_with("reverted: 5 of 5 canary requests failed"), "{written}");
    }

    #[tokio::test]
    async fn out_of_patience_is_2() {
        let answers = vec![Answer::status(&samples::progressing()), Answer::status(&samples::progressing())];
        let (exit, written) = waited(answers, Patience::AtMost(Duration::ZERO), Format::Table).await;
        assert_eq!(exit.unwrap().code(), 2);
        assert!(written.ends_with("Timed out; it goes on without this program.\n"), "{written}");
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_waited_for() {
        let answers = vec![
            Answer::status(&samples::progressing()),
            Answer::refusal(500, "restarting"),
            Answer::status(&samples::healthy("shop")),
        ];
        let (exit, written) = waited(answers, Patience::Endless, Format::Table).await;
        assert_eq!(exit.unwrap().code(), 0);
        assert!(
            written.contains("connection lost, trying again: the server failed (HTTP 500): restarting"),
            "{written}"
        );
    }

    #[tokio::test]
    async fn programs_get_the_last_status_only() {
        let answers = vec![Answer::status(&samples::progressing()), Answer::events(&[&samples::reverted()])];
        let (_, written) = waited(answers, Patience::Endless, Format::Json).await;
        assert_eq!(serde_json::from_str::<RolloutStatus>(&written).unwrap(), samples::reverted());
    }
}
