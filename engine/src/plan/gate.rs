//! Who is asked before the weight rises: the gates of a rollout, and the points at which each is asked.
//!
//! A gate is somebody else's veto: a change window, a release manager, a test suite. Only its name and its points matter
//! to a decision. How it is asked is the business of whoever drives the rollout, so the written form leaves a place for
//! that ([`RawGate`]'s `webhook`) and says nothing about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Problem;

/// A gate whose name and points are known to be fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    name: String,
    before: Vec<Point>,
}

/// When a gate is asked; later variants are the more final ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Point {
    /// Before the first weight of a generation; with blue-green before the preview counts.
    Start,
    /// Before each later raise, the last one included.
    Raise,
    /// Before everyone gets the new version: the raise to 100 %, or the switch of blue-green.
    Promotion,
}

/// An entry of `gates:` as it is written; `W` says how it is asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawGate<W> {
    /// Unique within the rollout; letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// At least one point; all three unless said otherwise.
    #[serde(default = "everywhere")]
    pub before: Vec<Point>,
    /// How it is asked.
    pub webhook: W,
}

/// A gate costs a question for each raise; nobody needs more.
const MAX_GATES: usize = 16;
/// Names stand in metrics and messages.
const MAX_NAME: usize = 63;

fn everywhere() -> Vec<Point> {
    Point::ALL.to_vec()
}

// === impl Gate ===

impl Gate {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The points at which it is asked, in their order.
    pub fn before(&self) -> &[Point] {
        &self.before
    }

    /// The most final of the points that are `due` at which this gate is asked: it is asked once for each raise.
    pub fn point_of(&self, due: &[Point]) -> Option<Point> {
        self.before.iter().rev().find(|point| due.contains(point)).copied()
    }

    /// The gates that `raw` means. With the manual strategy there is nothing to ask about.
    ///
    /// # Errors
    /// Every problem found.
    pub fn list_from_raw<W>(raw: &[RawGate<W>], is_manual: bool) -> Result<Vec<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut add = |path: String, message: String| problems.push(Problem { path, message });
        if is_manual && !raw.is_empty() {
            add("gates".to_owned(), "with strategy.manual the weight is set by hand, and no gate is asked".to_owned());
        }
        if raw.len() > MAX_GATES {
            add("gates".to_owned(), format!("{} gates: up to {MAX_GATES} are allowed", raw.len()));
        }
        for (i, gate) in raw.iter().enumerate() {
            if !is_name(&gate.name) {
                add(
                    format!("gates[{i}].name"),
                    format!("{:?}: up to {MAX_NAME} letters, digits, `-`, `_` and `.` are allowed", gate.name),
                );
            } else if let Some(first) = raw[..i].iter().position(|other| other.name == gate.name) {
                add(format!("gates[{i}].name"), format!("{}: is also the name of gates[{first}]", gate.name));
            }
            if gate.before.is_empty() {
                add(format!("gates[{i}].before"), "at least one of start, raise and promotion is needed".to_owned());
            }
            if let Some(twice) = gate.before.iter().enumerate().find(|(j, point)| gate.before[..*j].contains(point)) {
                add(format!("gates[{i}].before[{}]", twice.0), format!("{}: stands here twice", twice.1));
            }
        }
        if problems.is_empty() { Ok(raw.iter().map(Self::from_raw).collect()) } else { Err(problems) }
    }

    fn from_raw<W>(raw: &RawGate<W>) -> Self {
        let mut before = raw.before.clone();
        before.sort_unstable();
        Self { name: raw.name.clone(), before }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

// === impl Point ===

impl Point {
    /// Every point.
    pub const ALL: [Self; 3] = [Self::Start, Self::Raise, Self::Promotion];

    /// As it is written.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Raise => "raise",
            Self::Promotion => "promotion",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_gates(json: &str, is_manual: bool) -> Result<Vec<Gate>, Vec<String>> {
        let raw: Vec<RawGate<u32>> = serde_json::from_str(json).expect("gates parse");
        Gate::list_from_raw(&raw, is_manual)
            .map_err(|problems| problems.iter().map(|problem| problem.path.clone()).collect())
    }

    #[test]
    fn a_gate_is_asked_at_every_point_unless_said_otherwise_and_once_for_each_raise() {
        let gates = mk_gates(
            r#"[{"name": "a", "webhook": 1}, {"name": "b", "before": ["promotion", "start"], "webhook": 1}]"#,
            false,
        )
        .unwrap();
        assert_eq!(gates[0].before(), Point::ALL);
        assert_eq!(gates[1].before(), [Point::Start, Point::Promotion]);
        assert_eq!(gates[0].point_of(&[Point::Raise, Point::Promotion]), Some(Point::Promotion));
        assert_eq!(gates[1].point_of(&[Point::Raise]), None);
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        let paths = mk_gates(
            r#"[{"name": "a", "webhook": 1}, {"name": "a", "before": [], "webhook": 1},
                {"name": "x y", "before": ["start", "start"], "webhook": 1}]"#,
            true,
        );
        assert_eq!(
            paths.unwrap_err(),
            ["gates", "gates[1].name", "gates[1].before", "gates[2].name", "gates[2].before[1]"]
        );
    }
}
