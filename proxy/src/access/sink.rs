//! Where lines go: standard output, or a file that may be renamed under us.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::LogPath;

/// An open log.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    File {
        path: PathBuf,
        /// None before a pipe has a reader.
        file: Option<File>,
    },
}

// === impl Sink ===

impl Sink {
    /// Opens what can be opened without waiting.
    pub(super) fn open(path: &LogPath) -> io::Result<Self> {
        match path {
            LogPath::Stdout => Ok(Self::Stdout),
            LogPath::File(path) => {
                let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
                let file = if is_pipe { None } else { Some(append_to(path)?) };
                Ok(Self::File { path: path.clone(), file })
            }
        }
    }

    /// Writes all of it. May wait for as long as it likes: only the writer's thread does.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File { path, file } => {
                let mut open = match file.take() {
                    Some(open) => open,
                    None => append_to(path)?,
                };
                open.write_all(lines)?;
                *file = Some(open);
                Ok(())
            }
        }
    }

    /// Opens the file again if its path now leads elsewhere, or in any case if `always`. If that fails the old one is
    /// kept: lines are better there than nowhere.
    pub(super) fn follow(&mut self, always: bool) -> io::Result<()> {
        let Self::File { path, file: file @ Some(_) } = self else { return Ok(()) };
        let is_moved = file.as_ref().and_then(|open| open.metadata().ok()).is_some_and(|open| !leads_to(path, &open));
        if is_moved || always {
            *file = Some(append_to(path)?);
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // What people did is nobody's business but theirs and the group's.
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn leads_to(path: &Path, open: &Metadata) -> bool {
    std::fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_file_is_left_and_a_new_one_begun() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
        let mut sink = Sink::open(&LogPath::File(path.clone())).unwrap();
        sink.write(b"a\n").unwrap();
        sink.follow(false).unwrap();
        std::fs::rename(&path, &old).unwrap();
        sink.write(b"b\n").unwrap();
        sink.follow(false).unwrap();
        sink.write(b"c\n").unwrap();
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!((text(&old).as_str(), text(&path).as_str()), ("a\nb\n", "c\n"));
    }
}
