//! `cors`: which pages of other origins may read a route's answers.

use http::{HeaderName, HeaderValue, Method};
use sluice_engine::units::Millis;

use super::optional;
use crate::config::raw::RawCors;
use crate::config::routing::header_name;
use crate::config::scope::Scope;
use crate::config::{host, range};

/// What pages may ask for unless it is said: what ingress-nginx allows.
const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str = "DNT, Keep-Alive, User-Agent, X-Requested-With, If-Modified-Since, Cache-Control, Content-Type, Range, Authorization";
/// Browsers keep an answer for two hours at most, some of them for ten minutes.
const MAX_AGE: Millis = Millis::new(7_200_000);
const LONGEST: Millis = Millis::new(86_400_000);

/// The settings, as the fields of answers that say them.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<Origins>,
    /// `Access-Control-Allow-Methods`.
    pub methods: HeaderValue,
    /// `Access-Control-Allow-Headers`.
    pub headers: HeaderValue,
    /// `Access-Control-Expose-Headers`.
    pub exposed: Option<HeaderValue>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// `Access-Control-Max-Age`.
    pub max_age: HeaderValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origins {
    Any,
    One(String),
    /// Each with one more label in front.
    Below {
        scheme: String,
        domain: String,
    },
}

// === impl Cors ===

impl Cors {
    pub(super) fn from_raw(raw: &RawCors, scope: &Scope<'_>) -> Option<Self> {
        let at = scope.key("origins");
        let origins = at.each_of(&raw.origins, |text, item| Origins::from_raw(text, &item));
        let methods = list(raw.methods.as_deref(), METHODS, &scope.key("methods"), method);
        let name = |text: &str, item: &Scope<'_>| header_name(text, item).map(|_: HeaderName| text.to_owned());
        let headers = list(raw.headers.as_deref(), HEADERS, &scope.key("headers"), name);
        let exposed = Some(raw.expose_headers.as_slice()).filter(|names| !names.is_empty());
        let exposed = optional(exposed, |names| list(Some(names), "", &scope.key("exposeHeaders"), name));
        let max_age = range::time(raw.max_age, MAX_AGE, Millis::new(0)..=LONGEST, &scope.key("maxAge"));
        let origins = origins?;
        if origins.is_empty() {
            return at.refuse("at least one origin is needed, such as https://shop.example, or \"*\" for any");
        }
        if raw.credentials && origins.contains(&Origins::Any) {
            return scope
                .key("credentials")
                .refuse("with the origin \"*\" any page could act for the user: name origins");
        }
        Some(Self {
            origins,
            methods: methods?,
            headers: headers?,
            exposed: exposed?,
            credentials: raw.credentials,
            max_age: HeaderValue::from(max_age?.get() / 1_000),
        })
    }

    /// `Access-Control-Allow-Origin` for a page of this origin, if it may read.
    pub fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.is_open() {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|origins| origins.contain(text)).then(|| origin.clone())
    }

    /// Whether answers are the same for pages of every origin.
    pub fn is_open(&self) -> bool {
        self.origins.contains(&Origins::Any)
    }
}

// === impl Origins ===

impl Origins {
    fn from_raw(text: &str, scope: &Scope<'_>) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let lower = text.to_ascii_lowercase();
        let parts = lower.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let Some((scheme, rest)) = parts.filter(|(_, rest)| is_authority(rest.strip_prefix("*.").unwrap_or(rest)))
        else {
            return scope.refuse(format!(
                "{text:?}: an origin such as https://shop.example or https://*.shop.example is expected, without path"
            ));
        };
        Some(match rest.strip_prefix("*.") {
            Some(domain) => Self::Below { scheme: scheme.to_owned(), domain: domain.to_owned() },
            None => Self::One(lower),
        })
    }

    /// Browsers write origins in lower case.
    fn contain(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => origin == one,
            Self::Below { scheme, domain } => {
                let rest = origin.strip_prefix(scheme.as_str()).and_then(|rest| rest.strip_prefix("://"));
                let label = rest.and_then(|rest| rest.strip_suffix(domain.as_str())?.strip_suffix('.'));
                label.is_some_and(|label| !label.is_empty() && !label.contains(['.', '/', ':', '@']))
            }
        }
    }
}

/// A host, perhaps with a port.
fn is_authority(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "1"));
    host::is_name(name) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn method(text: &str, scope: &Scope<'_>) -> Option<String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(_) if text.bytes().all(|byte| byte.is_ascii_uppercase()) => Some(text.to_owned()),
        _ => scope.refuse(format!("{text:?}: a method such as GET is expected")),
    }
}

/// What is written, or the default, as one line.
fn list(
    written: Option<&[String]>,
    default: &str,
    scope: &Scope<'_>,
    item: impl Fn(&str, &Scope<'_>) -> Option<String>,
) -> Option<HeaderValue> {
    let text = match written {
        Some(items) => scope.each_of(items, |text, at| item(text, &at))?.join(", "),
        None => default.to_owned(),
    };
    Some(HeaderValue::try_from(text).expect("made of methods and names of fields"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label_and_nothing_else() {
        let below = Origins::Below { scheme: "https".to_owned(), domain: "shop.example".to_owned() };
        assert!(below.contain("https://eu.shop.example"));
        for origin in [
            "https://shop.example",
            "https://.shop.example",
            "http://eu.shop.example",
            "https://a.eu.shop.example",
            "https://evilshop.example",
            "https://evil.example/.shop.example",
            "https://eu.shop.example:8443",
            "null",
        ] {
            assert!(!below.contain(origin), "{origin}");
        }
    }
}
