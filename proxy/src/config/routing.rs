//! `routing:` of a rollout, how requests are assigned to arms.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use regex::bytes::{Regex, RegexBuilder};
use sluice_engine::units::Millis;

use super::raw::{RawArmName, RawMatch, RawRouting, RawRule, RawShield, RawSticky, RawTest};
use super::scope::Scope;
use super::{
    Condition, CookieRule, HeaderRule, MatchField, MatchRule, MatchTest, Routing, Sticky, ValueTest, address, range,
};

/// Memory of one compiled pattern. The matching itself is linear in the value whatever the pattern.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;
const DAY: Millis = Millis::new(86_400_000);
/// Browsers keep no cookie longer.
const MAX_TTL: Millis = Millis::new(400 * 86_400_000);

impl Routing {
    pub(super) fn from_raw(raw: &RawRouting, scope: &Scope<'_>) -> Option<Self> {
        let header = optional(raw.header.as_ref(), |rule| HeaderRule::from_raw(rule, &scope.key("header")));
        let cookie = optional(raw.cookie.as_ref(), |rule| CookieRule::from_raw(rule, &scope.key("cookie")));
        let sticky = optional(raw.sticky.as_ref(), |sticky| Sticky::from_raw(sticky, &scope.key("sticky")));
        let matches = scope.key("match").each_of(&raw.r#match, |rule, item| MatchRule::from_raw(rule, &item));
        let trusted_sources = address::networks(&raw.trusted_sources, &scope.key("trustedSources"));
        Some(Self {
            header: header?,
            cookie: cookie?,
            matches: matches?,
            sticky: sticky?,
            trusted_sources: trusted_sources?,
            directed_after_revert: raw.directed_after_revert == RawArmName::Canary,
            shield: raw.shield == RawShield::Safe,
            preview_host: None,
            preview_header: None,
        })
    }
}

fn optional<R, T>(raw: Option<&R>, make: impl FnOnce(&R) -> Option<T>) -> Option<Option<T>> {
    match raw {
        Some(raw) => make(raw).map(Some),
        None => Some(None),
    }
}

impl HeaderRule {
    fn from_raw(raw: &RawRule, scope: &Scope<'_>) -> Option<Self> {
        let name = header_name(&raw.name, &scope.key("name"));
        let test = ValueTest::from_raw(raw, scope);
        Some(Self { name: name?, test: test? })
    }
}

impl CookieRule {
    fn from_raw(raw: &RawRule, scope: &Scope<'_>) -> Option<Self> {
        let name = cookie_name(&raw.name, &scope.key("name"));
        let test = ValueTest::from_raw(raw, scope);
        Some(Self { name: name?, test: test? })
    }
}

impl ValueTest {
    fn from_raw(raw: &RawRule, scope: &Scope<'_>) -> Option<Self> {
        match (&raw.value, &raw.pattern) {
            (None, None) => Some(Self::Switch),
            (Some(value), None) => match HeaderValue::from_str(value) {
                Ok(value) if !value.is_empty() => Some(Self::Value(value)),
                _ => {
                    scope.key("value").refuse(format!("{value:?}: visible ASCII characters are expected, at least one"))
                }
            },
            (None, Some(pattern)) => compile(pattern, &scope.key("pattern")).map(Self::Pattern),
            (Some(_), Some(_)) => scope.key("pattern").refuse("either value or pattern is allowed"),
        }
    }
}

impl MatchRule {
    fn from_raw(raw: &RawMatch, scope: &Scope<'_>) -> Option<Self> {
        let headers = conditions(&raw.headers, &scope.key("headers"), |name, scope| {
            header_name(name, scope).map(MatchField::Header)
        });
        let cookies = conditions(&raw.cookies, &scope.key("cookies"), |name, scope| {
            cookie_name(name, scope).map(MatchField::Cookie)
        });
        let query = conditions(&raw.query, &scope.key("query"), |name, _| Some(MatchField::Query(name.to_owned())));
        let conditions = [headers?, cookies?, query?].concat();
        if conditions.is_empty() {
            return scope.refuse("a rule needs at least one condition under headers, cookies or query");
        }
        Some(Self { conditions })
    }
}

fn conditions(
    raw: &BTreeMap<String, RawTest>,
    scope: &Scope<'_>,
    field: impl Fn(&str, &Scope<'_>) -> Option<MatchField>,
) -> Option<Vec<Condition>> {
    let made: Vec<Option<Condition>> = raw
        .iter()
        .map(|(name, test)| {
            let scope = scope.key(name);
            let (field, test) = (field(name, &scope), MatchTest::from_raw(test, &scope));
            Some(Condition { field: field?, test: test? })
        })
        .collect();
    made.into_iter().collect()
}

impl MatchTest {
    fn from_raw(raw: &RawTest, scope: &Scope<'_>) -> Option<Self> {
        match raw {
            RawTest::Exact(text) => Some(Self::Exact(text.clone())),
            RawTest::Prefix(text) if text.is_empty() => {
                scope.key("prefix").refuse("an empty prefix matches everything: at least one character is expected")
            }
            RawTest::Prefix(text) => Some(Self::Prefix(text.clone())),
            RawTest::Regex(pattern) => compile(pattern, &scope.key("regex")).map(Self::Regex),
        }
    }
}

impl Sticky {
    fn from_raw(raw: &RawSticky, scope: &Scope<'_>) -> Option<Self> {
        match (&raw.cookie, &raw.header) {
            (Some(cookie), None) => {
                let name = cookie_name(cookie, &scope.key("cookie"));
                let ttl = range::time(raw.ttl, DAY, Millis::new(1_000)..=MAX_TTL, &scope.key("ttl"));
                Some(Self::Cookie { name: name?, ttl: ttl? })
            }
            (None, Some(_)) if raw.ttl.is_some() => scope.key("ttl").refuse("only a cookie has a ttl"),
            (None, Some(header)) => header_name(header, &scope.key("header")).map(Self::Header),
            _ => scope.refuse("either cookie or header is expected"),
        }
    }
}

pub(super) fn header_name(text: &str, scope: &Scope<'_>) -> Option<HeaderName> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(name),
        Err(_) => scope.refuse(format!("{text:?}: a header name such as X-Canary is expected")),
    }
}

/// A token (RFC 6265, section 4.1.1), the same characters as a header name but with its case.
pub(super) fn cookie_name(text: &str, scope: &Scope<'_>) -> Option<String> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Some(text.to_owned()),
        Err(_) => {
            scope.refuse(format!("{text:?}: a cookie name such as canary is expected: letters, digits, `-`, `_`"))
        }
    }
}

pub(super) fn compile(pattern: &str, scope: &Scope<'_>) -> Option<Regex> {
    match RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES).build() {
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(limit)) => {
            scope.refuse(format!("the pattern is too large: it may take {limit} bytes when compiled"))
        }
        // The last line says what is wrong; those before draw the pattern.
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            scope.refuse(format!("{pattern:?}: is no regular expression: {reason}"))
        }
    }
}
