//! What the counts prove, in words: how much is seen of what is needed, how far the scores are from their thresholds,
//! and what a verdict was based on.

use sluice_api::{Judgement, MetricStatus, RevertStatus, Verdict};
use sluice_engine::judge::Rule;

use super::bars;
use super::numbers::{self, count, counted, score};
use super::text::{Line, Paint};
use super::words;

/// Cells of the bar of requests seen.
const CELLS: usize = 10;

/// Width of an answer in a word.
const ANSWER: usize = CELLS + 2;

/// Column in which answers begin, below the questions.
const ANSWERS: usize = 20;

/// One metric: its conclusion, and the questions that lead to it.
pub(crate) fn metric(metric: &MetricStatus) -> Vec<Line> {
    let mut lines = vec![headline(metric)];
    if metric.verdict == Judgement::NoData {
        return lines;
    }
    if words::has_limit(metric.metric) {
        lines.push(question("beyond the limit?", against_limit(metric)));
    }
    lines.push(question("worse than stable?", against_stable(metric)));
    if words::has_limit(metric.metric) {
        lines.push(question("enough seen?", progress(metric)));
    }
    lines
}

/// `reverted: 5 of 5 canary requests failed (stable 0 of 95); limit: at most 1 % failed; score 20.7 ≥ 9.9, …`.
pub(crate) fn verdict(
    consequence: &str,
    verdict: &Verdict,
    limit: Option<&str>,
    revert: Option<&RevertStatus>,
) -> String {
    let mut parts = vec![format!("{consequence}: {}{}", rule(verdict.rule), counts(verdict))];
    if let Some(limit) = limit {
        parts.push(format!("limit: {limit}"));
    }
    parts.extend(scores(verdict));
    if let Some(revert) = revert {
        parts.push(format!(
            "{} and {} to weight 0, {} seen by users",
            numbers::latency(Some(revert.milliseconds)),
            counted(revert.failed_requests, "failed request"),
            count(revert.user_failures)
        ));
    }
    parts.join("; ")
}

/// How far the proof is: `312 of 468 requests needed`.
pub(crate) fn requests_needed(metric: &MetricStatus) -> String {
    let seen = metric.requests_seen;
    match metric.requests_needed {
        Some(needed) if seen < needed => format!("{} of {} requests needed", count(seen), count(needed)),
        Some(needed) => format!("{}, {} needed", counted(seen, "request"), count(needed)),
        None => format!("{}; more alone won't prove it at this rate", counted(seen, "request")),
    }
}

fn headline(metric: &MetricStatus) -> Line {
    let name = Line::painted(Paint::Strong, words::metric_word(metric.metric)).padded(10);
    let line = name.join(words::judgement(metric.verdict).padded(13));
    let line = match metric.verdict {
        Judgement::NoData => line,
        Judgement::Good | Judgement::Bad | Judgement::Undecided => line.then(format!(
            "{} of {} {} (stable {} of {})",
            count(metric.x),
            count(metric.n),
            words::metric_count(metric.metric),
            count(metric.x_stable),
            count(metric.n_stable)
        )),
    };
    line.with(Paint::Faint, format!("   {}", metric.limit))
}

fn question(question: &str, answer: Line) -> Line {
    Line::painted(Paint::Faint, question).padded(ANSWERS).join(answer).indented(2)
}

fn against_limit(metric: &MetricStatus) -> Line {
    suspicion(metric.abs, metric.abs_threshold)
}

fn against_stable(metric: &MetricStatus) -> Line {
    match metric.rel {
        Some(rel) => suspicion(rel, metric.rel_threshold),
        None => Line::painted(Paint::Faint, "not compared, stable gets no traffic"),
    }
}

fn scale(value: f64, threshold: f64) -> String {
    let relation = if value < threshold { "<" } else { "≥" };
    format!("{} {relation} {}", score(value), score(threshold))
}

/// How strongly a score speaks against the canary: in a word, then in numbers.
fn suspicion(value: f64, threshold: f64) -> Line {
    let line = match value {
        _ if value >= threshold => Line::painted(Paint::Bad, "yes"),
        _ if value >= threshold / 2.0 => Line::painted(Paint::Warn, "strong sign"),
        _ if value > 0.0 => Line::plain("weak sign"),
        _ => Line::painted(Paint::Good, "no sign"),
    };
    line.padded(ANSWER).then(format!("score {}", scale(value, threshold)))
}

