//! One line for each write: who, from where, what, on what, with which result. Refused ones too.
//!
//! The lines go to the log target `audit`. Nothing in them can break a line or colour a terminal: whatever a client
//! sent is escaped. The token is never in it.

use std::net::SocketAddr;

use axum::response::Response;
use http::{Method, Uri};

/// Longest path that is written down.
const MAX_PATH: usize = 256;

/// The generation after a command, put into the answer's extensions by whoever carried it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generation(pub(super) u64);

/// A write that is under way.
#[derive(Debug)]
pub(super) struct Entry {
    peer: Option<SocketAddr>,
    action: String,
    object: String,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(method: &Method, uri: &Uri, peer: Option<SocketAddr>) -> Self {
        let path: String = uri.path().chars().take(MAX_PATH).collect();
        let (object, action) = path.rsplit_once('/').unwrap_or(("", &path));
        let object = object.strip_prefix("/v1/rollouts/").unwrap_or(object);
        Self { peer, action: escape(&format!("{method} {action}")), object: escape(object) }
    }

    /// Writes the line.
    pub(super) fn close(self, is_known: bool, response: &Response) {
        let who = if is_known { "token" } else { "unknown" };
        let from = self.peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        let generation = response.extensions().get::<Generation>().map(|generation| generation.0);
        let result = response.status().as_u16();
        tracing::info!(target: "audit", who, from, action = self.action, object = self.object, generation, result, "write");
    }
}

/// Control characters, quotes and backslashes as they are written in Rust.
fn escape(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_action_and_object_and_can_not_break_its_line() {
        let entry = Entry::new(&Method::POST, &Uri::from_static("/v1/rollouts/shop/abort"), None);
        assert_eq!((entry.action.as_str(), entry.object.as_str()), ("POST abort", "shop"));
        assert_eq!(escape("a\r\nb\u{1b}[31m\"\u{2028}"), "a\\r\\nb\\u{1b}[31m\\\"\\u{2028}");
    }
}
