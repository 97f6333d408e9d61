//! One thing that happened, in the form in which it is stored and told.

use serde::{Deserialize, Serialize};
use sluice_api::RevertStatus;
use sluice_engine::judge::Verdict;
use sluice_engine::rollout::{Event, EventKind, Reason};

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A generation began.
    Started,
    /// A weight step began.
    Step,
    /// It waits for a person, or for more evidence.
    Paused,
    /// A pause ended.
    Resumed,
    /// Both versions fail: frozen; or no longer.
    Held,
    /// The outage of both lasts: weight 0; or no longer.
    Suspended,
    /// Taken back by a verdict or a fault.
    Reverted,
    /// Taken back by hand.
    Aborted,
    /// The canary is the stable version now.
    Completed,
    /// A configuration was refused; the one in force stays.
    ConfigurationRefused,
    /// Somebody asked whether a destination works.
    Test,
}

/// How it has to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody should look.
    Problem,
    /// All is well, again or still.
    Well,
    /// For information.
    Neutral,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Grows within a rollout, and is never used twice.
    pub sequence: u64,
    /// Unix time, milliseconds.
    pub at_ms: u64,
    /// What happened.
    pub kind: Kind,
    /// The rollout; absent when the whole proxy is meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rollout: Option<String>,
    /// Its generation.
    pub generation: u64,
    /// The canary's version.
    pub version: String,
    /// The version beside it.
    pub stable: String,
    /// Percent to the canary after it.
    pub weight: f64,
    /// Why the rollout is in its phase.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// A sentence for people.
    pub message: String,
    /// What a pause waits for besides a person, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub waits_for: Vec<String>,
    /// The verdict, where one decided; without its record, which the history has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// What a revert took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revert: Option<RevertStatus>,
}

// === impl Kind ===

impl Kind {
    /// Those that `on` may name.
    pub const ALL: [Self; 10] = [
        Self::Started,
        Self::Step,
        Self::Paused,
        Self::Resumed,
        Self::Held,
        Self::Suspended,
        Self::Reverted,
        Self::Aborted,
        Self::Completed,
        Self::ConfigurationRefused,
    ];

    /// The kind of an event; none for a note, which changes nothing.
    pub fn of(kind: EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Started => Self::Started,
            EventKind::Step => Self::Step,
            EventKind::Paused => Self::Paused,
            EventKind::Resumed => Self::Resumed,
            EventKind::Held => Self::Held,
            EventKind::Suspended => Self::Suspended,
            EventKind::Reverted => Self::Reverted,
            EventKind::Aborted => Self::Aborted,
            EventKind::Completed => Self::Completed,
            EventKind::Note => return None,
        })
    }

    /// As in configuration and JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Step => "step",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Held => "held",
            Self::Suspended => "suspended",
            Self::Reverted => "reverted",
            Self::Aborted => "aborted",
            Self::Completed => "completed",
            Self::ConfigurationRefused => "configurationRefused",
            Self::Test => "test",
        }
    }
}

// === impl Notice ===

impl Notice {
    /// What an event of a rollout tells; `None` for a note.
    pub fn of_event(rollout: &str, stable: &str, at_ms: u64, event: &Event, reason: Reason) -> Option<Self> {
        let verdict = event.verdict.clone().map(|verdict| Verdict { record: None, ..verdict });
        Some(Self {
            sequence: 0,
            at_ms,
            kind: Kind::of(event.kind)?,
            rollout: Some(rollout.to_owned()),
            generation: event.generation,
            version: event.version.clone(),
            stable: stable.to_owned(),
            weight: event.weight.percent(),
            reason: Some(reason),
            message: event.message.clone(),
            waits_for: Vec::new(),
            verdict,
            revert: None,
        })
    }

    /// Something about the proxy as a whole.
    pub fn of_server(kind: Kind, at_ms: u64, message: String) -> Self {
        Self {
            sequence: at_ms,
            at_ms,
            kind,
            rollout: None,
            generation: 0,
            version: String::new(),
            stable: String::new(),
            weight: 0.0,
            reason: None,
            message,
            waits_for: Vec::new(),
            verdict: None,
            revert: None,
        }
    }

    /// The same for the same notice, whenever and however often it is told.
    pub fn id(&self) -> String {
        let Self { generation, sequence, .. } = self;
        format!("{}/{generation}/{sequence}", self.rollout.as_deref().unwrap_or("~proxy"))
    }

    /// How it has to be taken.
    pub fn tone(&self) -> Tone {
        match self.kind {
            Kind::Reverted | Kind::ConfigurationRefused => Tone::Problem,
            // The beginning of a hold has its verdict, the end has none.
            Kind::Held if self.verdict.is_some() => Tone::Problem,
            Kind::Suspended if self.reason == Some(Reason::Suspended) => Tone::Problem,
            Kind::Paused => match self.reason {
                Some(Reason::PauseStep | Reason::ByCommand | Reason::AwaitingPromotion | Reason::Manual) => {
                    Tone::Neutral
                }
                _ => Tone::Problem,
            },
            Kind::Started | Kind::Resumed | Kind::Held | Kind::Suspended | Kind::Aborted | Kind::Completed => {
                Tone::Well
            }
            Kind::Step | Kind::Test => Tone::Neutral,
        }
    }

    /// What happened in three words.
    pub fn title(&self) -> String {
        let subject = match &self.rollout {
            Some(rollout) if self.version.is_empty() => rollout.clone(),
            Some(rollout) => format!("{rollout} {}", self.version),
            None => "Sluice".to_owned(),
        };
        let what = match (self.kind, self.tone()) {
            (Kind::Started, _) => "started",
            (Kind::Step, _) => "goes on",
            (Kind::Paused, Tone::Problem) => "is paused: look at it",
            (Kind::Paused, _) => "is paused",
            (Kind::Resumed, _) => "is resumed",
            (Kind::Held, Tone::Problem) => "is held: both versions fail",
            (Kind::Held, _) => "is no longer held",
            (Kind::Suspended, Tone::Problem) => "is suspended: both versions fail",
            (Kind::Suspended, _) => "is no longer suspended",
            (Kind::Reverted, _) => "was taken back",
            (Kind::Aborted, _) => "was aborted",
            (Kind::Completed, _) => "is released",
            (Kind::ConfigurationRefused, _) => "configuration refused",
            (Kind::Test, _) => "test notification",
        };
        format!("{subject} {what}")
    }

    /// The numbers behind a verdict, in words that an operator can repeat; empty without one.
    pub fn evidence(&self) -> String {
        let mut parts = Vec::new();
        if let Some(verdict) = &self.verdict {
            let Verdict { n, x, n_stable, x_stable, .. } = verdict;
            parts.push(format!("canary {x} of {n}, stable {x_stable} of {n_stable}"));
            let score = |score: f64, threshold: f64| {
                format!("{score:.1} {} {threshold:.1}", if score >= threshold { "≥" } else { "<" })
            };
            parts.extend(verdict.abs.map(|abs| format!("score {}", score(abs, verdict.abs_threshold))));
            parts.extend(verdict.rel.map(|rel| format!("against stable {}", score(rel, verdict.rel_threshold))));
        }
        if let Some(took) = &self.revert {
            parts.push(format!(
                "{:.0} ms and {} failed requests to weight 0, {} seen by users",
                took.milliseconds, took.failed_requests, took.user_failures
            ));
        }
        parts.join("; ")
    }
}