fn progress(metric: &MetricStatus) -> Line {
    let seen = metric.requests_seen as f64;
    let share = metric.requests_needed.map(|needed| seen / (needed.max(1) as f64) * 100.0);
    let line = match share {
        Some(share) if share >= 100.0 => Line::painted(Paint::Good, "yes").padded(ANSWER),
        Some(share) => Line::painted(Paint::Accent, bars::bar(share, CELLS)).padded(ANSWER),
        None => Line::painted(Paint::Warn, "no").padded(ANSWER),
    };
    let proof = metric.pro.map(|pro| format!(", proof {} of {}", score(pro), score(metric.pro_threshold)));
    line.then(requests_needed(metric)).with(Paint::Faint, proof.unwrap_or_default())
}

const fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Sequential => "",
        Rule::Comparison => "worse than stable, though within the limit: ",
        Rule::Backstop => "failed measurements: ",
        Rule::Suspected => "the outage ended when the canary got no traffic: ",
    }
}

fn counts(verdict: &Verdict) -> String {
    let deed = words::metric_deed(verdict.metric);
    let (x, n) = (count(verdict.x), count(verdict.n));
    format!("{x} of {n} canary requests {deed} (stable {} of {})", count(verdict.x_stable), count(verdict.n_stable))
}

fn scores(verdict: &Verdict) -> Option<String> {
    let abs = verdict.abs.map(|abs| format!("score {}", scale(abs, verdict.abs_threshold)));
    let rel = verdict.rel.map(|rel| format!("against stable {}", scale(rel, verdict.rel_threshold)));
    match (abs, rel) {
        (Some(abs), Some(rel)) => Some(format!("{abs}, {rel}")),
        (abs, rel) => abs.or(rel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn text(metric_status: &MetricStatus) -> Vec<String> {
        metric(metric_status).iter().map(|line| line.write(false)).collect()
    }

    #[test]
    fn a_metric_answers_three_questions() {
        assert_eq!(
            text(&samples::failures()),
            [
                "failures  ◌ undecided  1 of 312 failed (stable 3 of 2,808)   at most 1 % failed",
                "  beyond the limit?   no sign     score −3.1 < 9.9",
                "  worse than stable?  weak sign   score 1.4 < 4.6",
                "  enough seen?        ███████░░░  312 of 468 requests needed, proof 1.2 of 3.0",
            ]
        );
    }

    #[test]
    fn a_metric_without_a_request_says_just_that() {
        let status = MetricStatus { verdict: Judgement::NoData, ..samples::failures() };
        assert_eq!(text(&status), ["failures  ○ no request yet   at most 1 % failed"]);
    }

    #[test]
    fn a_metric_that_is_only_compared_has_one_question() {
        let status = MetricStatus {
            metric: sluice_api::Metric::C4xx,
            limit: "not more than stable".to_owned(),
            ..samples::failures()
        };
        assert_eq!(text(&status).len(), 2);
        assert!(text(&status)[0].contains("1 of 312 answered 4xx"), "{:?}", text(&status));
    }

    #[test]
    fn without_stable_traffic_nothing_is_compared() {
        let status = MetricStatus { rel: None, ..samples::failures() };
        assert_eq!(text(&status)[2], "  worse than stable?  not compared, stable gets no traffic");
    }

    #[test]
    fn proof_is_counted_in_requests_and_admits_when_more_requests_will_not_do() {
        let with = |seen, needed| {
            requests_needed(&MetricStatus { requests_seen: seen, requests_needed: needed, ..samples::failures() })
        };
        assert_eq!(with(312, Some(468)), "312 of 468 requests needed");
        assert_eq!(with(5_200, Some(468)), "5,200 requests, 468 needed");
        assert_eq!(with(312, None), "312 requests; more alone won't prove it at this rate");
    }

    #[test]
    fn a_verdict_reads_as_one_sentence() {
        let verdict_status = samples::verdict();
        let revert = RevertStatus { failed_requests: 5, user_failures: 0, milliseconds: 38.2 };
        assert_eq!(
            verdict("reverted", &verdict_status, Some("at most 1 % failed"), Some(&revert)),
            "reverted: 5 of 5 canary requests failed (stable 0 of 95); limit: at most 1 % failed; \
             score 20.7 ≥ 9.9, against stable 15.0 ≥ 4.6; 38 ms and 5 failed requests to weight 0, 0 seen by users"
        );
        let compared = Verdict { rule: Rule::Comparison, abs: None, ..samples::verdict() };
        assert_eq!(
            verdict("paused", &compared, None, None),
            "paused: worse than stable, though within the limit: 5 of 5 canary requests failed (stable 0 of 95); against stable 15.0 ≥ 4.6"
        );
    }
}
