//! How far each destination has got with each rollout, in a file beside the state.
//!
//! The file is no decision's: if it is lost, destinations begin with what happens from then on; if it can't be read,
//! what is stored is told again, under the same ids.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::state::replace_file;

const FILE: &str = "notifications.json";

/// Last delivered sequence number, by rollout.
pub(super) type Positions = BTreeMap<String, u64>;

/// The file in the state directory.
#[derive(Clone, Debug)]
pub(super) struct PositionsFile(PathBuf);

/// What a file says of who has got how far.
#[derive(Debug)]
pub(super) struct Known {
    /// By name of the destination.
    pub(super) delivered: BTreeMap<String, Positions>,
    /// The file is there but can't be read: nobody is new, and nobody is known to have got anything.
    pub(super) unreadable: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    delivered: BTreeMap<String, Positions>,
}

// === impl PositionsFile ===

impl PositionsFile {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join(FILE))
    }

    pub(super) fn load(&self) -> Known {
        let content = match std::fs::read(&self.0) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Known { delivered: BTreeMap::new(), unreadable: false };
            }
            Err(error) => return self.unreadable(&error.to_string()),
        };
        match serde_json::from_slice::<Document>(&content) {
            Ok(document) => Known { delivered: document.delivered, unreadable: false },
            Err(error) => self.unreadable(&error.to_string()),
        }
    }

    fn unreadable(&self, reason: &str) -> Known {
        let path = self.0.display();
        tracing::warn!(%path, reason, "it is not known which notifications were delivered: stored ones are told again");
        Known { delivered: BTreeMap::new(), unreadable: true }
    }

    /// Replaces the file. Blocks on the disk.
    pub(super) fn save(&self, delivered: BTreeMap<String, Positions>) -> std::io::Result<()> {
        let mut content = serde_json::to_vec(&Document { delivered })?;
        content.push(b'\n');
        replace_file(&self.0, &content)
    }
}
