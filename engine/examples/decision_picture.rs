//! Draws `docs/decision.svg`: both scores of a canary that fails 5 %, tick by tick, until it is taken back.
//!
//! The traffic is a recorded trace and the scores come from the judge itself, so the picture can't promise what the
//! engine does not do. Prints the picture; `cargo run -p sluice-engine --example decision_picture > docs/decision.svg`.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::fmt::Write as _;

use sluice_engine::evidence::Observations;
use sluice_engine::judge::{Finding, Judge, Metric, Pricing};
use sluice_engine::plan::Plan;
use sluice_engine::plan::raw::{RawAnalysis, RawStrategy};
use sluice_engine::replay::Trace;

const TRACE: &str = include_str!("../tests/data/traces/five-percent.json");
const STEPS: &str =
    r#"{"canary": {"steps": [{"setWeight": 10}, {"setWeight": 25}, {"setWeight": 50}, {"setWeight": 75}]}}"#;

/// The plot's frame in pixels, and the scale of its axes.
const LEFT: f64 = 56.0;
const TOP: f64 = 24.0;
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 220.0;
const SECONDS: f64 = 3.2;
const NATS: f64 = 24.0;
const FLOOR: f64 = -4.0;

/// One look: seconds, failures so far, the two scores.
struct Point {
    seconds: f64,
    failures: u64,
    abs: f64,
    rel: f64,
}

fn main() {
    let trace: Trace = serde_json::from_str(TRACE).expect("a trace of the tests");
    let strategy: RawStrategy = serde_json::from_str(STEPS).expect("a strategy");
    let plan = Plan::try_from_raw(strategy, &RawAnalysis::default(), false, false).expect("a valid plan");
    let mut judge = Judge::new(plan.analysis);
    let mut points: Vec<Point> = Vec::new();
    let mut thresholds = (0.0, 0.0);
    let mut rows = trace.rows.iter().peekable();
    for tick in 0..=trace.end_tick {
        if let Some(row) = rows.next_if(|row| row.0 == tick) {
            if tick == 0 {
                judge.begin_step(0, row.1, Pricing::Step, false);
            }
            judge.observe(&Observations { tick, canary: row.2.clone(), stable: row.3.clone() });
        }
        let view = judge.views(tick).into_iter().find(|view| view.metric == Metric::Failures).expect("always judged");
        points.push(Point {
            seconds: (tick + 1) as f64 * 0.05,
            failures: view.x,
            abs: view.abs,
            rel: view.rel.unwrap_or(0.0),
        });
        thresholds = (view.abs_threshold, view.rel_threshold);
        if judge.evaluate(tick, tick % 2 == 1).iter().any(|finding| matches!(finding, Finding::Revert(_))) {
            break;
        }
    }
    println!("{}", picture(&points, thresholds));
}

fn x(seconds: f64) -> f64 {
    LEFT + seconds / SECONDS * WIDTH
}

fn y(nats: f64) -> f64 {
    TOP + (NATS - nats.clamp(FLOOR, NATS)) / (NATS - FLOOR) * HEIGHT
}

fn line(points: &[Point], score: impl Fn(&Point) -> f64, class: &str) -> String {
    let path: Vec<_> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.seconds), y(score(point)))).collect();
    format!("<polyline class=\"{class}\" points=\"{}\"/>\n", path.join(" "))
}

fn picture(points: &[Point], (abs_threshold, rel_threshold): (f64, f64)) -> String {
    let mut svg = String::from(HEAD);
    for second in 0..=3 {
        let at = f64::from(second);
        let _ =
            writeln!(svg, "<text class=\"axis\" x=\"{:.0}\" y=\"{:.0}\">{second} s</text>", x(at), TOP + HEIGHT + 18.0);
    }
    for nats in [0, 5, 10, 15, 20] {
        let at = y(f64::from(nats));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            LEFT + WIDTH
        );
        let _ = writeln!(svg, "<text class=\"axis right\" x=\"{:.0}\" y=\"{:.1}\">{nats}</text>", LEFT - 8.0, at + 4.0);
    }
    for (threshold, class, name) in [(abs_threshold, "abs", "ABS threshold"), (rel_threshold, "rel", "REL threshold")] {
        let at = y(threshold);
        let _ = writeln!(
            svg,
            "<line class=\"{class} limit\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            LEFT + WIDTH
        );
        let _ = writeln!(
            svg,
            "<text class=\"{class} name\" x=\"{:.0}\" y=\"{:.1}\">{name} {threshold:.1}</text>",
            LEFT + 6.0,
            at - 5.0
        );
    }
    svg.push_str(&line(points, |point| point.rel, "rel"));
    svg.push_str(&line(points, |point| point.abs, "abs"));
    if let Some(last) = points.last() {
        let _ =
            writeln!(svg, "<circle class=\"end\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\"/>", x(last.seconds), y(last.abs));
        let _ = writeln!(
            svg,
            "<text class=\"name end\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">reverted at the {}th failed request</text>",
            x(last.seconds) - 10.0,
            y(last.abs) - 12.0,
            last.failures
        );
    }
    svg.push_str("</svg>");
    svg
}

const HEAD: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 672 280" role="img" aria-label="Scores of a canary that fails 5 percent of its requests, over three seconds, until both are above their thresholds">
<style>
  svg { background: #ffffff; font: 13px system-ui, sans-serif; }
  text { fill: #333333; } .axis { fill: #666666; text-anchor: middle; } .right { text-anchor: end; }
  .grid { stroke: #e4e4e4; } polyline { fill: none; stroke-width: 2; }
  .abs { stroke: #b3261e; } .rel { stroke: #1f5fa8; stroke-dasharray: 5 3; } .limit { stroke-width: 1; opacity: .7; }
  text.abs { fill: #b3261e; stroke: none; } text.rel { fill: #1f5fa8; stroke: none; }
  circle.end { fill: #b3261e; } text.end { font-weight: 600; }
</style>
<text class="axis right" x="48" y="16">nats</text>
"#;
