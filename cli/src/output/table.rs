//! Columns of text, aligned by display width.

use super::text::{Line, Paint};

/// Blanks between two columns.
const GAP: usize = 2;

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Line>>,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Table {
    /// A table with these titles; one that starts with `>` belongs to a column of numbers, aligned to the right.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('>') {
            Some(title) => Column { title, align: Align::Right },
            None => Column { title, align: Align::Left },
        };
        Self { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the titles are left out.
    pub(crate) fn push(&mut self, mut row: Vec<Line>) {
        row.resize(self.columns.len(), Line::new());
        self.rows.push(row);
    }

    /// The lines, titles first.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        let titles = self.columns.iter().map(|column| Line::painted(Paint::Faint, column.title)).collect();
        let rows: Vec<Vec<Line>> = std::iter::once(titles).chain(self.rows).collect();
        let widths: Vec<usize> =
            (0..self.columns.len()).map(|at| rows.iter().map(|row| row[at].width()).max().unwrap_or(0)).collect();
        let line = |row: Vec<Line>| {
            row.into_iter().enumerate().fold(Line::new(), |line, (at, cell)| {
                let cell = match self.columns[at].align {
                    Align::Left => cell.padded(widths[at]),
                    Align::Right => cell.clone().indented(widths[at] - cell.width()),
                };
                if at == 0 { cell } else { line.then(" ".repeat(GAP)).join(cell) }
            })
        };
        rows.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_display_width() {
        let mut table = Table::new(&["NAME", ">N", "MESSAGE"]);
        table.push(["大", "1,000", "x"].map(Line::plain).to_vec());
        table.push(vec![Line::plain("shop"), Line::plain("5")]);
        let lines: Vec<String> = table.into_lines().iter().map(|line| line.write(false)).collect();
        assert_eq!(lines, ["NAME      N  MESSAGE", "大    1,000  x", "shop      5"]);
    }
}
