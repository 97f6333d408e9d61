//! From a tree to the types of [`super::raw`], by serde.
//!
//! serde gives up at the first fault. To report them all, the faulty part is marked as ignored and the section is
//! read again without it, until only faults remain that follow from the ignored ones. Nothing of such a section is
//! used: it is read to the end only to say everything at once.

mod fault;
mod reader;

use serde::de::DeserializeOwned;

pub(super) use self::fault::unknown_key;
use self::reader::Reader;
use super::findings::Finding;
use super::tree::{Node, Path, Step};

/// Reads a whole section; every fault in it is handed to `report` with its path below the section.
pub(super) fn section<T: DeserializeOwned>(node: &Node, mut report: impl FnMut(Finding)) -> Option<T> {
    let mut is_whole = !node.ignored.get();
    // Each round ignores one node more, so there are at most as many rounds as nodes. The limit keeps files of
    // nothing but faults from costing the square of their size.
    for _ in 0..100 {
        let fault = match T::deserialize(Reader { node }) {
            Ok(value) => return is_whole.then_some(value),
            Err(fault) => fault,
        };
        let steps: Vec<Step> = fault.steps.iter().rev().cloned().collect();
        let culprit = steps.iter().try_fold(node, Node::child).unwrap_or(node);
        if is_whole || !fault.follows_from_ignored(culprit) {
            report(Finding {
                at: fault.at.or(Some(culprit.at)),
                path: Path(steps).to_string(),
                message: fault.message,
            });
        }
        is_whole = false;
        culprit.ignored.set(true);
        if std::ptr::eq(culprit, node) {
            return None;
        }
    }
    None
}
