//! What is wrong with a configuration file, and where.
//!
//! Every finding is kept, in the order of the file, so that one look is enough to mend it. Text that comes from the
//! file is shortened and stripped of control characters: findings go to terminals, logs and the admin API.

use std::fmt;
use std::path::Path;

/// More findings than this help nobody; the rest is counted.
const MAX_FINDINGS: usize = 50;
const MAX_MESSAGE: usize = 500;
const MAX_EXCERPT: usize = 160;

/// A place in the file; line and column count characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where; `None` if the file as a whole is meant.
    pub at: Option<Position>,
    /// Keys and indices that lead there, such as `rollouts[0].strategy`; may be empty.
    pub path: String,
    /// One sentence that names the value and what is allowed.
    pub message: String,
}

/// Everything that is wrong with a configuration file; at least one finding.
///
/// `Display` gives one line for each finding; [`ConfigErrors::with_excerpts`] shows the lines meant as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    findings: Vec<Finding>,
    omitted: usize,
    excerpts: Vec<Option<String>>,
}

/// Findings with the line of the file below each, for a terminal.
#[derive(Debug)]
pub struct WithExcerpts<'a>(&'a ConfigErrors);

// === impl ConfigErrors ===

impl ConfigErrors {
    /// The file can't be used at all.
    pub(super) fn whole_file(file: &Path, message: String) -> Self {
        Self::new(file, "", vec![Finding { at: None, path: String::new(), message }])
    }

    /// `findings` in a file of this `text`.
    pub(super) fn new(file: &Path, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.at);
        let omitted = findings.len().saturating_sub(MAX_FINDINGS);
        findings.truncate(MAX_FINDINGS);
        let lines: Vec<&str> = text.lines().collect();
        let excerpts = findings.iter().map(|finding| excerpt(&lines, finding)).collect();
        for finding in &mut findings {
            if finding.is_about_receivers() {
                finding.message = without_addresses(&finding.message);
            }
            finding.message = printable(&finding.message, MAX_MESSAGE);
            finding.path = printable(&finding.path, MAX_MESSAGE);
        }
        Self { file: file.display().to_string(), findings, omitted, excerpts }
    }

    /// What is wrong, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings with the lines they mean.
    pub fn with_excerpts(&self) -> WithExcerpts<'_> {
        WithExcerpts(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, with_excerpts: bool) -> fmt::Result {
        for (i, (finding, excerpt)) in self.findings.iter().zip(&self.excerpts).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{finding}", self.file)?;
            if let (true, Some(excerpt), Some(at)) = (with_excerpts, excerpt, finding.at) {
                write!(f, "\n{:>6} | {excerpt}\n{:>6} | {:>column$}", at.line, "", "^", column = at.column)?;
            }
        }
        if self.omitted > 0 {
            write!(f, "\n{}: and {} more", self.file, self.omitted)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for WithExcerpts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, true)
    }
}

// === impl Finding ===

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{}:{}:", at.line, at.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)
    }
}

impl Finding {
    /// An address of a webhook is a secret, also where it was written by mistake.
    fn is_about_receivers(&self) -> bool {
        self.path.starts_with("notifications")
    }
}

/// `text` with whatever follows the host of an address left out, up to the address's end.
fn without_addresses(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(piece.len());
        let (address, rest) = piece.split_at(end);
        let host = address.split(['/', '?', '#']).next().filter(|host| !host.contains('@')).unwrap_or_default();
        shown.push_str(&format!("://{host}{}{rest}", if host.len() < end { "/…" } else { "" }));
    }
    shown
}

/// The line that a finding is about; none for long lines, in which nobody finds a caret, and none with an address of a
/// receiver.
fn excerpt(lines: &[&str], finding: &Finding) -> Option<String> {
    let line = lines.get(finding.at?.line.checked_sub(1)?)?;
    if finding.is_about_receivers() && line.contains("://") {
        return None;
    }
    (line.chars().count() <= MAX_EXCERPT).then(|| printable(line, MAX_EXCERPT))
}

/// `text` without control characters, at most `longest` characters.
fn printable(text: &str, longest: usize) -> String {
    let mut shown: String = text.chars().take(longest).map(|c| if c == '\t' { ' ' } else { c }).map(visible).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

/// Control and direction characters could rewrite what a terminal shows.
fn visible(c: char) -> char {
    let misleading =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || misleading { '\u{fffd}' } else { c }
}
