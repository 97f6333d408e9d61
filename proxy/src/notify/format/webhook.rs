//! Our own JSON. Fields are only ever added; `format` grows when that is not enough.

use serde_json::{Value, json};

use super::time;
use crate::notify::notice::Notice;
use crate::notify::template::Template;

const FORMAT: u64 = 1;

pub(in crate::notify) fn body(notice: &Notice, template: Option<&Template>) -> Value {
    let text = match template {
        Some(template) => template.fill(notice, str::to_owned),
        None => format!("{}: {}", notice.title(), notice.message),
    };
    let mut body = json!({
        "format": FORMAT,
        "id": notice.id(),
        "sequence": notice.sequence,
        "at": time(notice.at_ms),
        "atMs": notice.at_ms,
        "kind": notice.kind,
        "text": text,
        "message": notice.message,
    });
    if let Some(rollout) = &notice.rollout {
        body["rollout"] = json!(rollout);
        body["generation"] = json!(notice.generation);
        body["version"] = json!(notice.version);
        body["stable"] = json!(notice.stable);
        body["weight"] = json!(notice.weight);
    }
    if let Some(reason) = notice.reason {
        body["reason"] = json!(reason);
    }
    if !notice.waits_for.is_empty() {
        body["waitsFor"] = json!(notice.waits_for);
    }
    if let Some(verdict) = &notice.verdict {
        body["verdict"] = json!(verdict);
        body["evidence"] = json!(notice.evidence());
    }
    if let Some(revert) = &notice.revert {
        body["revert"] = json!(revert);
    }
    body
}
