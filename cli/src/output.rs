//! Where results are written: one handle, one format, one place that knows whether there is a terminal.
//!
//! The modules below are pure: a status becomes lines or a document. Only [`Output`] writes. Nothing is written to
//! standard error here; errors are the business of `main`.

pub(crate) mod arms;
pub(crate) mod bars;
pub(crate) mod document;
pub(crate) mod dora;
pub(crate) mod evidence;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod numbers;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod ticker;
pub(crate) mod tree;
pub(crate) mod words;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::args::{Colour, Format};
use crate::exit::Failure;
use screen::Size;
use text::Line;
use tree::Shape;

/// Rows and columns when a terminal does not say.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The handle that results are written to.
pub(crate) struct Output<'a> {
    out: Box<dyn Write + 'a>,
    format: Format,
    coloured: bool,
    is_terminal: bool,
    on_screen: bool,
}

impl Output<'static> {
    /// Standard output.
    pub(crate) fn standard(format: Format, colour: Colour) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let coloured = colour.applies(is_terminal && !dumb, refused);
        Self {
            out: Box::new(io::stdout().lock()),
            format,
            coloured,
            is_terminal: is_terminal && !dumb,
            on_screen: false,
        }
    }
}

impl<'a> Output<'a> {
    /// Anything that can be written to; no terminal, no colour.
    #[cfg(test)]
    pub(crate) fn plain(out: impl Write + 'a, format: Format) -> Self {
        Self { out: Box::new(out), format, coloured: false, is_terminal: false, on_screen: false }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    pub(crate) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// How to show a rollout here.
    pub(crate) fn shape(&self) -> Shape {
        Shape { columns: self.is_terminal.then(|| size().columns), wide: self.format == Format::Wide }
    }

    /// Lines for people.
    pub(crate) fn lines(&mut self, lines: &[Line]) -> Result<(), Failure> {
        let text: String = lines.iter().map(|line| line.write(self.coloured) + "\n").collect();
        self.raw(text.as_bytes())
    }

    /// Rows for people: on a terminal they are cut to its width, unless everything was asked for.
    pub(crate) fn rows(&mut self, lines: Vec<Line>) -> Result<(), Failure> {
        match self.shape() {
            Shape { columns: Some(columns), wide: false } => {
                self.lines(&lines.into_iter().map(|line| line.cut(columns)).collect::<Vec<_>>())
            }
            Shape { .. } => self.lines(&lines),
        }
    }

    /// `value` as JSON or YAML if that was asked for; false if people are to read it.
    pub(crate) fn document<T: Serialize>(&mut self, value: &T) -> Result<bool, Failure> {
        let text = match self.format {
            Format::Table | Format::Wide => return Ok(false),
            Format::Json => document::json(value),
            Format::Yaml => document::yaml(value),
        };
        self.raw(text.map_err(Failure::Internal)?.as_bytes()).map(|()| true)
    }

    /// `value` as one of many documents: a line of JSON, or a YAML document with its separator.
    pub(crate) fn document_of_many<T: Serialize>(&mut self, value: &T) -> Result<bool, Failure> {
        let text = match self.format {
            Format::Table | Format::Wide => return Ok(false),
            Format::Json => document::json_line(value),
            Format::Yaml => document::yaml(value).map(|text| format!("---\n{text}")),
        };
        self.raw(text.map_err(Failure::Internal)?.as_bytes()).map(|()| true)
    }

    /// Bytes as they are, at once.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// Shows `lines` in place of what the screen shows; enters the second screen with the first frame.
    pub(crate) fn frame(&mut self, lines: &[Line]) -> Result<(), Failure> {
        let enter = if self.on_screen { "" } else { screen::ENTER };
        self.on_screen = true;
        let frame = screen::frame(lines, size(), self.coloured);
        self.raw(format!("{enter}{frame}").as_bytes())
    }

    /// Back to the first screen.
    pub(crate) fn leave_screen(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.on_screen) { self.raw(screen::LEAVE.as_bytes()) } else { Ok(()) }
    }
}

impl Drop for Output<'_> {
    /// A terminal is never left on its second screen; if even that can't be written, nobody is there to see it.
    fn drop(&mut self) {
        drop(self.leave_screen());
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("format", &self.format)
            .field("is_terminal", &self.is_terminal)
            .finish_non_exhaustive()
    }
}

fn size() -> Size {
    match terminal_size::terminal_size() {
        Some((columns, rows)) if columns.0 > 0 && rows.0 > 0 => Size { columns: columns.0.into(), rows: rows.0.into() },
        _ => USUAL,
    }
}
