//! The DORA report. Every figure stands with the number of releases behind it, and one that can't be said is a dash.

use sluice_api::{DoraFigures, DoraReport, Spread};

use super::numbers::{UNKNOWN, count, counted, duration, latency, moment, percent};
use super::table::Table;
use super::text::{Line, Paint};

/// Figures of fewer releases than this say little and are shown faintly.
const FEW: u64 = 5;

const TITLES: [&str; 6] = ["ROLLOUT", ">DEPLOYMENTS", ">PER WEEK", ">LEAD TIME", ">CHANGES FAILED", ">TIME TO RESTORE"];
const WIDE_TITLES: [&str; 12] = [
    "ROLLOUT",
    ">DEPLOYMENTS",
    ">PER WEEK",
    ">LEAD TIME",
    ">P90",
    ">CHANGES FAILED",
    ">TIME TO RESTORE",
    ">P90",
    ">REVERTED",
    ">ABORTED",
    ">UNSERVED",
    ">REPLACED",
];

/// What the figures are about, the table, and what to keep in mind when reading it.
pub(crate) fn lines(report: &DoraReport, wide: bool) -> Vec<Line> {
    let mut table = Table::new(if wide { &WIDE_TITLES } else { &TITLES });
    for rollout in &report.rollouts {
        table.push(row(Line::plain(&rollout.name), &rollout.figures, wide));
    }
    if report.rollouts.len() > 1 {
        table.push(row(Line::painted(Paint::Strong, "all"), &report.all, wide));
    }
    let mut lines = vec![heading(report), Line::new()];
    lines.extend(table.into_lines());
    lines.push(Line::new());
    lines.extend(remarks(report).into_iter().map(|text| Line::painted(Paint::Faint, text)));
    lines
}

fn heading(report: &DoraReport) -> Line {
    let (since, until) = (moment(report.since_ms), moment(report.until_ms));
    Line::painted(Paint::Strong, format!("Releases that ended from {since} to {until}"))
}

fn row(name: Line, figures: &DoraFigures, wide: bool) -> Vec<Line> {
    let DoraFigures { counts, lead_time, time_to_restore, .. } = figures;
    let minutes = |ms: f64| if ms < 60_000.0 { latency(Some(ms)) } else { duration(ms / 1_000.0) };
    let mut row = vec![name, Line::plain(count(figures.deployments)), per_week(figures)];
    row.push(middle(lead_time, minutes));
    if wide {
        row.push(ninth_decile(lead_time, minutes));
    }
    row.extend([failed(figures), middle(time_to_restore, minutes)]);
    if wide {
        row.push(ninth_decile(time_to_restore, minutes));
        let replaced = counts.superseded + counts.withdrawn;
        let each = [counts.reverted, counts.aborted, counts.aborted_unserved, replaced];
        row.extend(each.map(|number| Line::plain(count(number))));
    }
    row
}

fn per_week(figures: &DoraFigures) -> Line {
    let shown = figures.deployments_per_week.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.1}"));
    Line::painted(weight(figures.deployments), shown)
}

/// `20 % (3 of 15)`.
fn failed(figures: &DoraFigures) -> Line {
    let of = format!("({} of {})", count(figures.failed_changes), count(figures.changes));
    let shown = match figures.change_failure_rate {
        Some(rate) => format!("{} {of}", percent((rate * 1_000.0).round() / 10.0)),
        None => UNKNOWN.to_owned(),
    };
    Line::painted(weight(figures.changes), shown)
}

/// `42m (12)`: the median, and of how many.
fn middle(spread: &Spread, shown: impl Fn(f64) -> String) -> Line {
    let text = spread.median_ms.map_or_else(|| UNKNOWN.to_owned(), |ms| format!("{} ({})", shown(ms), count(spread.n)));
    Line::painted(weight(spread.n), text)
}

fn ninth_decile(spread: &Spread, shown: impl Fn(f64) -> String) -> Line {
    Line::plain(spread.p90_ms.map_or_else(|| UNKNOWN.to_owned(), shown))
}

