//! From text to tree: syntax, duplicate keys, aliases, and limits against documents that are small to write and
//! large to expand. What the keys mean is no matter here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, MessageFormatter, Options, Spanned, UserMessageFormatter};

use super::findings::{Finding, Position};
use super::tree::{Entry, Kind, Node, Scalar, Shortened};

/// The deepest sections have 8 levels. Readers of the tree recurse, so this also bounds their stack.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 200_000;
/// Aliases save repetition; they must not multiply it.
const MAX_ALIASES: usize = 1_000;
const MAX_REPLAYED: usize = 20_000;

/// The one document that `text` holds.
pub(super) fn parse(text: &str) -> Result<Node, Finding> {
    if is_blank(text) {
        return Err(Finding {
            at: None,
            path: String::new(),
            message: "is empty: listeners and rollouts are expected".to_owned(),
        });
    }
    match serde_saphyr::from_str_with_options::<Spanned<Shape<'_>>>(text, options()) {
        Ok(root) => Ok(node(root, text)),
        Err(error) => Err(finding(&error)),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `off` and `no` are words, as YAML 1.2 has it.
        strict_booleans: true,
        emit_comments: false,
        with_snippet: false,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    })
}

/// What the parser yields, before its places are turned into ours.
enum Shape<'a> {
    Scalar(Scalar),
    Text(std::borrow::Cow<'a, str>),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn node(shape: Spanned<Shape<'_>>, source: &str) -> Node {
    let kind = match shape.value {
        Shape::Scalar(value) => Kind::Scalar { text: written(shape.defined, source), value },
        Shape::Text(text) => Kind::Scalar { text: text.into_owned(), value: Scalar::Text },
        Shape::List(items) => Kind::List(items.into_iter().map(|item| node(item, source)).collect()),
        Shape::Map(entries) => Kind::Map(entries.into_iter().map(|(key, value)| entry(key, value, source)).collect()),
    };
    Node::new(position(shape.defined), kind)
}

fn entry(key: Spanned<String>, value: Spanned<Shape<'_>>, source: &str) -> Entry {
    Entry { key_at: position(key.defined), key: key.value, value: node(value, source) }
}

/// The characters of the file that `location` spans.
fn written(location: Location, source: &str) -> String {
    let span = location.span();
    let text = span.byte_offset().zip(span.byte_len()).and_then(|(offset, length)| {
        let offset = usize::try_from(offset).ok()?;
        source.get(offset..offset.checked_add(usize::try_from(length).ok()?)?)
    });
    text.unwrap_or_default().trim().to_owned()
}

fn position(location: Location) -> Position {
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX);
    Position { line: line.max(1), column: column.max(1) }
}

fn finding(error: &Error) -> Finding {
    let mut cause = error.without_snippet();
    while let Error::AliasError { error, .. } = cause {
        cause = error;
    }
    let message = match cause {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_ref().map_or_else(|| "a key".to_owned(), |key| format!("{:?}", Shortened(key)));
            format!("{key} is written twice in the same section: keep one")
        }
        Error::NonFiniteFloat { value, .. } => format!("{value}: a finite number is expected"),
        Error::MultipleDocuments { .. } => "a second document begins here: one is allowed".to_owned(),
        Error::Budget { breach, .. } => format!("too large or too deep: {breach:?}"),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("aliases expand to too much: at most {MAX_REPLAYED} values, 8 levels deep, are allowed")
        }
        other => UserMessageFormatter.format_message(other).into_owned(),
    };
    Finding { at: error.location().map(position), path: String::new(), message }
}

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Null))
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Natural(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Integer(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar(Scalar::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Shape::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Shape::Text(text.to_owned().into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Shape::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Shape::Map(entries))
    }
}
