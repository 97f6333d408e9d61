//! Bars and the ladder of steps.

use sluice_api::StepStatus;

use super::numbers;
use super::text::{Line, Paint};

/// A bar of `cells` for a percentage. Something is never shown as nothing, and not quite everything never as everything.
pub(crate) fn bar(percent: f64, cells: usize) -> String {
    let filled = cells_for(percent, cells);
    "█".repeat(filled) + &"░".repeat(cells - filled)
}

/// A bar for a weight on its way: `█` is in force, `▒` is wanted as well but not yet in force.
pub(crate) fn weight_bar(in_force: f64, wanted: f64, cells: usize) -> Line {
    let solid = cells_for(in_force, cells);
    let coming = cells_for(wanted, cells).saturating_sub(solid);
    Line::painted(Paint::Accent, "█".repeat(solid))
        .with(Paint::Warn, "▒".repeat(coming))
        .with(Paint::Faint, "░".repeat(cells - solid - coming))
}

/// The steps of a plan with the present one in brackets: `10 ━ [25] ─ 50 ─ 100 %`.
pub(crate) fn ladder(step: &StepStatus, present: Paint) -> Line {
    let mut line = Line::new();
    for (at, weight) in step.weights.iter().enumerate() {
        let number = at + 1;
        if at > 0 {
            line =
                if number <= step.index { line.with(Paint::Good, " ━ ") } else { line.with(Paint::Faint, " ─ ") };
        }
        let text = numbers::percent(*weight);
        let text = text.trim_end_matches(" %");
        line = match number.cmp(&step.index) {
            std::cmp::Ordering::Less => line.with(Paint::Good, text),
            std::cmp::Ordering::Equal => line.with(present, format!("[{text}]")),
            std::cmp::Ordering::Greater => line.with(Paint::Faint, text),
        };
    }
    if step.weights.is_empty() { line } else { line.then(" %") }
}

fn cells_for(percent: f64, cells: usize) -> usize {
    if percent >= 100.0 {
        return cells;
    }
    if percent.is_nan() || percent <= 0.0 {
        return 0;
    }
    let filled = (percent / 100.0 * cells as f64).round() as usize;
    filled.clamp(1.min(cells), cells.saturating_sub(1).max(1.min(cells)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_only_at_0_and_full_only_at_100() {
        for (percent, shown) in [
            (0.0, "░░░░░░░░░░"),
            (0.1, "█░░░░░░░░░"),
            (10.0, "█░░░░░░░░░"),
            (50.0, "█████░░░░░"),
            (99.9, "█████████░"),
            (100.0, "██████████"),
            (-5.0, "░░░░░░░░░░"),
            (1e300, "██████████"),
            (f64::NAN, "░░░░░░░░░░"),
        ] {
            assert_eq!(bar(percent, 10), shown, "{percent}");
        }
    }

    #[test]
    fn a_weight_that_is_not_yet_in_force_is_shown_as_coming() {
        assert_eq!(weight_bar(10.0, 50.0, 10).write(false), "█▒▒▒▒░░░░░");
        assert_eq!(weight_bar(50.0, 0.0, 10).write(false), "█████░░░░░");
    }

    #[test]
    fn the_present_step_is_in_brackets() {
        let step = |index| StepStatus {
            index,
            count: 4,
            weights: vec![10.0, 25.0, 50.0, 100.0],
            elapsed_seconds: 0.0,
            duration_seconds: None,
        };
        assert_eq!(ladder(&step(0), Paint::Strong).write(false), "10 ─ 25 ─ 50 ─ 100 %");
        assert_eq!(ladder(&step(1), Paint::Strong).write(false), "[10] ─ 25 ─ 50 ─ 100 %");
        assert_eq!(ladder(&step(3), Paint::Strong).write(false), "10 ━ 25 ━ [50] ─ 100 %");
    }
}
