//! Who is told what, and how: one entry of `notifications`, as it is meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;

use super::notice::{Kind, Notice};
use super::template::Template;
use crate::outbound::{Client, SecretFile, Trust, Url};

/// One destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Unique; in metrics, log and API.
    pub name: Arc<str>,
    /// What it is told.
    pub on: BTreeSet<Kind>,
    /// About these rollouts; empty: all of them.
    pub rollouts: Vec<String>,
    /// In these words, if not in ours.
    pub template: Option<Template>,
    /// By this way.
    pub channel: Channel,
}

/// The way to a destination.
#[derive(Clone, Debug)]
pub enum Channel {
    /// An incoming webhook of Slack.
    Slack(SecretFile),
    /// A workflow of Microsoft Teams that takes adaptive cards.
    Teams(SecretFile),
    /// Events v2 of PagerDuty.
    PagerDuty {
        /// The integration's key.
        routing_key: SecretFile,
        /// Where to.
        url: Url,
        /// Of what it triggers.
        severity: Severity,
    },
    /// Our own JSON.
    Webhook(Webhook),
}

/// A generic webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to.
    pub url: ReceiverUrl,
    /// Signs each body.
    pub secret: Option<SecretFile>,
    /// Value of `Authorization`.
    pub authorization: Option<SecretFile>,
    /// Sent with each; marked as sensitive, so that nothing prints them.
    pub headers: HeaderMap,
    /// Authorities that are trusted.
    pub trust: Trust,
}

/// An address that stands in the configuration, or in a file because it is a secret.
#[derive(Clone, Debug)]
pub enum ReceiverUrl {
    /// As configured.
    Plain(Url),
    /// In a file.
    Secret(SecretFile),
}

/// PagerDuty's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "PagerDuty's words")]
pub enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

// === impl Destination ===

impl Destination {
    /// Whether it is told about this.
    pub fn wants(&self, notice: &Notice) -> bool {
        let about = |rollout: &String| self.rollouts.is_empty() || self.rollouts.contains(rollout);
        (self.on.contains(&notice.kind) || notice.kind == Kind::Test)
            && notice.rollout.as_ref().is_none_or(about)
            && (notice.kind == Kind::Test || self.channel.carries(notice))
    }
}

// === impl Channel ===

impl Channel {
    /// The name of the way, as in the configuration.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Webhook(_) => "webhook",
        }
    }

    /// PagerDuty knows problems and their ends, nothing else.
    fn carries(&self, notice: &Notice) -> bool {
        !matches!(self, Self::PagerDuty { .. }) || super::format::pagerduty::action(notice).is_some()
    }

    /// The client that trusts whom this destination does.
    pub(super) fn client(&self) -> Client {
        Client::new(match self {
            Self::Webhook(webhook) => webhook.trust.clone(),
            Self::Slack(_) | Self::Teams(_) | Self::PagerDuty { .. } => Trust::System,
        })
    }
}

// === impl ReceiverUrl ===

impl ReceiverUrl {
    pub(super) fn read(&self) -> Result<Url, String> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Secret(file) => file.read_url(),
        }
    }
}

// === impl Severity ===

impl Severity {
    /// As PagerDuty spells it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
