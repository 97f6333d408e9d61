//! `notifications:`, who is told what. Secrets stand in files, which are looked into here so that a slip shows now;
//! no finding shows what is in them, nor the value of an address or a header.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::raw::{RawDestination, RawHook, RawKind, RawPagerDuty, RawWebhook};
use super::receiver::{secret, secret_url, trust, url};
use super::scope::Scope;
use super::suggest::{closest, list};
use crate::notify::{
    Channel, Destination, Kind, PLACEHOLDERS, ReceiverUrl, Severity, Template, TemplateError, Webhook,
};
use crate::outbound::{SecretFile, Trust};

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Names stand in metrics.
const MAX_NAME: usize = 63;
/// More destinations than anybody needs.
const MAX_DESTINATIONS: usize = 50;
/// Lines that make the request what it is, or that we sign it with.
const OWN_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "authorization",
    "x-sluice-signature",
    "x-sluice-delivery",
    "x-sluice-event",
];

/// Every destination; no name twice, none about a rollout that does not exist.
pub(super) fn from_raw(scope: &Scope<'_>, rollouts: &Scope<'_>, directory: &Path) -> Option<Vec<Destination>> {
    let known: Vec<&str> =
        (0..rollouts.length()).map(|i| rollouts.index(i).key("name").text().unwrap_or_default()).collect();
    if scope.length() > MAX_DESTINATIONS {
        return scope.refuse(format!("{} destinations: up to {MAX_DESTINATIONS} are allowed", scope.length()));
    }
    let destinations = scope.each(|item| destination(&item.read()?, &known, directory, &item))?;
    for (i, destination) in destinations.iter().enumerate() {
        if let Some(first) = destinations[..i].iter().position(|other| other.name == destination.name) {
            scope.index(i).key("name").report(format!(
                "{}: is also the name of notifications[{first}]; without `name` it is the kind: give each a name of its own",
                destination.name
            ));
        }
    }
    Some(destinations)
}

fn destination(raw: &RawDestination, known: &[&str], directory: &Path, scope: &Scope<'_>) -> Option<Destination> {
    let channel = channel(raw, directory, scope);
    let name = raw.name.as_deref().map(|written| name(written, &scope.key("name")));
    let on = kinds(raw.on.as_deref(), &scope.key("on"));
    let rollouts = scope.key("rollouts").each_of(&raw.rollouts, |written, item| rollout(written, known, &item));
    let template = match &raw.template {
        Some(written) => template(written, &scope.key("template")).map(Some),
        None => Some(None),
    };
    let channel = channel?;
    let name = name.unwrap_or_else(|| Some(channel.label().into()))?;
    Some(Destination { name, on: on?, rollouts: rollouts?, template: template?, channel })
}

fn channel(raw: &RawDestination, directory: &Path, scope: &Scope<'_>) -> Option<Channel> {
    match (&raw.slack, &raw.teams, &raw.pagerduty, &raw.webhook) {
        (Some(raw), None, None, None) => hook(raw, directory, &scope.key("slack")).map(Channel::Slack),
        (None, Some(raw), None, None) => hook(raw, directory, &scope.key("teams")).map(Channel::Teams),
        (None, None, Some(raw), None) => pagerduty(raw, directory, &scope.key("pagerduty")),
        (None, None, None, Some(raw)) => webhook(raw, directory, &scope.key("webhook")).map(Channel::Webhook),
        _ => scope.refuse("exactly one of slack, teams, pagerduty and webhook is allowed"),
    }
}

fn hook(raw: &RawHook, directory: &Path, scope: &Scope<'_>) -> Option<SecretFile> {
    secret_url(&raw.webhook_url_file, directory, &scope.key("webhookUrlFile"))
}

fn pagerduty(raw: &RawPagerDuty, directory: &Path, scope: &Scope<'_>) -> Option<Channel> {
    let routing_key = secret(&raw.routing_key_file, directory, &scope.key("routingKeyFile"));
    let url = url(raw.url.as_deref().unwrap_or(PAGERDUTY), &scope.key("url"));
    let severity = raw.severity.unwrap_or(Severity::Critical);
    Some(Channel::PagerDuty { routing_key: routing_key?, url: url?, severity })
}

