//! The form of the saved state: a version, a checksum, and one entry for each rollout.
//!
//! The checksum is of the very bytes between the braces, so that it does not depend on how numbers are printed. It
//! finds what a disk or an editor did; it is no protection against somebody who may write here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Grows when older programs can't understand what newer ones write.
const FORMAT_VERSION: u64 = 1;

/// Why a file can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Damaged, or never ours.
    Corrupt(String),
    /// Written by a newer program.
    Future(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u64,
    checksum: String,
    #[serde(borrow)]
    rollouts: &'a RawValue,
}

/// What every version has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    format_version: u64,
}

pub(super) fn encode<T: Serialize>(rollouts: &BTreeMap<String, T>) -> Result<Vec<u8>, serde_json::Error> {
    let rollouts = serde_json::value::to_raw_value(rollouts)?;
    let document = Document { format_version: FORMAT_VERSION, checksum: checksum(&rollouts), rollouts: &rollouts };
    let mut content = serde_json::to_vec(&document)?;
    content.push(b'\n');
    Ok(content)
}

pub(super) fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<BTreeMap<String, T>, Unusable> {
    let corrupt = |error: serde_json::Error| Unusable::Corrupt(format!("is damaged: {error}"));
    let header: Header = serde_json::from_slice(content).map_err(corrupt)?;
    if header.format_version > FORMAT_VERSION {
        let version = header.format_version;
        return Err(Unusable::Future(format!("has format {version}, this program reads up to {FORMAT_VERSION}")));
    }
    let document: Document<'_> = serde_json::from_slice(content).map_err(corrupt)?;
    if document.checksum != checksum(document.rollouts) {
        return Err(Unusable::Corrupt("is damaged: its checksum does not fit".to_owned()));
    }
    serde_json::from_str(document.rollouts.get()).map_err(corrupt)
}

fn checksum(rollouts: &RawValue) -> String {
    format!("{:08x}", crc32fast::hash(rollouts.get().as_bytes()))
}
