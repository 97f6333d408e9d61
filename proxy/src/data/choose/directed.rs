//! Requests that ask for an arm: preview, then header, then cookie, then match rules.
//!
//! What the client can write itself counts only from the trusted sources, if there are any configured. A preview host
//! needs no trust: it is an address of its own.

use sluice_engine::evidence::Arm;

use super::Asked;
use super::fields::{only_cookie, only_line, only_parameter};
use crate::config::{Condition, MatchField, MatchTest, Routing, ValueTest};

/// The arm that the request asks for, if it does.
#[inline]
pub(super) fn wanted_arm(routing: &Routing, asked: &Asked<'_>) -> Option<Arm> {
    if routing.preview_host.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(asked.host)) {
        return Some(Arm::Canary);
    }
    let trusted = &routing.trusted_sources;
    if !trusted.is_empty() && !trusted.iter().any(|network| network.contains(&asked.peer)) {
        return None;
    }
    by_preview_header(routing, asked)
        .or_else(|| by_header(routing, asked))
        .or_else(|| by_cookie(routing, asked))
        .or_else(|| by_rules(routing, asked))
}

fn by_preview_header(routing: &Routing, asked: &Asked<'_>) -> Option<Arm> {
    let value = only_line(asked.headers, routing.preview_header.as_ref()?)?;
    switch(value).filter(|&arm| arm == Arm::Canary)
}

fn by_header(routing: &Routing, asked: &Asked<'_>) -> Option<Arm> {
    let rule = routing.header.as_ref()?;
    let value = only_line(asked.headers, &rule.name)?;
    match &rule.test {
        // A list is more than one value, and a search would find whichever suits it.
        ValueTest::Pattern(_) if value.contains(&b',') => None,
        test => by_value(test, value),
    }
}

fn by_cookie(routing: &Routing, asked: &Asked<'_>) -> Option<Arm> {
    let rule = routing.cookie.as_ref()?;
    by_value(&rule.test, only_cookie(asked.headers, &rule.name)?)
}

fn by_rules(routing: &Routing, asked: &Asked<'_>) -> Option<Arm> {
    let matches = |condition: &Condition| holds(condition, asked).unwrap_or(false);
    routing.matches.iter().any(|rule| rule.conditions.iter().all(matches)).then_some(Arm::Canary)
}

fn by_value(test: &ValueTest, value: &[u8]) -> Option<Arm> {
    match test {
        ValueTest::Switch => switch(value),
        ValueTest::Value(wanted) => (wanted.as_bytes() == value).then_some(Arm::Canary),
        ValueTest::Pattern(pattern) => pattern.is_match(value).then_some(Arm::Canary),
    }
}

fn switch(value: &[u8]) -> Option<Arm> {
    match value {
        b"always" | b"true" => Some(Arm::Canary),
        b"never" | b"false" => Some(Arm::Stable),
        _ => None,
    }
}

fn holds(condition: &Condition, asked: &Asked<'_>) -> Option<bool> {
    match &condition.field {
        MatchField::Header(name) => Some(passes(&condition.test, only_line(asked.headers, name)?)),
        MatchField::Cookie(name) => Some(passes(&condition.test, only_cookie(asked.headers, name)?)),
        MatchField::Query(name) => Some(passes(&condition.test, &only_parameter(asked.query?, name)?)),
    }
}

fn passes(test: &MatchTest, value: &[u8]) -> bool {
    match test {
        MatchTest::Exact(wanted) => value == wanted.as_bytes(),
        MatchTest::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
        MatchTest::Regex(pattern) => pattern.is_match(value),
    }
}
