//! Past generations.

use sluice_api::{History, PastRelease};

use super::numbers::{UNKNOWN, duration, moment, percent};
use super::table::Table;
use super::text::{Line, Paint};
use super::{evidence, words};

/// A table; `wide` adds the stable version and what the verdict was based on.
pub(crate) fn lines(history: &History, wide: bool) -> Vec<Line> {
    if history.generations.is_empty() {
        return vec![Line::plain(format!("{} has no past generation.", history.name))];
    }
    let titles: &[&str] = match wide {
        true => &[">GENERATION", "VERSION", "STABLE", "OUTCOME", ">REACHED", ">DURATION", "ENDED", "CAUSE", "VERDICT"],
        false => &[">GENERATION", "VERSION", "OUTCOME", ">REACHED", ">DURATION", "ENDED", "CAUSE"],
    };
    let mut table = Table::new(titles);
    for past in &history.generations {
        let mut row = vec![Line::plain(past.generation.to_string()), Line::plain(&past.version)];
        if wide {
            row.push(Line::plain(&past.stable));
        }
        row.extend([
            words::outcome(past.outcome),
            Line::plain(percent(past.reached.percent())),
            Line::plain(took(past)),
            Line::plain(past.times.ended_at_ms.map_or_else(|| UNKNOWN.to_owned(), moment)),
        ]);
        row.push(Line::plain(&past.cause));
        if wide {
            row.push(Line::plain(past.verdict.as_ref().map(based_on).unwrap_or_default()));
        }
        table.push(row);
    }
    table.into_lines()
}

/// The newest `most` generations, a line each.
pub(crate) fn short(history: &[PastRelease], most: usize) -> Vec<Line> {
    let line = |past: &PastRelease| {
        Line::plain(format!("{} ", past.version))
            .join(words::outcome(past.outcome))
            .then(format!(" at {} after {}", percent(past.reached.percent()), took(past)))
            .with(Paint::Faint, format!("   {}", past.cause))
    };
    history.iter().take(most).map(line).collect()
}

fn took(past: &PastRelease) -> String {
    duration(past.duration_ms as f64 / 1_000.0)
}

fn based_on(verdict: &sluice_api::Verdict) -> String {
    evidence::verdict(words::metric_word(verdict.metric), verdict, None, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn history_is_a_table_newest_first() {
        let history = History { name: "shop".to_owned(), generations: vec![samples::past()] };
        let shown: Vec<String> = lines(&history, false).iter().map(|line| line.write(false)).collect();
        assert_eq!(
            shown,
            [
                "GENERATION  VERSION  OUTCOME   REACHED  DURATION  ENDED                 CAUSE",
                "         6  v2-rc1   reverted     25 %    6m 12s  2026-03-21T12:30:01Z  5 of 5 canary requests failed",
            ]
        );
        assert!(lines(&history, true)[1].write(false).contains("score 20.7 ≥ 9.9"));
    }

    #[test]
    fn no_history_is_a_sentence() {
        let history = History { name: "shop".to_owned(), generations: Vec::new() };
        assert_eq!(lines(&history, false)[0].write(false), "shop has no past generation.");
    }
}
