//! Where a story takes place: the rollout, its users, and the levers of its backends.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluice_api::client::{Client, Events, ServerEvent};
use sluice_api::{Decision, EventKind, ReleaseRequest, RolloutStatus};
use tokio::net::TcpStream;

use super::screen::Screen;
use super::traffic::{Seen, Traffic};
use super::{ROLLOUT, address};

/// No single wait of a story takes longer unless it goes wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything a story needs.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    client: Client,
    events: Events,
    traffic: &'a Traffic,
    pub(super) screen: &'a mut Screen,
}

// === impl Stage ===

impl<'a> Stage<'a> {
    pub(super) async fn open(client: Client, traffic: &'a Traffic, screen: &'a mut Screen) -> anyhow::Result<Self> {
        let events = client.events(ROLLOUT).await.context("listen to the rollout")?;
        Ok(Self { client, events, traffic, screen })
    }

    /// Shows what happens until the rollout looks as wanted; an error if it takes too long.
    pub(super) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&RolloutStatus) -> bool,
    ) -> anyhow::Result<RolloutStatus> {
        let watched = async {
            loop {
                match self.events.next().await.context("listen to the rollout")? {
                    Some(ServerEvent::Status(status)) => {
                        self.screen.live(&status);
                        if wanted(&status) {
                            return anyhow::Ok(*status);
                        }
                    }
                    Some(ServerEvent::Decision(decision)) => self.screen.event(&tell(&decision)),
                    None => bail!("the proxy ended the stream of events"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, watched)
            .await
            .with_context(|| format!("{what}: not within {} s", PATIENCE.as_secs()))?
    }

    /// Shows what happens, without end.
    pub(super) async fn watch(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.events.next().await.context("listen to the rollout")? {
            match event {
                ServerEvent::Status(status) => self.screen.live(&status),
                ServerEvent::Decision(decision) => self.screen.event(&tell(&decision)),
            }
        }
        Ok(())
    }

    /// Starts a release of what runs at `endpoint`.
    pub(super) async fn release(&mut self, version: &str, endpoint: &str) -> anyhow::Result<()> {
        let request = ReleaseRequest { version: version.to_owned(), endpoints: vec![endpoint.to_owned()] };
        self.client.release(ROLLOUT, &request).await.with_context(|| format!("release {version}"))?;
        Ok(())
    }

    /// What users have seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.traffic.seen()
    }
}

/// One line: what happened to which version, and why.
fn tell(decision: &Decision) -> String {
    let what = match decision.event.kind {
        EventKind::Started => "started",
        EventKind::Step => "step",
        EventKind::Paused => "paused",
        EventKind::Resumed => "resumed",
        EventKind::Held => "held",
        EventKind::Suspended => "suspended",
        EventKind::Reverted => "TAKEN BACK",
        EventKind::Aborted => "aborted",
        EventKind::Completed => "PROMOTED",
        EventKind::Note => "note",
    };
    format!("{} {what}: {}", decision.event.version, decision.event.message)
}

/// Moves a lever of a backend, such as `failures=0.05`.
pub(super) async fn control(backend: &str, setting: &str) -> anyhow::Result<()> {
    let stream =
        TcpStream::connect(address(backend)?).await.with_context(|| format!("connect to the backend {backend}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Owned by nobody: it ends with its only request.
    tokio::spawn(connection);
    let request = Request::post(format!("/control?{setting}")).header("host", backend).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "{backend}: {}", String::from_utf8_lossy(&text));
    Ok(())
}
