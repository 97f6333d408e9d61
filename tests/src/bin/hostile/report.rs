//! The table for people.

use std::fmt::Write;

use sluice_tests::hostile::answers::{AnswerCase, Shown};
use sluice_tests::hostile::{Case, Expected, Observation};

/// Everything that was seen.
pub(crate) struct Report {
    /// The proxies; Sluice is the first.
    pub(crate) names: Vec<String>,
    /// Messages of clients.
    pub(crate) sections: Vec<Section>,
    /// Answers of upstreams.
    pub(crate) answers: Vec<AnswerRow>,
}

/// Cases that belong together.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// A case, and what became of it at each proxy.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) seen: Vec<Observation>,
}

/// A broken answer, and what each proxy's client saw.
pub(crate) struct AnswerRow {
    pub(crate) case: AnswerCase,
    pub(crate) shown: Vec<Shown>,
}

const HEAD: &str = "# Hostile input

What reaches a proxy is not always a request. This page shows, case by case, what is sent, what a careful proxy does, and
what Sluice, nginx and HAProxy do; the two others are Debian's packages with the few lines of a plain reverse proxy
([nginx.conf](../tests/hostile/nginx.conf), [haproxy.cfg](../tests/hostile/haproxy.cfg)). `make hostile` writes it anew, and
the tests hold Sluice to the same table.

Another proxy that does something else is not wrong by that: most of it the standards allow, some is cleaned up on the
way, and much can be set. **Bold** is where a message was forwarded, or forwarded with something, that the column
*expected* keeps from the upstream. *Forwarded* means that the upstream has it as a whole request; *goes on*, that the
connection carried another one.

A refused message is counted in `sluice_rejected_requests_total` under the reason in the last column.
";

impl Report {
    /// Where Sluice does something else than it should.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        let messages = rows.flat_map(|Row { case, seen }| {
            let complaints = seen[0].complaints(&case.expected);
            complaints.into_iter().map(move |complaint| format!("{} {}: {complaint}", case.id, case.what))
        });
        let answers = self.answers.iter().filter(|row| row.shown[0] != row.case.expected);
        let answers = answers.map(|row| format!("{} {}: {}", row.case.id, row.case.what, row.shown[0].describe()));
        messages.chain(answers).collect()
    }

    /// The page.
    pub(crate) fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for Section { title, rows } in &self.sections {
            self.begin(&mut text, title, "sent", " counted as |");
            for Row { case, seen } in rows {
                let cells: Vec<String> = seen.iter().map(|seen| cell(seen, &case.expected)).collect();
                let reason = if let Expected::Refused(_, reason) = case.expected { reason } else { "" };
                write_row(&mut text, (case.id, &case.what), &case.expected.describe(), &cells);
                let _ = writeln!(text, " {reason} |");
            }
        }
        self.begin(&mut text, "Broken answers of upstreams", "what the upstream does", "");
        for AnswerRow { case, shown } in &self.answers {
            let cells: Vec<String> = shown.iter().map(|shown| shown.describe()).collect();
            write_row(&mut text, (case.id, case.what), &case.expected.describe(), &cells);
            text.push('\n');
        }
        text
    }

    fn begin(&self, text: &mut String, title: &str, what: &str, last: &str) {
        let names = self.names.join(" | ");
        let columns = 3 + self.names.len() + usize::from(!last.is_empty());
        let _ =
            writeln!(text, "\n## {title}\n\n| id | {what} | expected | {names} |{last}\n|{}", "---|".repeat(columns));
    }
}

fn write_row(text: &mut String, (id, what): (&str, &str), expected: &str, cells: &[String]) {
    let _ = write!(text, "| {id} | {} | {} | {} |", escaped(what), escaped(expected), cells.join(" | "));
}

/// What has a meaning in a table, and control bytes.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").trim().to_owned()
}

fn cell(seen: &Observation, expected: &Expected) -> String {
    let summary = seen.summary();
    match expected {
        Expected::Refused(..) | Expected::Local(_) if seen.forwarded > 0 => format!("**{summary}**"),
        Expected::Served(_, arrives) if seen.forwarded > 0 => match seen.not_arrived(arrives) {
            complaints if complaints.is_empty() => summary,
            complaints => format!("**{summary}, {}**", complaints.join(", ")),
        },
        Expected::Refused(..) | Expected::Local(_) | Expected::Served(..) => summary,
    }
}
