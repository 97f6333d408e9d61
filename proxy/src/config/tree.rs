//! A YAML document as a tree whose every node knows its place in the file.
//!
//! The sections are read from this tree and not from the text, because a reader of the text has to stop at the first
//! mistake, and because what is found later (a weight that does not rise, a route to nowhere) must be shown with its
//! line and column too.

use std::cell::Cell;
use std::fmt;

use super::findings::Position;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
    /// Found faulty and reported; readers pass it over, so that they come to the next fault.
    pub(super) ignored: Cell<bool>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Anything without parts. `text` is what was written, so that a version `1.10` does not become `1.1`.
    Scalar {
        text: String,
        value: Scalar,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What an unquoted scalar means where several types are possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Natural(u64),
    Integer(i64),
    Float(f64),
    Text,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Position,
    pub(super) value: Node,
}

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Steps from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

// === impl Node ===

impl Node {
    pub(super) fn new(at: Position, kind: Kind) -> Self {
        Self { at, kind, ignored: Cell::new(false) }
    }

    /// Whether nothing is written here.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { value: Scalar::Null, .. })
    }

    /// Whether a part of this was ignored, so that it may look incomplete.
    pub(super) fn has_ignored_part(&self) -> bool {
        self.parts().any(|part| part.ignored.get())
    }

    /// Keys of which the values were ignored.
    pub(super) fn ignored_keys(&self) -> impl Iterator<Item = &str> {
        let entries = if let Kind::Map(entries) = &self.kind { entries.as_slice() } else { &[] };
        entries.iter().filter(|entry| entry.value.ignored.get()).map(|entry| entry.key.as_str())
    }

    /// The node one step down, ignored or not.
    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.kind, step) {
            (Kind::Map(entries), Step::Key(key)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
            }
            (Kind::List(items), Step::Index(i)) => items.get(*i),
            _ => None,
        }
    }

    fn parts(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.kind {
            Kind::Scalar { .. } => Box::new(std::iter::empty()),
            Kind::List(items) => Box::new(items.iter()),
            Kind::Map(entries) => Box::new(entries.iter().map(|entry| &entry.value)),
        }
    }
}

/// As it is named in a message.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Scalar { value: Scalar::Null, .. } => f.write_str("nothing"),
            Kind::Scalar { value: Scalar::Text, text } => write!(f, "{:?}", Shortened(text)),
            Kind::Scalar { text, .. } => write!(f, "{}", Shortened(text)),
            Kind::List(_) => f.write_str("a list"),
            Kind::Map(_) => f.write_str("a section"),
        }
    }
}

// === impl Path ===

impl Path {
    /// Reads what [`sluice_engine::plan::Problem`] has: keys without points or brackets, and indices.
    pub(super) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            steps.push(Step::Key(key.to_owned()));
            let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
            steps.extend(indices.map(Step::Index));
        }
        Self(steps)
    }

    /// This path and one step more.
    pub(super) fn and(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i > 0 => write!(f, ".{key}")?,
                Step::Key(key) => f.write_str(key)?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// At most 60 characters of a text.
pub(super) struct Shortened<'a>(pub(super) &'a str);

impl Shortened<'_> {
    const LONGEST: usize = 60;

    fn cut(&self) -> Option<&str> {
        self.0.char_indices().nth(Self::LONGEST).map(|(end, _)| &self.0[..end])
    }
}

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut() {
            Some(cut) => write!(f, "{cut}…"),
            None => f.write_str(self.0),
        }
    }
}

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut() {
            Some(cut) => write!(f, "{cut:?}…"),
            None => write!(f, "{:?}", self.0),
        }
    }
}
