//! Slack's block format, with a text for clients that show no blocks.

use serde_json::{Value, json};

use super::{facts, shortened, time};
use crate::notify::notice::{Notice, Tone};
use crate::notify::template::Template;

// Slack's own limits.
const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FIELD: usize = 2_000;

pub(in crate::notify) fn body(notice: &Notice, template: Option<&Template>) -> Value {
    let title = format!("{} {}", sign(notice.tone()), notice.title());
    let text = match template {
        Some(template) => template.fill(notice, escaped),
        None => escaped(&notice.message),
    };
    let mut blocks =
        vec![json!({ "type": "header", "text": { "type": "plain_text", "text": shortened(&title, HEADER) } })];
    if !text.is_empty() {
        blocks.push(section(&text));
    }
    let fields: Vec<Value> = facts(notice)
        .into_iter()
        .map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", or_dash(&escaped(&value))), FIELD))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if !notice.waits_for.is_empty() {
        blocks.push(section(&format!("*Waits for*\n{}", escaped(&notice.waits_for.join("; ")))));
    }
    let evidence = notice.evidence();
    if !evidence.is_empty() {
        blocks.push(section(&format!("*Evidence*\n{}", escaped(&evidence))));
    }
    let context = format!("{} · {}", time(notice.at_ms), escaped(&notice.id()));
    blocks.push(json!({ "type": "context", "elements": [mrkdwn(&context, FIELD)] }));
    json!({ "text": shortened(&format!("{}: {text}", escaped(&title)), SECTION), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text, SECTION) })
}

fn mrkdwn(text: &str, longest: usize) -> Value {
    json!({ "type": "mrkdwn", "text": shortened(text, longest), "verbatim": true })
}

/// A sign beside the words, for those who skim.
fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Problem => "✖",
        Tone::Well => "✔",
        Tone::Neutral => "●",
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

/// The three characters that mean something to Slack: with them a version's name could call `<!channel>`.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
