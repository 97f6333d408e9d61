//! The release log: one line of JSON for each generation that ended, for reports that look further back than history.
//!
//! History keeps [`sluice_engine::rollout::Rollout::HISTORY`] generations of a rollout, because the whole state is
//! written anew with every decision. A team that releases twice a day needs more than that for thirty days, so ended
//! generations are also appended here, where a line is written once. The log is *derived*: the thread that writes the
//! state appends what stands in the stored history and not yet here. So nothing is handed over beside the state, a
//! crash between the two writes is made good by the next one, and a log that can't be written stops no rollout.
//!
//! It is bounded: a file of half a MiB becomes `releases.jsonl.1` in place of the one before. The first line of a file
//! says since when it is kept, so that a report knows what it can't know. A line that a crash tore or an editor spoilt
//! is skipped; the others count.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluice_api::{Outcome, ReleaseTimes};

use crate::pilot::{StoredRollout, StoredRollouts};

const FILE: &str = "releases.jsonl";
const FORMER_FILE: &str = "releases.jsonl.1";

/// Size at which a file is full: some three thousand releases, so that six thousand are known at most.
const MOST_BYTES: u64 = 512 << 10;

/// A longer file is not ours.
const MOST_READ: u64 = 4 * MOST_BYTES;

/// A generation that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its rollout.
    pub rollout: String,
    /// Its number.
    pub generation: u64,
    /// The version that was tried.
    pub version: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it was ever given weight.
    pub served: bool,
    /// When it began, was at 100 % and ended, and how fast it was taken back.
    #[serde(flatten)]
    pub times: ReleaseTimes,
}

/// What is known of the past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Releases {
    /// Unix milliseconds since which every release is known; absent where nothing was ever kept.
    pub since_ms: Option<u64>,
    /// In the order in which they ended.
    pub releases: Vec<Release>,
}

/// Reads the log; a copy reads the same one.
#[derive(Clone, Debug)]
pub struct ReleaseReader {
    directory: PathBuf,
}

/// Appends to the log.
#[derive(Debug)]
pub struct ReleaseLog {
    directory: PathBuf,
    /// Those of the stored histories that stand in the log.
    known: BTreeSet<Key>,
    /// The last append failed, which was said.
    is_failing: bool,
}

/// Rollout, generation and end: a lost state begins to count generations anew.
type Key = (String, u64, u64);

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    since_ms: u64,
}

// === impl Release ===

impl Release {
    /// The ended generations in a stored rollout, as far as it is known when they ended.
    fn of_stored<'a>(name: &'a str, stored: &'a StoredRollout) -> impl Iterator<Item = Self> + 'a {
        stored.saved.history.iter().filter_map(move |past| {
            let times = *stored.times.get(&past.generation)?;
            times.ended_at_ms?;
            Some(Self {
                rollout: name.to_owned(),
                generation: past.generation,
                version: past.version.clone(),
                outcome: past.outcome,
                served: !past.reached.is_zero(),
                times,
            })
        })
    }

    fn key(&self) -> Key {
        (self.rollout.clone(), self.generation, self.times.ended_at_ms.unwrap_or(0))
    }
}

// === impl ReleaseReader ===

impl ReleaseReader {
    /// A reader of the log in the state directory.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Everything that is known. Blocks on the disk.
    ///
    /// # Errors
    /// A file is there and can't be read.
    pub fn read(&self) -> io::Result<Releases> {
        // The newer file first: if it becomes the former one meanwhile, it is read twice and nothing is missed.
        let newer = read_file(&self.directory.join(FILE))?;
        let former = read_file(&self.directory.join(FORMER_FILE))?;
        let since_ms = newer.since_ms.into_iter().chain(former.since_ms).min();
        let mut releases = former.releases;
        releases.extend(newer.releases);
        let mut seen = BTreeSet::new();
        releases.retain(|release| seen.insert(release.key()));
        releases.sort_by_key(|release| release.times.ended_at_ms);
        Ok(Releases { since_ms, releases })
    }
}

fn read_file(path: &Path) -> io::Result<Releases> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MOST_READ).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Releases::default()),
        Err(error) => return Err(error),
    };
    let mut lines = bytes.split(|&byte| byte == b'\n').peekable();
    let head = lines.peek().and_then(|line| serde_json::from_slice::<Head>(line).ok());
    let releases: Vec<Release> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    // Without its head a file is known to be complete from its first release on.
    let first = releases.first().and_then(|release| release.times.ended_at_ms);
    Ok(Releases { since_ms: head.map(|head| head.since_ms).or(first), releases })
}

// === impl ReleaseLog ===

impl ReleaseLog {
    /// The log in the state directory, which must be there.
    pub fn open(directory: &Path) -> Self {
        let known = match ReleaseReader::new(directory).read() {
            Ok(found) => found.releases.iter().map(Release::key).collect(),
            Err(error) => {
                tracing::warn!(%error, "the release log can't be read: reports may miss releases");
                BTreeSet::new()
            }
        };
        Self { directory: directory.to_owned(), known, is_failing: false }
    }

    /// Appends what ended since the last call. What can't be written is tried again with the next state.
    pub fn append(&mut self, rollouts: &StoredRollouts, now_ms: u64) {
        let all: Vec<Release> = rollouts.iter().flat_map(|(name, stored)| Release::of_stored(name, stored)).collect();
        let keys: BTreeSet<Key> = all.iter().map(Release::key).collect();
        let mut new: Vec<Release> = all.into_iter().filter(|release| !self.known.contains(&release.key())).collect();
        new.sort_by_key(|release| release.times.ended_at_ms);
        match write(&self.directory, &new, now_ms) {
            Ok(()) => {
                self.known = keys;
                self.is_failing = false;
            }
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "the release log can't be written: reports miss releases until it can");
                self.is_failing = true;
            }
            Err(_) => {}
        }
    }
}

/// Appends `releases` and waits for the disk; begins another file where the present one is full or missing.
fn write(directory: &Path, releases: &[Release], now_ms: u64) -> io::Result<()> {
    let path = directory.join(FILE);
    let mut file = open(&path)?;
    let mut length = file.metadata()?.len();
    if releases.is_empty() && length > 0 {
        return Ok(());
    }
    if length >= MOST_BYTES {
        std::fs::rename(&path, directory.join(FORMER_FILE))?;
        (file, length) = (open(&path)?, 0);
    }
    let mut text = Vec::new();
    if length == 0 {
        push_line(&mut text, &Head { since_ms: now_ms })?;
    } else if !ends_with_line_feed(&mut file)? {
        text.push(b'\n'); // the last write was torn
    }
    for release in releases {
        push_line(&mut text, release)?;
    }
    file.write_all(&text)?;
    file.sync_all()?;
    if length == 0 { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn ends_with_line_feed(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn push_line<T: Serialize>(text: &mut Vec<u8>, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *text, value)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests;
