//! What an answer means, and what of it people are shown.

use http::StatusCode;

use crate::outbound::{Answer, OutboundError};

/// Characters of a message that are shown.
const MAX_MESSAGE: usize = 200;

/// A gate's answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it means.
    pub result: GateResult,
    /// For people; short, on one line.
    pub message: String,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateResult {
    /// Go on.
    Open,
    /// Wait.
    Closed,
    /// It could not be asked, or is broken: wait.
    Failed,
}

#[derive(serde::Deserialize)]
struct Body {
    message: String,
}

// === impl GateResult ===

impl GateResult {
    /// Value of the label `result`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

// === impl Said ===

impl Said {
    /// The gate could not be asked.
    pub(super) fn failed(why: &str) -> Self {
        Self { result: GateResult::Failed, message: one_line(why) }
    }
}

/// What an exchange with a gate means.
pub(super) fn read(answer: Result<Answer, OutboundError>) -> Said {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Said::failed(&error.to_string()),
    };
    let message = serde_json::from_slice::<Body>(&answer.body).map(|body| one_line(&body.message)).unwrap_or_default();
    let result = match answer.status {
        StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => GateResult::Open,
        status if status.is_server_error() => GateResult::Failed,
        _ => GateResult::Closed,
    };
    let status = answer.status.as_u16();
    let message = match (result, message.is_empty()) {
        (GateResult::Open, _) | (GateResult::Closed, false) => message,
        (_, true) => format!("it answers {status}"),
        (GateResult::Failed, false) => format!("it answers {status}: {message}"),
    };
    Said { result, message }
}

/// On one line, not too long, and without characters that change how a terminal or a page shows what is around them.
fn one_line(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let cleaned: String = text.chars().take(8 * MAX_MESSAGE).map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    let line = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Said {
        let status = StatusCode::from_u16(status).unwrap();
        read(Ok(Answer { status, headers: http::HeaderMap::new(), body: body.to_owned().into() }))
    }

    #[test]
    fn only_200_202_and_204_open_and_whatever_else_is_said_is_no() {
        for status in [200, 202, 204] {
            assert_eq!(answered(status, "").result, GateResult::Open, "{status}");
        }
        for status in [201, 203, 205, 206, 400, 403, 404, 423, 429] {
            let said = answered(status, r#"{"open": true}"#);
            assert_eq!((said.result, said.message), (GateResult::Closed, format!("it answers {status}")));
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(answered(status, "").result, GateResult::Failed, "{status}");
        }
        let redirected = read(Err(OutboundError::Redirect(StatusCode::FOUND)));
        assert_eq!(redirected.result, GateResult::Failed);
        assert!(redirected.message.contains("redirect"), "{redirected:?}");
    }

    #[test]
    fn a_message_is_shown_on_one_short_line_whatever_is_in_it() {
        assert_eq!(answered(403, r#"{"message": "frozen until Monday", "x": 1}"#).message, "frozen until Monday");
        assert_eq!(answered(200, r#"{"message": "by Anna"}"#).message, "by Anna");
        assert_eq!(answered(503, r#"{"message": "no database"}"#).message, "it answers 503: no database");
        assert_eq!(answered(403, "{\"message\": \"a\\n\\u001b[31mb\\u202ec\\t\\u0000d\"}").message, "a [31mb c d");
        for no_message in ["", "frozen", "{", r#"{"message": 7}"#, "[]"] {
            assert_eq!(answered(403, no_message).message, "it answers 403", "{no_message}");
        }
        let long = answered(403, &format!(r#"{{"message": "{}"}}"#, "ä".repeat(60_000)));
        assert_eq!(long.message.chars().count(), MAX_MESSAGE + 1);
    }
}
