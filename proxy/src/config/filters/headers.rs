//! `requestHeaders` and `responseHeaders`: fields that a route sets, adds and removes.
//!
//! Fields that framing, routing or the upstream's trust rest on are refused: a request could then be read in two ways,
//! or say something of its sender that nobody has checked.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::raw::RawHeaderEdits;
use crate::config::routing::header_name;
use crate::config::scope::Scope;

/// Changes to the fields of a message: first what goes, then what is set, then what is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Every line of these goes.
    pub remove: Vec<HeaderName>,
    /// One line with this value, whatever was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// One more line.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

// === impl HeaderEdits ===

impl HeaderEdits {
    pub(super) fn of_requests(raw: Option<&RawHeaderEdits>, scope: &Scope<'_>) -> Option<Self> {
        Self::from_raw(raw, |name| is_framing(name) || is_of_the_proxy(name), scope)
    }

    pub(super) fn of_answers(raw: Option<&RawHeaderEdits>, scope: &Scope<'_>) -> Option<Self> {
        Self::from_raw(raw, is_framing, scope)
    }

    fn from_raw(
        raw: Option<&RawHeaderEdits>,
        is_protected: fn(&HeaderName) -> bool,
        scope: &Scope<'_>,
    ) -> Option<Self> {
        let Some(raw) = raw else { return Some(Self::default()) };
        let name = |text: &str, scope: &Scope<'_>| {
            let name = header_name(text, scope)?;
            if is_protected(&name) {
                scope.refuse(format!("{name}: this field belongs to the proxy"))
            } else {
                Some(name)
            }
        };
        let fields = |raw: &BTreeMap<String, String>, scope: &Scope<'_>| -> Option<Vec<_>> {
            let made: Vec<Option<_>> = raw
                .iter()
                .map(|(key, text)| {
                    let scope = scope.key(key);
                    let (name, value) = (name(key, &scope), value(text, &scope));
                    Some((name?, value?))
                })
                .collect();
            made.into_iter().collect()
        };
        let remove = scope.key("remove").each_of(&raw.remove, |text, item| name(text, &item));
        let set = fields(&raw.set, &scope.key("set"));
        let add = fields(&raw.add, &scope.key("add"));
        Some(Self { remove: remove?, set: set?, add: add? })
    }

    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

fn value(text: &str, scope: &Scope<'_>) -> Option<HeaderValue> {
    match HeaderValue::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => scope.refuse(format!("{text:?}: a text of one line is expected")),
    }
}

/// Where a message ends, and what is between two hops only.
pub(super) fn is_framing(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::TE
            | header::TRAILER
            | header::UPGRADE
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// What a request is routed by, and what we say of its sender.
pub(super) fn is_of_the_proxy(name: &HeaderName) -> bool {
    matches!(*name, header::HOST | header::EXPECT | header::FORWARDED)
        || matches!(
            name.as_str(),
            "x-real-ip" | "x-request-id" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_goes_first_and_what_is_added_stands_beside_what_is_there() {
        let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let edits = HeaderEdits {
            remove: vec![HeaderName::from_static("a")],
            set: vec![pair("b", "new"), pair("a", "again")],
            add: vec![pair("c", "2")],
        };
        let mut headers: HeaderMap = [pair("a", "1"), pair("b", "old"), pair("c", "1")].into_iter().collect();
        edits.apply(&mut headers);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(lines, ["a=again", "b=new", "c=1", "c=2"]);
    }
}
