//! A small chart as SVG: groups of marks on logarithmic axes, readable on light and dark, without script.
//!
//! Each series has a shape and a colour of its own, so that no colour means anything alone.

use std::fmt::Write as _;

use crate::series::Spread;

const LEFT: f64 = 118.0;
const WIDTH: f64 = 300.0;
const GAP: f64 = 56.0;
const TOP: f64 = 74.0;
const ROW: f64 = 15.0;
const PADDING: f64 = 10.0;

/// One axis with what is drawn along it.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the axis shows.
    pub title: String,
    /// Powers of ten at its two ends; below the first, and zero, is drawn at its edge.
    pub decades: [i32; 2],
    /// By group and series.
    pub groups: Vec<Vec<Mark>>,
}

/// One series in a group.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// What was measured; `None` draws nothing.
    pub spread: Option<Spread>,
    /// It would have gone on: an arrow says so.
    pub open: bool,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Names of the series, four at most.
    pub series: Vec<String>,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Side by side.
    pub panels: Vec<Panel>,
}

// === impl Panel ===

impl Panel {
    /// Distance from the left end of the axis.
    fn place(&self, value: f64) -> f64 {
        let [first, last] = self.decades.map(f64::from);
        let share = (value.max(f64::MIN_POSITIVE).log10() - first) / (last - first);
        share.clamp(0.0, 1.0) * WIDTH
    }
}

// === impl Chart ===

impl Chart {
    /// The picture as text.
    pub fn svg(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn group_height(&self) -> f64 {
        self.series.len() as f64 * ROW + PADDING
    }

    fn left(panel: usize) -> f64 {
        LEFT + panel as f64 * (WIDTH + GAP)
    }

    fn bottom(&self) -> f64 {
        TOP + self.groups.len() as f64 * self.group_height()
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (width, height) = (Self::left(self.panels.len()), self.bottom() + 28.0);
        writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\">\n{STYLE}",
            self.panels.iter().map(|panel| panel.title.as_str()).collect::<Vec<_>>().join("; ")
        )?;
        self.write_legend(text)?;
        for (index, group) in self.groups.iter().enumerate() {
            let y = TOP + (index as f64 + 0.5) * self.group_height() + 4.0;
            writeln!(text, "<text x=\"{}\" y=\"{y}\" class=\"end\">{group}</text>", LEFT - 12.0)?;
        }
        for (index, panel) in self.panels.iter().enumerate() {
            self.write_panel(text, Self::left(index), panel)?;
        }
        writeln!(text, "</svg>")
    }

    fn write_legend(&self, text: &mut String) -> std::fmt::Result {
        let mut x = LEFT;
        for (index, name) in self.series.iter().enumerate() {
            write_shape(text, index, x, 16.0)?;
            writeln!(text, "<text x=\"{}\" y=\"20\">{name}</text>", x + 10.0)?;
            x += 34.0 + name.chars().count() as f64 * 6.6;
        }
        Ok(())
    }

    fn write_panel(&self, text: &mut String, left: f64, panel: &Panel) -> std::fmt::Result {
        writeln!(text, "<text x=\"{left}\" y=\"{}\" class=\"title\">{}</text>", TOP - 26.0, panel.title)?;
        for decade in panel.decades[0]..=panel.decades[1] {
            let value = 10f64.powi(decade);
            let x = left + panel.place(value);
            let label = if decade == panel.decades[0] { format!("0–{value}") } else { value.to_string() };
            writeln!(
                text,
                "<path d=\"M{x:.1} {} V{}\" class=\"grid\"/><text x=\"{x:.1}\" y=\"{}\" class=\"tick\">{label}</text>",
                TOP - 8.0,
                self.bottom(),
                self.bottom() + 16.0
            )?;
        }
        for (index, marks) in panel.groups.iter().enumerate() {
            let top = TOP + index as f64 * self.group_height();
            for (series, mark) in marks.iter().enumerate() {
                let y = top + (series as f64 + 0.5) * ROW + PADDING / 2.0;
                write_mark(text, series, panel, mark, left, y)?;
            }
        }
        Ok(())
    }
}

fn write_mark(text: &mut String, series: usize, panel: &Panel, mark: &Mark, left: f64, y: f64) -> std::fmt::Result {
    let Some(spread) = mark.spread else { return Ok(()) };
    let [min, median, max] = [spread.min, spread.median, spread.max].map(|value| left + panel.place(value));
    writeln!(text, "<path d=\"M{min:.1} {y} H{max:.1}\" class=\"range s{series}\"/>")?;
    write_shape(text, series, median, y)?;
    if mark.open {
        let x = max.max(median + 5.5) + 3.0;
        writeln!(text, "<path d=\"M{x:.1} {y} h12 m-4 -4 l4 4 l-4 4\" class=\"range s{series}\"/>")?;
    }
    Ok(())
}

/// Circle, square, triangle, diamond.
fn write_shape(text: &mut String, series: usize, x: f64, y: f64) -> std::fmt::Result {
    let path = match series {
        0 => "m-4.5 0 a4.5 4.5 0 1 0 9 0 a4.5 4.5 0 1 0 -9 0z",
        1 => "m-4 -4 h8 v8 h-8z",
        2 => "m0 -5 l5 9 h-10z",
        _ => "m0 -5.5 l5.5 5.5 l-5.5 5.5 l-5.5 -5.5z",
    };
    writeln!(text, "<path d=\"M{x:.1} {y} {path}\" class=\"shape s{series}\"/>")
}

const STYLE: &str = "<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .end { text-anchor: end } .tick { text-anchor: middle; font-size: 11px }
.grid { stroke: #8c959f; stroke-opacity: .35 } .range { fill: none; stroke-width: 2 } .shape { stroke: none }
.s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #1a7f37; fill: #1a7f37 }
.s2 { stroke: #bc4c00; fill: #bc4c00 } .s3 { stroke: #8250df; fill: #8250df }
.range.s0, .range.s1, .range.s2, .range.s3 { fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.s0 { stroke: #58a6ff; fill: #58a6ff } .s1 { stroke: #56d364; fill: #56d364 }
.s2 { stroke: #ffa657; fill: #ffa657 } .s3 { stroke: #d2a8ff; fill: #d2a8ff }
}
</style>";

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        let spread = |median| Some(Spread { median, min: median / 2.0, max: median * 2.0 });
        let mark = |median, open| Mark { spread: spread(median), open };
        Panel {
            title: "seconds".to_owned(),
            decades: [0, 3],
            groups: vec![vec![mark(0.0, false), mark(10.0, false)], vec![mark(100.0, true), mark(5_000.0, false)]],
        }
    }

    #[test]
    fn values_stand_at_their_logarithm_and_stay_on_the_axis() {
        let places = [0.0, 1.0, 10.0, 1_000.0, 5_000.0].map(|value| panel().place(value).round());
        assert_eq!(places, [0.0, 0.0, 100.0, 300.0, 300.0]);
    }

    #[test]
    fn every_measured_mark_is_drawn_and_an_open_one_has_an_arrow() {
        let chart = Chart {
            series: vec!["a".to_owned(), "b".to_owned()],
            groups: vec!["x".to_owned(), "y".to_owned()],
            panels: vec![panel()],
        };
        let svg = chart.svg();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("class=\"shape").count(), 2 + 4, "legend and marks");
        assert_eq!(svg.matches("h12 m-4 -4").count(), 1);
    }
}
