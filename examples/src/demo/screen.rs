//! What is shown: lines that stay, and below them, on a terminal, one that changes.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use sluice_api::{ArmStatus, RolloutStatus};
use tokio::time::Instant;

/// Without a terminal a line of the changing kind is written so often.
const PLAIN_PERIOD: Duration = Duration::from_secs(1);

const BAR: usize = 20;

/// The terminal, or whatever stands for it.
#[derive(Debug)]
pub(super) struct Screen {
    is_terminal: bool,
    has_live_line: bool,
    shown: Option<Instant>,
    start: Instant,
}

// === impl Screen ===

impl Screen {
    pub(super) fn new() -> Self {
        Self { is_terminal: stdout().is_terminal(), has_live_line: false, shown: None, start: Instant::now() }
    }

    /// A line that stays.
    pub(super) fn say(&mut self, text: &str) {
        let erase = if std::mem::take(&mut self.has_live_line) { "\r\x1b[K" } else { "" };
        self.write(&format!("{erase}{text}\n"));
    }

    /// The title of a story.
    pub(super) fn title(&mut self, text: &str) {
        let (bold, plain) = if self.is_terminal { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        self.say(&format!("\n{bold}{text}{plain}"));
    }

    /// Something that happened just now.
    pub(super) fn event(&mut self, text: &str) {
        self.say(&format!("  {:6.1} s  {text}", self.start.elapsed().as_secs_f64()));
    }

    /// How things stand; replaces the line before on a terminal.
    pub(super) fn live(&mut self, status: &RolloutStatus) {
        let line = describe(status);
        if self.is_terminal {
            self.has_live_line = true;
            // Cut rather than wrapped: a wrapped line can't be erased.
            self.write(&format!("\r\x1b[K\x1b[?7l{line}\x1b[?7h"));
        } else if self.shown.is_none_or(|shown| shown.elapsed() >= PLAIN_PERIOD) {
            self.shown = Some(Instant::now());
            self.write(&format!("{line}\n"));
        }
    }

    fn write(&self, text: &str) {
        // Whoever reads may have gone; the stories are checked all the same.
        let mut out = stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
    }
}

fn describe(status: &RolloutStatus) -> String {
    let weight = status.weight.in_force;
    let filled = ((weight / 100.0 * BAR as f64).ceil() as usize).min(BAR);
    let mut line = format!(
        "           [{}{}] {weight:>3} %  {}",
        "#".repeat(filled),
        ".".repeat(BAR - filled),
        arm(&status.stable)
    );
    if let Some(canary) = &status.canary {
        write!(line, " | {}", arm(canary)).ok();
    }
    line
}

fn arm(arm: &ArmStatus) -> String {
    let rate = arm.success_rate.map_or_else(|| "no request yet".to_owned(), |rate| format!("{:.2} % ok", rate * 100.0));
    let p95 = arm.p95_ms.map_or_else(String::new, |ms| format!(", P95 {ms:.0} ms"));
    format!("{}: {:.0}/s, {rate}{p95}", arm.version, arm.requests_per_second)
}
