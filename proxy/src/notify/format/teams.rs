//! An Adaptive Card in the envelope that a workflow of Microsoft Teams ("when a webhook request is received") takes.
//!
//! Everything that comes from outside stands in `TextRun`s: they know no Markdown, so nothing in a name can become a
//! link.

use serde_json::{Value, json};

use super::{facts, shortened, time};
use crate::notify::notice::{Notice, Tone};
use crate::notify::template::Template;

/// A card may have 28 KB; no part of ours comes near.
const LONGEST: usize = 4_000;

pub(in crate::notify) fn body(notice: &Notice, template: Option<&Template>) -> Value {
    let text = match template {
        Some(template) => template.fill(notice, str::to_owned),
        None => notice.message.clone(),
    };
    let title = json!({ "text": notice.title(), "size": "large", "weight": "bolder", "color": colour(notice.tone()) });
    let mut blocks = vec![rich(&[run(title)])];
    if !text.is_empty() {
        blocks.push(rich(&[run(json!({ "text": shortened(&text, LONGEST) }))]));
    }
    for (name, value) in facts(notice) {
        blocks.push(named(name, &value));
    }
    for (name, value) in [("Waits for", notice.waits_for.join("; ")), ("Evidence", notice.evidence())] {
        if !value.is_empty() {
            blocks.push(named(name, &value));
        }
    }
    let context = format!("{} · {}", time(notice.at_ms), notice.id());
    blocks.push(rich(&[run(json!({ "text": context, "size": "small", "isSubtle": true }))]));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": blocks,
            },
        }],
    })
}

fn named(name: &str, value: &str) -> Value {
    let name = json!({ "text": format!("{name}: "), "weight": "bolder" });
    rich(&[run(name), run(json!({ "text": value }))])
}

fn rich(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

fn run(mut run: Value) -> Value {
    run["type"] = json!("TextRun");
    run
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Problem => "attention",
        Tone::Well => "good",
        Tone::Neutral => "default",
    }
}
