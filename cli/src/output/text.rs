//! Text that is safe to print: lines of painted spans.
//!
//! Names, versions and messages come from a server, so they may hold anything. Every character that could move the
//! cursor, change colours or turn the reading direction is written out as an escape here, in the only door through
//! which text gets into a line. Colour is added last, when a line is written, so that widths never count it.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a span means; the terminal's own sixteen colours say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    #[default]
    Plain,
    Strong,
    Faint,
    Good,
    Warn,
    Bad,
    Accent,
}

/// One line of output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    spans: Vec<(Paint, String)>,
}

// === impl Paint ===

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Accent => "36",
        }
    }
}

// === impl Line ===

impl Line {
    /// An empty line.
    pub(crate) const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// A line of one plain text.
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::painted(Paint::Plain, text)
    }

    /// A line of one painted text.
    pub(crate) fn painted(paint: Paint, text: impl AsRef<str>) -> Self {
        Self::new().with(paint, text)
    }

    /// The line followed by `text`, with everything unprintable escaped.
    #[must_use]
    pub(crate) fn with(mut self, paint: Paint, text: impl AsRef<str>) -> Self {
        let text = printable(text.as_ref());
        if !text.is_empty() {
            self.spans.push((paint, text.into_owned()));
        }
        self
    }

    /// The line followed by plain text.
    #[must_use]
    pub(crate) fn then(self, text: impl AsRef<str>) -> Self {
        self.with(Paint::Plain, text)
    }

    /// The line followed by another.
    #[must_use]
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// The line moved to the right.
    #[must_use]
    pub(crate) fn indented(self, columns: usize) -> Self {
        Self::plain(" ".repeat(columns)).join(self)
    }

    /// The line filled with blanks up to `columns`.
    #[must_use]
    pub(crate) fn padded(self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        self.then(" ".repeat(missing))
    }

    /// Columns it takes on a terminal.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line cut to `columns`, with `…` where something is missing.
    #[must_use]
    pub(crate) fn cut(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns.saturating_sub(1);
        let mut cut = Self::new();
        for (paint, text) in self.spans {
            let kept = head(&text, left);
            left -= kept.width();
            let is_whole = kept.len() == text.len();
            cut = cut.with(paint, kept);
            if !is_whole {
                break;
            }
        }
        if columns == 0 { cut } else { cut.with(Paint::Faint, "…") }
    }

    /// The text as it is written: with colours, or without. Blanks at the end are left out.
    pub(crate) fn write(&self, coloured: bool) -> String {
        let mut written = String::new();
        for (paint, text) in &self.spans {
            match paint.code() {
                code if coloured && !code.is_empty() => written.push_str(&format!("\x1b[{code}m{text}\x1b[0m")),
                _ => written.push_str(text),
            }
        }
        written.truncate(written.trim_end_matches(' ').len());
        written
    }
}

/// `text` in lines of at most `columns`, broken between words; a longer word stays whole.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let text = printable(text);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("it starts with one line and none is taken away");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// `text` with everything escaped that is no visible character.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hostile(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, what turns the reading direction, what separates lines, and what can't be seen.
pub(crate) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// As much of the start of `text` as fits into `columns`.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let fits = |(_, character): &(usize, char)| {
        used += character.width().unwrap_or(0);
        used > columns
    };
    let end = text.char_indices().find(fits).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_server_can_move_the_cursor_or_change_colours() {
        for (text, shown) in [
            ("v1\x1b[2J", r"v1\u{1b}[2J"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("evil\u{202e}txt", r"evil\u{202e}txt"),
            ("a\u{7f}\0", r"a\u{7f}\u{0}"),
            ("Größe 大", "Größe 大"),
        ] {
            assert_eq!(Line::plain(text).write(true), shown);
        }
    }

    #[test]
    fn colour_is_written_only_when_asked_for() {
        let line = Line::painted(Paint::Good, "fine").then(", thanks");
        assert_eq!(line.write(true), "\x1b[32mfine\x1b[0m, thanks");
        assert_eq!(line.write(false), "fine, thanks");
    }

    #[test]
    fn widths_are_columns_not_bytes() {
        assert_eq!(Line::plain("大大").width(), 4);
        assert_eq!(Line::plain("é█").padded(4).then("|").write(false), "é█  |");
    }

    #[test]
    fn a_cut_line_says_that_something_is_missing() {
        let line = || Line::plain("abc").with(Paint::Bad, "大大");
        assert_eq!(line().cut(7).write(false), "abc大大");
        assert_eq!(line().cut(6).write(false), "abc大…");
        assert_eq!(line().cut(5).write(false), "abc…");
        assert_eq!(line().cut(1).write(false), "…");
        assert_eq!(line().cut(0).write(false), "");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensibilities go", 5), ["incomprehensibilities", "go"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