fn weight(observations: u64) -> Paint {
    if observations < FEW { Paint::Faint } else { Paint::Plain }
}

fn remarks(report: &DoraReport) -> Vec<String> {
    let mut remarks = Vec::new();
    match report.known_since_ms {
        Some(known) if known > report.since_ms => {
            remarks.push(format!(
                "Releases are known since {} only; frequencies are taken over those {:.1} days.",
                moment(known),
                report.days
            ));
        }
        Some(_) => {}
        None => remarks.push("No release log is kept: is the state directory writable?".to_owned()),
    }
    remarks.push("Times are medians (of how many); lead time runs from the start of a release to 100 %.".to_owned());
    if report.all.changes < FEW {
        remarks.push(format!("{} in all: too few to judge a trend by.", counted(report.all.changes, "change")));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use sluice_api::{ReleaseCounts, RolloutDora};

    use super::*;

    const DAY: u64 = 86_400_000;

    fn mk_figures() -> DoraFigures {
        DoraFigures {
            counts: ReleaseCounts {
                promoted: 11,
                promoted_full: 1,
                reverted: 2,
                aborted: 1,
                ..ReleaseCounts::default()
            },
            deployments: 12,
            deployments_per_day: Some(0.4),
            deployments_per_week: Some(2.8),
            lead_time: Spread { n: 12, median_ms: Some(2_520_000.0), p90_ms: Some(4_200_000.0) },
            changes: 15,
            failed_changes: 3,
            change_failure_rate: Some(0.2),
            time_to_restore: Spread { n: 2, median_ms: Some(48.0), p90_ms: None },
        }
    }

    fn mk_report(rollouts: Vec<(&str, DoraFigures)>) -> DoraReport {
        let rollouts =
            rollouts.into_iter().map(|(name, figures)| RolloutDora { name: name.to_owned(), figures }).collect();
        DoraReport {
            since_ms: 20_000 * DAY,
            until_ms: 20_030 * DAY,
            known_since_ms: Some(19_000 * DAY),
            days: 30.0,
            all: mk_figures(),
            rollouts,
        }
    }

    fn write(report: &DoraReport, wide: bool) -> Vec<String> {
        lines(report, wide).iter().map(|line| line.write(false)).collect()
    }

    #[test]
    fn figures_stand_with_the_number_of_releases_behind_them() {
        let report = mk_report(vec![("shop", mk_figures()), ("api", DoraFigures::default())]);
        assert_eq!(
            write(&report, false),
            [
                "Releases that ended from 2024-10-04T00:00:00Z to 2024-11-03T00:00:00Z",
                "",
                "ROLLOUT  DEPLOYMENTS  PER WEEK  LEAD TIME  CHANGES FAILED  TIME TO RESTORE",
                "shop              12       2.8   42m (12)  20 % (3 of 15)        48 ms (2)",
                "api                0         –          –               –                –",
                "all               12       2.8   42m (12)  20 % (3 of 15)        48 ms (2)",
                "",
                "Times are medians (of how many); lead time runs from the start of a release to 100 %.",
            ]
        );
        let wide = write(&report, true);
        assert!(wide[3].contains("1h 10m") && wide[3].ends_with("2        1         0         0"), "{wide:?}");
    }

    #[test]
    fn a_short_past_and_few_changes_are_said() {
        let mut report = mk_report(vec![("shop", DoraFigures::default())]);
        report.known_since_ms = Some(20_028 * DAY);
        report.days = 2.0;
        report.all = DoraFigures { changes: 1, ..DoraFigures::default() };
        let shown = write(&report, false).join("\n");
        assert!(shown.contains("known since 2024-11-01T00:00:00Z only; frequencies are taken over those 2.0 days"));
        assert!(shown.contains("1 change in all: too few"), "{shown}");
        report.known_since_ms = None;
        assert!(write(&report, false).join("\n").contains("No release log"));
    }
}
