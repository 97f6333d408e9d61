//! Both arms, side by side.

use sluice_api::{ArmStatus, EndpointStatus, RolloutStatus};

use super::numbers::{count, counted, latency, per_second, success};
use super::text::{Line, Paint};

/// Endpoints listed one by one; beyond that they are counted, the unhealthy ones still named first.
const LISTED: usize = 4;

/// Width of the column of titles, here and in all of a rollout.
pub(crate) const TITLES: usize = 12;

/// A row: its title, and what it says of an arm.
type Row = (&'static str, fn(&ArmStatus) -> Line);

const ROWS: [Row; 8] = [
    ("Requests", requests),
    ("Req/s", |arm| Line::plain(per_second(arm.requests_per_second))),
    ("In flight", |arm| Line::plain(count(arm.in_flight))),
    ("Success", |arm| Line::plain(success(arm.success_rate))),
    ("P50", |arm| Line::plain(latency(arm.p50_ms))),
    ("P95", |arm| Line::plain(latency(arm.p95_ms))),
    ("P99", |arm| Line::plain(latency(arm.p99_ms))),
    ("Failed", failures),
];

/// The lines; `all` lists every endpoint.
pub(crate) fn lines(status: &RolloutStatus, all: bool) -> Vec<Line> {
    let arms: Vec<(&str, &ArmStatus)> = std::iter::once(("stable", &status.stable))
        .chain(status.canary.iter().map(|canary| ("canary", canary)))
        .collect();
    let title = |(role, arm): &(&str, &ArmStatus)| {
        Line::painted(Paint::Faint, format!("{role} ")).with(Paint::Strong, &arm.version)
    };
    let mut rows = vec![("", arms.iter().map(title).collect::<Vec<_>>())];
    rows.extend(endpoint_rows(&arms, all));
    rows.extend(ROWS.map(|(title, cell)| (title, arms.iter().map(|(_, arm)| cell(arm)).collect())));
    let width = rows.iter().filter_map(|(_, cells)| cells.first()).map(Line::width).max().unwrap_or(0);
    let line = |(title, cells): (&str, Vec<Line>)| {
        let start = Line::painted(Paint::Faint, title).padded(TITLES);
        cells.into_iter().fold(start, |line, cell| line.join(cell.padded(width + 3)))
    };
    rows.into_iter().map(line).collect()
}

fn endpoint_rows(arms: &[(&str, &ArmStatus)], all: bool) -> Vec<(&'static str, Vec<Line>)> {
    let columns: Vec<Vec<Line>> = arms.iter().map(|(_, arm)| endpoints(arm, all)).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |at: usize| {
        let cells = columns.iter().map(|column| column.get(at).cloned().unwrap_or_default()).collect();
        (if at == 0 { "Endpoints" } else { "" }, cells)
    };
    (0..height).map(row).collect()
}

fn endpoints(arm: &ArmStatus, all: bool) -> Vec<Line> {
    if arm.endpoints.is_empty() {
        return vec![Line::painted(Paint::Bad, "none")];
    }
    let mut endpoints: Vec<&EndpointStatus> = arm.endpoints.iter().collect();
    let rest = if all { 0 } else { endpoints.len().saturating_sub(LISTED) };
    if rest > 0 {
        endpoints.sort_by_key(|endpoint| endpoint.healthy);
    }
    let mut lines: Vec<Line> =
        endpoints.iter().take(endpoints.len() - rest).map(|endpoint| one_endpoint(endpoint)).collect();
    if rest > 0 {
        let unhealthy = endpoints.iter().rev().take(rest).filter(|endpoint| !endpoint.healthy).count();
        let also = if unhealthy > 0 { format!(", {unhealthy} of them not healthy") } else { String::new() };
        lines.push(Line::painted(Paint::Faint, format!("and {rest} more{also}")));
    }
    lines
}

fn one_endpoint(endpoint: &EndpointStatus) -> Line {
    if endpoint.healthy {
        return Line::painted(Paint::Good, "● ").then(&endpoint.address);
    }
    let reason = endpoint.reason.as_deref().unwrap_or("not healthy");
    Line::painted(Paint::Bad, "✖ ").then(&endpoint.address).with(Paint::Bad, format!(" {reason}"))
}

fn requests(arm: &ArmStatus) -> Line {
    let line = Line::plain(count(arm.requests));
    match arm.directed {
        0 => line,
        directed => line.with(Paint::Faint, format!(" ({} directed)", count(directed))),
    }
}

fn failures(arm: &ArmStatus) -> Line {
    if arm.attempt_failures == 0 {
        return Line::plain("0");
    }
    let line = Line::plain(format!("{}, ", counted(arm.attempt_failures, "attempt")));
    let seen = format!("{} seen by users", count(arm.user_failures));
    line.with(if arm.user_failures > 0 { Paint::Bad } else { Paint::Good }, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn text(status: &RolloutStatus, all: bool) -> Vec<String> {
        lines(status, all).iter().map(|line| line.write(false)).collect()
    }

    #[test]
    fn the_arms_stand_side_by_side() {
        assert_eq!(
            text(&samples::progressing(), false),
            [
                "            stable v1                     canary v2",
                "Endpoints   ● 127.0.0.1:9001              ● 127.0.0.1:9002",
                "Requests    2,808                         316 (4 directed)",
                "Req/s       21.6                          2.4",
                "In flight   1                             0",
                "Success     99.89 %                       99.68 %",
                "P50         12 ms                         13 ms",
                "P95         38 ms                         41 ms",
                "P99         88 ms                         95 ms",
                "Failed      3 attempts, 3 seen by users   1 attempt, 0 seen by users",
            ]
        );
    }

    #[test]
    fn without_a_canary_there_is_one_column() {
        let status = RolloutStatus { canary: None, ..samples::progressing() };
        assert_eq!(text(&status, false)[1], "Endpoints   ● 127.0.0.1:9001");
    }

    #[test]
    fn many_endpoints_are_counted_and_the_sick_ones_come_first() {
        let mut status = samples::progressing();
        let endpoint = |number: usize| EndpointStatus {
            address: format!("10.0.0.{number}:80"),
            healthy: number != 7,
            reason: (number == 7).then(|| "connection refused".to_owned()),
        };
        status.stable.endpoints = (1..=9).map(endpoint).collect();
        status.canary = None;
        let shown = text(&status, false);
        assert_eq!(shown[1], "Endpoints   ✖ 10.0.0.7:80 connection refused");
        assert_eq!(shown[5], "            and 5 more");
        assert_eq!(text(&status, true)[9], "            ● 10.0.0.9:80");
    }

    #[test]
    fn an_arm_without_endpoints_says_so() {
        let mut status = samples::progressing();
        status.stable.endpoints.clear();
        assert!(text(&status, false)[1].starts_with("Endpoints   none"));
    }
}
