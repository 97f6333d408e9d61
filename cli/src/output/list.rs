//! Every rollout in a table, made to fit 80 columns but for the message. Success and P95 are the canary's.

use sluice_api::{RolloutList, RolloutStatus};

use super::numbers::{UNKNOWN, count, latency, per_second, percent, success};
use super::table::Table;
use super::text::{Line, Paint};
use super::{bars, words};

/// Cells of the weight bar in a row.
const CELLS: usize = 10;

const TITLES: [&str; 9] = ["NAME", "PHASE", "STEP", "WEIGHT", "STABLE", "CANARY", ">SUCCESS", ">P95", "MESSAGE"];
const WIDE_TITLES: [&str; 14] = [
    "NAME",
    "PHASE",
    "STEP",
    "WEIGHT",
    "STABLE",
    "CANARY",
    ">SUCCESS",
    ">P95",
    "REASON",
    "STRATEGY",
    ">GENERATION",
    ">REQUESTS",
    ">REQ/S",
    "MESSAGE",
];

/// The table, and below it what is wrong with the server.
pub(crate) fn lines(list: &RolloutList, wide: bool) -> Vec<Line> {
    let mut lines = if list.rollouts.is_empty() {
        vec![Line::plain("No rollout is configured.")]
    } else {
        let mut table = Table::new(if wide { &WIDE_TITLES } else { &TITLES });
        list.rollouts.iter().for_each(|status| table.push(row(status, wide)));
        table.into_lines()
    };
    lines.extend(warnings(list));
    lines
}

fn row(status: &RolloutStatus, wide: bool) -> Vec<Line> {
    let canary = status.canary.as_ref();
    let unknown = || UNKNOWN.to_owned();
    let mut row = vec![
        Line::painted(Paint::Strong, &status.name),
        words::phase(status.phase, status.reason),
        Line::plain(if status.step.count == 0 {
            unknown()
        } else {
            format!("{}/{}", status.step.index, status.step.count)
        }),
        weight(status),
        Line::plain(&status.stable.version),
        Line::plain(canary.map_or(UNKNOWN, |canary| &canary.version)),
        Line::plain(canary.map_or_else(unknown, |canary| success(canary.success_rate))),
        Line::plain(canary.map_or_else(unknown, |canary| latency(canary.p95_ms))),
    ];
    if wide {
        let arms = || std::iter::once(&status.stable).chain(canary);
        row.extend([
            Line::plain(words::reason_word(status.reason)),
            Line::plain(&status.strategy),
            Line::plain(status.generation.to_string()),
            Line::plain(count(arms().map(|arm| arm.requests).fold(0, u64::saturating_add))),
            Line::plain(per_second(arms().map(|arm| arm.requests_per_second).sum())),
        ]);
    }
    row.push(Line::plain(&status.message));
    row
}

fn weight(status: &RolloutStatus) -> Line {
    let weight = status.weight;
    bars::weight_bar(weight.in_force, weight.wanted, CELLS).then(format!(" {:>6}", percent(weight.in_force)))
}

fn warnings(list: &RolloutList) -> Vec<Line> {
    let server = &list.server;
    let config = server.config_error.as_ref().map(|error| {
        Line::painted(Paint::Warn, "The newest configuration was refused, the one before it stays in force: ")
            .then(error)
    });
    let state = server.state_error.as_ref().map(|error| {
        Line::painted(Paint::Bad, "Decisions can't be stored, so nothing advances (a revert still happens): ")
            .then(error)
    });
    let warnings: Vec<Line> = [config, state].into_iter().flatten().collect();
    if warnings.is_empty() { warnings } else { std::iter::once(Line::new()).chain(warnings).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn text(list: &RolloutList, wide: bool) -> Vec<String> {
        lines(list, wide).iter().map(|line| line.write(false)).collect()
    }

    #[test]
    fn each_rollout_is_a_row() {
        let list = samples::list(vec![samples::progressing(), samples::healthy("api-größe")]);
        assert_eq!(
            text(&list, false),
            [
                "NAME       PHASE          STEP  WEIGHT             STABLE  CANARY  SUCCESS    P95  MESSAGE",
                "shop       ◐ Progressing  1/4   █░░░░░░░░░   10 %  v1      v2      99.68 %  41 ms  Step 1 of 4 at 10 %.",
                "api-größe  ✔ Healthy      –     ░░░░░░░░░░    0 %  v1      –             –      –  v1 serves everyone.",
            ]
        );
    }

    #[test]
    fn wide_adds_reason_strategy_generation_and_traffic() {
        let shown = text(&samples::list(vec![samples::progressing()]), true);
        let added = |line: &str| {
            let cells: Vec<String> =
                line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect();
            cells[cells.len() - 6..].to_vec()
        };
        let (titles, cells) = (added(&shown[0]), added(&shown[1]));
        assert_eq!(titles, ["REASON", "STRATEGY", "GENERATION", "REQUESTS", "REQ/S", "MESSAGE"]);
        assert_eq!(cells, ["Step", "canary", "7", "3,124", "24.0", "Step 1 of 4 at 10 %."]);
    }

    #[test]
    fn a_refused_configuration_and_a_full_disk_are_said_below() {
        let mut list = samples::list(vec![samples::progressing()]);
        list.server.config_error = Some("line 3: unknown key".to_owned());
        list.server.state_error = Some("disk full\x1b[2J".to_owned());
        let shown = text(&list, false);
        assert_eq!(
            shown[3],
            "The newest configuration was refused, the one before it stays in force: line 3: unknown key"
        );
        assert!(shown[4].ends_with(r"disk full\u{1b}[2J"), "{}", shown[4]);
    }

    #[test]
    fn no_rollout_is_a_sentence() {
        assert_eq!(text(&samples::list(Vec::new()), false), ["No rollout is configured."]);
    }
}
