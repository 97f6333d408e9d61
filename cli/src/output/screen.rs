//! A screen that is redrawn in place.
//!
//! It draws on the terminal's second screen, so that scrolling back afterwards shows what was there before, and
//! overwrites line by line without clearing first, so that nothing flickers. Lines are cut to the terminal: a wrapped
//! line would move everything below it.

use super::text::{Line, Paint};

/// Second screen on, cursor hidden; and back.
pub(crate) const ENTER: &str = "\x1b[?1049h\x1b[?25l";
pub(crate) const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// What to write to show `lines` in place of what is there.
pub(crate) fn frame(lines: &[Line], size: Size, coloured: bool) -> String {
    let hidden = lines.len().saturating_sub(size.rows);
    // The last row is left to a note when not everything fits.
    let shown = if hidden == 0 { lines.len() } else { size.rows.saturating_sub(1) };
    let note = (hidden > 0).then(|| Line::painted(Paint::Faint, format!("… {} more lines", lines.len() - shown)));
    let rows: Vec<String> = lines[..shown]
        .iter()
        .cloned()
        .chain(note)
        .map(|line| line.cut(size.columns).write(coloured) + CLEAR_LINE)
        .collect();
    format!("{HOME}{}{CLEAR_BELOW}", rows.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_overwrites_every_line_and_clears_what_is_left() {
        let lines = [Line::plain("one"), Line::plain("a long line")];
        assert_eq!(frame(&lines, Size { columns: 8, rows: 5 }, false), "\x1b[Hone\x1b[K\r\na long …\x1b[K\x1b[J");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines = ["1", "2", "3", "4"].map(Line::plain);
        assert_eq!(
            frame(&lines, Size { columns: 20, rows: 3 }, false),
            "\x1b[H1\x1b[K\r\n2\x1b[K\r\n… 2 more lines\x1b[K\x1b[J"
        );
        assert_eq!(frame(&lines, Size { columns: 20, rows: 0 }, false), "\x1b[H… 4 more lines\x1b[K\x1b[J");
    }
}
