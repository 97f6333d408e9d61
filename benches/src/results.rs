//! Writes sections of benches/RESULTS.md: what stands between a section's markers is replaced, the rest is kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The file of this package.
pub fn default_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

/// Replaces the section `name` of `file`.
pub fn write(file: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let former = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let new =
        replaced(&former, name, text).with_context(|| format!("find the markers of {name} in {}", file.display()))?;
    write_file(file, &new)
}

/// Rewrites `file` as a whole.
pub fn write_file(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

fn replaced(whole: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (before, rest) = whole.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

/// A table in Markdown.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(head), line(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let whole = "# R\n<!-- a: begin -->\nold\n<!-- a: end -->\n<!-- b: begin -->\nkept\n<!-- b: end -->\n";
        let new = replaced(whole, "a", "new\n").expect("has markers");
        assert_eq!(new, "# R\n<!-- a: begin -->\n\nnew\n\n<!-- a: end -->\n<!-- b: begin -->\nkept\n<!-- b: end -->\n");
        assert_eq!(replaced(&new, "a", "new"), Some(new.clone()));
        assert_eq!(replaced(whole, "c", "new"), None);
    }

    #[test]
    fn the_file_of_this_package_has_every_section() {
        let file = fs::read_to_string(default_file()).expect("RESULTS.md is part of the package");
        for name in ["compare", "reaction", "reaction-poll", "micro"] {
            assert!(replaced(&file, name, "").is_some(), "{name}");
        }
    }
}