fn webhook(raw: &RawWebhook, directory: &Path, scope: &Scope<'_>) -> Option<Webhook> {
    let address = match (&raw.url, &raw.url_file) {
        (Some(written), None) => url(written, &scope.key("url")).map(ReceiverUrl::Plain),
        (None, Some(file)) => secret_url(file, directory, &scope.key("urlFile")).map(ReceiverUrl::Secret),
        _ => scope.refuse("exactly one of url and urlFile is expected"),
    };
    let optional = |written: &Option<String>, key: &str| match written {
        Some(file) => secret(file, directory, &scope.key(key)).map(Some),
        None => Some(None),
    };
    let secret = optional(&raw.secret_file, "secretFile");
    let authorization = optional(&raw.authorization_file, "authorizationFile");
    let trust = match &raw.ca_file {
        Some(file) => trust(file, directory, &scope.key("caFile")),
        None => Some(Trust::System),
    };
    let mut headers = HeaderMap::new();
    let mut are_good = true;
    for (name, value) in &raw.headers {
        match header(name, value, &scope.key("headers").key(name)) {
            Some((name, value)) => drop(headers.insert(name, value)),
            None => are_good = false,
        }
    }
    are_good.then_some(())?;
    Some(Webhook { url: address?, secret: secret?, authorization: authorization?, headers, trust: trust? })
}

// === values ===

fn name(written: &str, scope: &Scope<'_>) -> Option<Arc<str>> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=MAX_NAME).contains(&written.len()) && written.bytes().all(allowed) {
        return Some(written.into());
    }
    scope.refuse(format!("{written:?}: up to {MAX_NAME} letters, digits, `-`, `_` and `.` are allowed"))
}

/// What is not said is all.
fn kinds(raw: Option<&[RawKind]>, scope: &Scope<'_>) -> Option<BTreeSet<Kind>> {
    match raw {
        Some([]) => scope.refuse("an empty list tells nothing: name events, or leave `on` out for all of them"),
        Some(written) => Some(written.iter().flat_map(|kind| kind.meant()).copied().collect()),
        None => Some(Kind::ALL.into()),
    }
}

fn rollout(written: &str, known: &[&str], scope: &Scope<'_>) -> Option<String> {
    if known.contains(&written) {
        return Some(written.to_owned());
    }
    let hint = closest(written, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    scope.refuse(format!("{written:?}: no rollout has this name{hint}"))
}

fn template(written: &str, scope: &Scope<'_>) -> Option<Template> {
    match Template::parse(written) {
        Ok(template) => Some(template),
        Err(error @ TemplateError::Unknown(_)) => {
            let TemplateError::Unknown(name) = &error else { return None };
            let hint = closest(name, &PLACEHOLDERS).map(|near| format!("; did you mean {{{near}}}?"));
            let hint = hint.unwrap_or_else(|| ";".to_owned());
            scope.refuse(format!("{error}{hint} {} are allowed", list(&PLACEHOLDERS, "and")))
        }
        Err(error) => scope.refuse(format!("{error}")),
    }
}

/// The address itself is not repeated: it may be a secret in the wrong place.
fn header(name: &str, value: &str, scope: &Scope<'_>) -> Option<(HeaderName, HeaderValue)> {
    let Ok(name) = name.parse::<HeaderName>() else { return scope.refuse("the name of a header is expected") };
    if OWN_HEADERS.contains(&name.as_str()) {
        let hint = if name == http::header::AUTHORIZATION { ": use authorizationFile" } else { "" };
        return scope.refuse(format!("this header can't be set here{hint}"));
    }
    let Ok(mut value) = HeaderValue::from_str(value) else { return scope.refuse("a text of one line is expected") };
    value.set_sensitive(true);
    Some((name, value))
}

// === impl RawKind ===

impl RawKind {
    fn meant(self) -> &'static [Kind] {
        match self {
            Self::All => &Kind::ALL,
            Self::Started => &[Kind::Started],
            Self::Step => &[Kind::Step],
            Self::Paused => &[Kind::Paused],
            Self::Resumed => &[Kind::Resumed],
            Self::Held => &[Kind::Held],
            Self::Suspended => &[Kind::Suspended],
            Self::Reverted => &[Kind::Reverted],
            Self::Aborted => &[Kind::Aborted],
            Self::Completed => &[Kind::Completed],
            Self::ConfigurationRefused => &[Kind::ConfigurationRefused],
        }
    }
}
