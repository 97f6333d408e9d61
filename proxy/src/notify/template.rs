//! The text of a notification as somebody wants it: `{rollout} {version}: {message}`. Read once, with the
//! configuration, so that a slip shows there and not in the night.

use super::notice::Notice;

/// Names that may stand in braces.
pub const PLACEHOLDERS: [&str; 11] =
    ["title", "rollout", "kind", "version", "stable", "generation", "weight", "message", "evidence", "reason", "id"];

const MAX_LENGTH: usize = 2_000;

/// A text with places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(&'static str),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Nobody fills this place.
    #[error("unknown placeholder {{{0}}}")]
    Unknown(String),
    /// A brace without its partner.
    #[error("a single brace: write {{{{ or }}}} for one that is to be seen")]
    Brace,
    /// No text, or a very long one.
    #[error("1 to {MAX_LENGTH} characters are allowed")]
    Length,
}

// === impl Template ===

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It names a place that nobody fills, or its braces do not fit.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.trim().is_empty() || text.chars().count() > MAX_LENGTH {
            return Err(TemplateError::Length);
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let (name, after) =
                rest.strip_prefix('{').and_then(|inside| inside.split_once('}')).ok_or(TemplateError::Brace)?;
            let known = PLACEHOLDERS.iter().find(|known| **known == name.trim());
            let place = known.ok_or_else(|| TemplateError::Unknown(name.trim().to_owned()))?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Place(place));
            rest = after;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// The text for `notice`; what fills a place goes through `escape`, the template's own words do not.
    pub fn fill(&self, notice: &Notice, escape: impl Fn(&str) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(name) => escape(&value(name, notice)),
        };
        self.0.iter().map(part).collect()
    }
}

fn value(name: &str, notice: &Notice) -> String {
    match name {
        "title" => notice.title(),
        "rollout" => notice.rollout.clone().unwrap_or_default(),
        "kind" => notice.kind.label().to_owned(),
        "version" => notice.version.clone(),
        "stable" => notice.stable.clone(),
        "generation" => notice.generation.to_string(),
        "weight" => notice.weight.to_string(),
        "message" => notice.message.clone(),
        "evidence" => notice.evidence(),
        "reason" => notice.reason.map(|reason| format!("{reason:?}")).unwrap_or_default(),
        "id" => notice.id(),
        _ => String::new(), // the list above has all
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::Kind;
    use super::*;

    #[test]
    fn places_are_filled_escaped_and_braces_can_be_written() {
        let notice = Notice { version: "<v2>".to_owned(), ..Notice::of_server(Kind::Test, 5, "m".to_owned()) };
        let fill = |text: &str| Template::parse(text).unwrap().fill(&notice, |value| value.replace('<', "&lt;"));
        assert_eq!(fill("<b>{version}: { message }{{}}"), "<b>&lt;v2>: m{}");
        assert_eq!(fill("{id}"), "~proxy/0/5");
    }

    #[test]
    fn every_listed_placeholder_is_known_and_others_are_refused() {
        let notice = Notice {
            rollout: Some("r".to_owned()),
            version: "v".to_owned(),
            stable: "s".to_owned(),
            ..Notice::of_server(Kind::Test, 5, "m".to_owned())
        };
        for name in PLACEHOLDERS {
            let filled = Template::parse(&format!("{{{name}}}")).unwrap().fill(&notice, str::to_owned);
            assert_eq!(filled.is_empty(), matches!(name, "evidence" | "reason"), "{name}");
        }
        assert_eq!(Template::parse("{mesage}"), Err(TemplateError::Unknown("mesage".to_owned())));
        for text in ["{", "}", "{message", "a } b"] {
            assert_eq!(Template::parse(text), Err(TemplateError::Brace), "{text}");
        }
        assert_eq!(Template::parse(" "), Err(TemplateError::Length));
    }
}
