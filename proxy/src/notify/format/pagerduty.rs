//! PagerDuty's Events API v2: a problem triggers, its end resolves, both under one key for each rollout.

use serde_json::{Value, json};

use super::{shortened, time};
use crate::notify::destination::Severity;
use crate::notify::notice::{Kind, Notice, Tone};
use crate::notify::template::Template;

// PagerDuty's own limits.
const SUMMARY: usize = 1_024;

/// `trigger` or `resolve`; nothing for what is neither a problem nor the end of one.
pub(in crate::notify) fn action(notice: &Notice) -> Option<&'static str> {
    match (notice.kind, notice.tone()) {
        // Nothing that happens later would end it.
        (Kind::ConfigurationRefused, _) | (_, Tone::Neutral) => None,
        (_, Tone::Problem) => Some("trigger"),
        (_, Tone::Well) => Some("resolve"),
    }
}

/// A test triggers at severity `info`, under a key of its own.
pub(in crate::notify) fn body(
    notice: &Notice,
    template: Option<&Template>,
    routing_key: &str,
    severity: Severity,
) -> Value {
    let rollout = notice.rollout.as_deref().unwrap_or("~proxy");
    let summary = match template {
        Some(template) => template.fill(notice, str::to_owned),
        None => format!("{}: {}", notice.title(), notice.message),
    };
    let severity = if notice.kind == Kind::Test { Severity::Info } else { severity };
    json!({
        "routing_key": routing_key,
        "event_action": action(notice).unwrap_or("trigger"),
        "dedup_key": format!("sluice/{rollout}"),
        "client": "Sluice",
        "payload": {
            "summary": shortened(&summary, SUMMARY),
            "source": format!("sluice/{rollout}"),
            "severity": severity.label(),
            "timestamp": time(notice.at_ms),
            "component": rollout,
            "group": "sluice",
            "class": notice.kind.label(),
            "custom_details": {
                "id": notice.id(),
                "canary": notice.version,
                "stable": notice.stable,
                "generation": notice.generation,
                "weight": notice.weight,
                "message": notice.message,
                "evidence": notice.evidence(),
            },
        },
    })
}
