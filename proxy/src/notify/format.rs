//! The body for each kind of destination. Pure: a notice in, JSON out.

pub(super) mod pagerduty;
pub(super) mod slack;
pub(super) mod teams;
pub(super) mod webhook;

use chrono::{DateTime, SecondsFormat, Utc};

use super::notice::Notice;

/// `2026-11-25T02:21:45.123Z`.
fn time(at_ms: u64) -> String {
    i64::try_from(at_ms)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// At most `longest` characters: receivers refuse what is longer than they allow.
fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest.saturating_sub(1)) {
        Some((end, _)) if text.chars().nth(longest).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// What there is to know at a glance: name and value.
fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    if notice.rollout.is_none() {
        return Vec::new();
    }
    vec![
        ("Canary", notice.version.clone()),
        ("Stable", notice.stable.clone()),
        ("Weight", format!("{} %", notice.weight)),
        ("Generation", notice.generation.to_string()),
    ]
}

#[cfg(test)]
mod tests;
