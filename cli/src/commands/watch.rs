//! `get -w`: goes on until interrupted. On a terminal it redraws in place, in a pipe it writes a line for each change,
//! and as JSON or YAML it writes a document for each status.

use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_api::client::{Client, ClientError};
use sluice_api::{Decision, RolloutList, RolloutStatus};

use super::feed::{Feed, News, PAUSE};
use crate::exit::{Exit, Failure};
use crate::output::text::{Line, Paint};
use crate::output::ticker::{self, Ticker};
use crate::output::{Output, list as table, tree};

/// Decisions that stay on screen below the rollout.
const RECENT: usize = 8;

/// Watches one rollout.
pub(crate) async fn rollout(client: &Client, name: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    follow(Feed::new(client, name, PAUSE), View::new(name, output)).await
}

async fn follow(mut feed: Feed<'_>, mut view: View<'_, '_>) -> Result<Exit, Failure> {
    let mut interrupted = pin!(interrupted());
    loop {
        tokio::select! {
            // An interrupt wins over news that never ends.
            biased;
            () = &mut interrupted => return view.close(),
            news = feed.next() => match news {
                Ok(News::Status(status)) => view.status(&status)?,
                Ok(News::Decision(decision)) => view.decision(&decision)?,
                Ok(News::Lost(error)) => view.lost(&error)?,
                Err(error) => return view.close().and_then(|_| Err(error.into())),
            },
        }
    }
}

/// Watches all of them.
pub(crate) async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut view = View::new("", output);
    let mut interrupted = pin!(interrupted());
    view.list(&client.list().await?)?;
    loop {
        tokio::select! {
            biased;
            () = &mut interrupted => return view.close(),
            answer = next_list(client, PAUSE) => match answer {
                Ok(list) => view.list(&list)?,
                Err(error) if error.is_passing() => view.lost(&error)?,
                Err(error) => return view.close().and_then(|_| Err(error.into())),
            },
        }
    }
}

async fn next_list(client: &Client, pause: Duration) -> Result<RolloutList, ClientError> {
    tokio::time::sleep(pause).await;
    client.list().await
}

/// Ends when the user or the system asks this program to stop. If that can't be listened to, only a kill ends it.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// What is shown at present, and where.
struct View<'v, 'o> {
    name: &'v str,
    output: &'v mut Output<'o>,
    ticker: Ticker,
    shown: Vec<Line>,
    recent: Vec<Line>,
    is_lost: bool,
}

impl<'v, 'o> View<'v, 'o> {
    fn new(name: &'v str, output: &'v mut Output<'o>) -> Self {
        Self { name, output, ticker: Ticker::default(), shown: Vec::new(), recent: Vec::new(), is_lost: false }
    }

    fn status(&mut self, status: &RolloutStatus) -> Result<(), Failure> {
        self.is_lost = false;
        if self.output.document_of_many(status)? {
            return Ok(());
        }
        if !self.output.is_terminal() {
            return self.tick(status);
        }
        self.shown = tree::lines(status, self.output.shape());
        self.draw(None)
    }

    fn list(&mut self, list: &RolloutList) -> Result<(), Failure> {
        self.is_lost = false;
        if self.output.document_of_many(list)? {
            return Ok(());
        }
        if !self.output.is_terminal() {
            return list.rollouts.iter().try_for_each(|status| self.tick(status));
        }
        self.shown = table::lines(list, self.output.shape().wide);
        self.draw(None)
    }

    fn decision(&mut self, decision: &Decision) -> Result<(), Failure> {
        if !self.output.format().is_for_people() {
            return Ok(()); // the status that follows says it, in the type that was asked for
        }
        let line = ticker::decision(decision);
        if !self.output.is_terminal() {
            return self.output.lines(&[line]);
        }
        self.recent.push(line);
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
        self.draw(None)
    }

    /// Says once that the server can't be asked; what is shown stays, marked as old.
    fn lost(&mut self, error: &ClientError) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.is_lost, true);
        let text = format!("connection lost, trying again: {error}");
        if !self.output.format().is_for_people() {
            return Ok(());
        }
        if self.output.is_terminal() {
            return self.draw(Some(&text));
        }
        if first { self.output.lines(&[ticker::note(now_ms(), self.name, &text)]) } else { Ok(()) }
    }

    fn tick(&mut self, status: &RolloutStatus) -> Result<(), Failure> {
        match self.ticker.status(status, now_ms()) {
            Some(line) => self.output.lines(&[line]),
            None => Ok(()),
        }
    }

    fn draw(&mut self, trouble: Option<&str>) -> Result<(), Failure> {
        let mut lines: Vec<Line> = trouble.map(|text| Line::painted(Paint::Warn, text)).into_iter().collect();
        lines.extend(self.shown.iter().cloned());
        if !self.recent.is_empty() {
            lines.push(Line::new());
            lines.extend(self.recent.iter().cloned());
        }
        self.output.frame(&lines)
    }

    /// Leaves the last picture behind, so that it can be read and copied.
    fn close(mut self) -> Result<Exit, Failure> {
        self.output.leave_screen()?;
        let last: Vec<Line> =
            std::mem::take(&mut self.shown).into_iter().chain(std::mem::take(&mut self.recent)).collect();
        if !last.is_empty() {
            self.output.rows(last)?;
        }
        Ok(Exit::Interrupted)
    }
}

pub(crate) fn now_ms() -> u64 {
    // A clock before 1970 or after the year 584,556,019 shows the nearest of the two.
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use crate::samples;
    use crate::scripted::{Answer, Scripted};

    async fn watched(format: Format) -> (String, Failure) {
        let server = Scripted::answering(vec![
            Answer::status(&samples::progressing()),
            Answer::events(&[&samples::progressing(), &samples::reverted()]),
            Answer::refusal(404, "no rollout shop"),
        ])
        .await;
        let mut written = Vec::new();
        let failure = {
            let mut output = Output::plain(&mut written, format);
            let client = server.client();
            let feed = Feed::new(&client, "shop", Duration::ZERO);
            follow(feed, View::new("shop", &mut output)).await.unwrap_err()
        };
        (String::from_utf8(written).unwrap(), failure)
    }

    #[tokio::test]
    async fn in_a_pipe_each_change_is_a_line() {
        let (written, failure) = watched(Format::Table).await;
        let lines: Vec<&str> = written.lines().map(|line| line.split_once("  ").unwrap().1).collect();
        assert_eq!(lines.len(), 2, "{written}");
        assert!(lines[0].starts_with("shop  ◐ Progressing · Step, 10 % to v2, 90 % to v1"), "{written}");
        assert!(lines[1].starts_with("shop  ✖ Degraded · Reverted, 0 % to v2, 100 % to v1"), "{written}");
        assert_eq!(failure.code(), 4);
    }

    #[tokio::test]
    async fn as_json_each_status_is_a_line() {
        let (written, _) = watched(Format::Json).await;
        let statuses: Vec<RolloutStatus> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(statuses, [samples::progressing(), samples::progressing(), samples::reverted()]);
    }
}
