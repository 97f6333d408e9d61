//! One rollout, whole: where it stands, both arms, what is proven, what it waits for, and what was decided.

use sluice_api::{Phase, Reason, RolloutStatus, ShieldStatus};

use super::numbers::{count, counted, duration, percent};
use super::text::{Line, Paint, wrapped};
use super::{arms, bars, evidence, history, words};

/// Cells of the weight bar.
const CELLS: usize = 24;

/// Width of the column of titles.
const TITLES: usize = arms::TITLES;

/// Past generations shown below a rollout; `sluice history` has them all.
const PAST: usize = 3;

/// Columns when nobody says how many there are.
const READABLE: usize = 100;

/// How to show a rollout.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// Columns of the terminal; `None` if it is none.
    pub(crate) columns: Option<usize>,
    /// Show everything.
    pub(crate) wide: bool,
}

/// Everything about a rollout.
pub(crate) fn lines(status: &RolloutStatus, shape: Shape) -> Vec<Line> {
    let mut lines = header(status, shape);
    lines.push(Line::new());
    lines.extend(position(status));
    lines.push(Line::new());
    lines.extend(arms::lines(status, shape.wide));
    lines.extend(findings(status, shape));
    lines.extend(section("Past", history::short(&status.history, PAST)));
    lines
}

/// Name, phase and sentence, then the analysis only.
pub(crate) fn analysis(status: &RolloutStatus, shape: Shape) -> Vec<Line> {
    let mut lines = header(status, shape);
    lines.extend(findings(status, shape));
    if status.metrics.is_empty() {
        lines.push(Line::painted(Paint::Faint, "No metric is analysed at present."));
    }
    lines
}

/// The verdict in one sentence, if there is one.
pub(crate) fn verdict(status: &RolloutStatus) -> Option<String> {
    let verdict = status.verdict.as_ref()?;
    let metric = status.metrics.iter().find(|metric| metric.metric == verdict.metric);
    let limit = metric.filter(|metric| words::has_limit(metric.metric)).map(|metric| metric.limit.as_str());
    Some(evidence::verdict(words::consequence(status), verdict, limit, status.revert.as_ref()))
}

fn header(status: &RolloutStatus, shape: Shape) -> Vec<Line> {
    let title = Line::painted(Paint::Strong, &status.name)
        .then("   ")
        .join(words::phase(status.phase, status.reason))
        .with(words::phase_paint(status.phase, status.reason), format!(" · {}", words::reason_word(status.reason)))
        .with(Paint::Faint, format!("   {}, generation {}", status.strategy, status.generation));
    std::iter::once(title).chain(paragraph(&status.message, 0, shape)).collect()
}

fn position(status: &RolloutStatus) -> Vec<Line> {
    let step = &status.step;
    let present = words::phase_paint(status.phase, status.reason);
    let mut lines = Vec::new();
    if !step.weights.is_empty() {
        lines.push(titled("Steps", bars::ladder(step, present).with(Paint::Faint, format!("   {}", clock(status)))));
    }
    let weight = status.weight;
    let bar = bars::weight_bar(weight.in_force, weight.wanted, CELLS);
    lines.push(titled("Weight", bar.then(format!("  {}", shares(status)))));
    lines
}

/// `10 % to v2, 90 % to v1`, and what is wanted if that is not yet so.
pub(crate) fn shares(status: &RolloutStatus) -> String {
    let weight = status.weight;
    let to_stable = format!("{} to {}", percent(100.0 - weight.in_force), status.stable.version);
    let shares = match &status.canary {
        Some(canary) => format!("{} to {}, {to_stable}", percent(weight.in_force), canary.version),
        None => to_stable,
    };
    match (weight.wanted - weight.in_force).abs() < 0.005 {
        true => shares,
        false => format!("{shares} ({} wanted)", percent(weight.wanted)),
    }
}

fn clock(status: &RolloutStatus) -> String {
    let step = &status.step;
    let place = if step.index == 0 {
        format!("{} steps", step.count)
    } else {
        format!("step {} of {}", step.index, step.count)
    };
    match (status.phase, step.duration_seconds) {
        (Phase::Healthy | Phase::Degraded, _) => place,
        (_, Some(whole)) => format!("{place}, {} of at least {}", duration(step.elapsed_seconds), duration(whole)),
        (_, None) if status.reason == Reason::WaitingForGate => format!("{place}, until a gate opens"),
        (_, None) => format!("{place}, for {}, until a person goes on", duration(step.elapsed_seconds)),
    }
}

fn findings(status: &RolloutStatus, shape: Shape) -> Vec<Line> {
    let mut lines = section("Evidence", status.metrics.iter().flat_map(evidence::metric).collect());
    lines.extend(section("Waits for", status.waiting_for.iter().flat_map(|wait| bullet(wait, shape)).collect()));
    let verdict = verdict(status).map(|verdict| paragraph(&verdict, TITLES, shape)).unwrap_or_default();
    lines.extend(section("Verdict", verdict));
    lines.extend(section("Shield", shield(status)));
    lines
}

fn shield(status: &RolloutStatus) -> Vec<Line> {
    let shield = status.shield;
    if shield == ShieldStatus::default() {
        return Vec::new();
    }
    let line =
        Line::painted(Paint::Good, format!("{} answered by stable", counted(shield.answered, "failed canary request")));
    let rest =
        [(shield.failed, "failed there as well"), (shield.over_budget, "not tried, the retry budget was used up")];
    let rest = rest.into_iter().filter(|(number, _)| *number > 0);
    vec![rest.fold(line, |line, (number, what)| line.with(Paint::Warn, format!(", {} {what}", count(number))))]
}

/// A blank line, then `lines` with the title before the first of them; nothing without lines.
fn section(title: &str, lines: Vec<Line>) -> Vec<Line> {
    if lines.is_empty() {
        return Vec::new();
    }
    let titles = std::iter::once(title).chain(std::iter::repeat(""));
    std::iter::once(Line::new()).chain(titles.zip(lines).map(|(title, line)| titled(title, line))).collect()
}

fn titled(title: &str, line: Line) -> Line {
    Line::painted(Paint::Faint, title).padded(TITLES).join(line)
}

fn bullet(text: &str, shape: Shape) -> Vec<Line> {
    let marks = std::iter::once("· ").chain(std::iter::repeat("  "));
    marks
        .zip(paragraph(text, TITLES + 2, shape))
        .map(|(mark, line)| Line::painted(Paint::Faint, mark).join(line))
        .collect()
}

/// `text` in lines that leave room for `indent` columns before them.
fn paragraph(text: &str, indent: usize, shape: Shape) -> Vec<Line> {
    let columns = shape.columns.unwrap_or(READABLE).saturating_sub(indent).max(20);
    wrapped(text, columns).iter().map(Line::plain).collect()
}

#[cfg(test)]
mod tests;
