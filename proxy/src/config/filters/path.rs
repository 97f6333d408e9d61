//! How a path becomes another: as a whole, in its beginning, or by a pattern, as ingress-nginx's `rewrite-target` does it.

use http::uri::PathAndQuery;
use regex::bytes::Regex;

use crate::config::routing::compile;
use crate::config::scope::Scope;

/// What becomes of a path. The query is never touched.
#[derive(Clone, Debug)]
pub enum PathChange {
    /// It becomes this one.
    Whole(String),
    /// What the route's own path matched becomes this; without slash at its end.
    Prefix(String),
    /// Where the pattern matches (searched, not anchored), the whole path becomes the template.
    Pattern {
        /// The pattern.
        regex: Regex,
        /// The template.
        to: Template,
    },
}

/// A text with places for what the groups of a pattern have matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// The keys of a change as they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) path: Option<&'a String>,
    pub(super) prefix: Option<&'a String>,
    pub(super) regex: Option<&'a String>,
    pub(super) to: Option<&'a String>,
}

// === impl PathChange ===

impl PathChange {
    /// At most one change; `None` inside if there is none.
    pub(super) fn from_raw(written: Written<'_>, scope: &Scope<'_>) -> Option<Option<Self>> {
        let change = match (written.path, written.prefix, written.regex, written.to) {
            (None, None, None, None) => return Some(None),
            (Some(text), None, None, None) => path(text, &scope.key("path")).map(Self::Whole),
            (None, Some(text), None, None) => {
                path(text, &scope.key("prefix")).map(|path| Self::Prefix(path.trim_end_matches('/').to_owned()))
            }
            (None, None, Some(pattern), Some(to)) => {
                let regex = compile(pattern, &scope.key("regex"));
                let groups = regex.as_ref().map(Regex::captures_len);
                let to = Template::from_raw(to, groups, &scope.key("to"));
                regex.zip(to).map(|(regex, to)| Self::Pattern { regex, to })
            }
            (None, None, Some(_), None) => scope.refuse("to is missing: what a path that matches becomes, such as /$1"),
            (None, None, None, Some(_)) => scope.key("to").refuse("only a regex has a to"),
            _ => scope.refuse("either path, prefix or regex is allowed"),
        };
        change.map(Some)
    }

    /// What `path` becomes, of which the route's own path matched the first `matched` bytes; none if it stays.
    pub fn apply(&self, path: &str, matched: usize) -> Option<String> {
        match self {
            Self::Whole(whole) => Some(whole.clone()),
            Self::Prefix(prefix) => {
                let rest = path.get(matched..).unwrap_or_default();
                let separator = if rest.starts_with('/') || (rest.is_empty() && !prefix.is_empty()) { "" } else { "/" };
                Some(format!("{prefix}{separator}{rest}"))
            }
            Self::Pattern { regex, to } => to.fill(&regex.captures(path.as_bytes())?),
        }
    }
}

// === impl Template ===

impl Template {
    /// `groups` counts the whole match as one; `None` if the pattern is none.
    fn from_raw(text: &str, groups: Option<usize>, scope: &Scope<'_>) -> Option<Self> {
        path(&text.replace('$', ""), scope)?;
        let mut pieces = Vec::new();
        let mut parts = text.split('$');
        pieces.push(Piece::Text(parts.next().unwrap_or_default().to_owned()));
        for part in parts {
            let digit = part.chars().next().and_then(|first| first.to_digit(10));
            let Some(group) = digit.and_then(|digit| usize::try_from(digit).ok()) else {
                return scope.refuse(format!("{text:?}: behind $ the number of a group is expected, $1 to $9"));
            };
            if groups.is_some_and(|groups| group >= groups) {
                let known = groups.unwrap_or(1) - 1;
                return scope.refuse(format!("{text:?}: ${group} is not there, the regex has {known} groups"));
            }
            pieces.push(Piece::Group(group));
            pieces.push(Piece::Text(part[1..].to_owned()));
        }
        Some(Self(pieces))
    }

    /// None if a group cut a character in two, which the pattern of a text does not.
    fn fill(&self, found: &regex::bytes::Captures<'_>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Group(group) => {
                    let matched = found.get(*group).map(|group| group.as_bytes()).unwrap_or_default();
                    filled.push_str(std::str::from_utf8(matched).ok()?);
                }
            }
        }
        Some(filled)
    }
}

fn path(text: &str, scope: &Scope<'_>) -> Option<String> {
    let is_path = text.starts_with('/') && !text.contains(['?', '#']) && text.parse::<PathAndQuery>().is_ok();
    if is_path {
        return Some(text.to_owned());
    }
    scope.refuse(format!("{text:?}: a path such as / or /v2 is expected, without query"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_replaced_element_by_element() {
        let change = |new: &str| PathChange::Prefix(new.trim_end_matches('/').to_owned());
        for (new, path, matched, expected) in [
            ("/v2", "/api/x", 4, "/v2/x"),
            ("/v2/", "/api", 4, "/v2"),
            ("/v2", "/api/", 4, "/v2/"),
            ("/", "/api/x", 4, "/x"),
            ("/", "/api", 4, "/"),
            ("/v2", "/x", 0, "/v2/x"),
            ("/v2", "/", 0, "/v2/"),
        ] {
            assert_eq!(change(new).apply(path, matched).as_deref(), Some(expected), "{new} {path}");
        }
    }

    #[test]
    fn a_pattern_moves_what_its_groups_match_and_leaves_other_paths_alone() {
        let template = Template(vec![
            Piece::Text("/".to_owned()),
            Piece::Group(2),
            Piece::Text("/by".to_owned()),
            Piece::Group(1),
        ]);
        let change = PathChange::Pattern { regex: Regex::new("^/api/([a-z]+)/(.*)$").unwrap(), to: template };
        assert_eq!(change.apply("/api/shop/a/b", 4).as_deref(), Some("/a/b/byshop"));
        assert_eq!(change.apply("/api/9", 4), None);
    }
}
