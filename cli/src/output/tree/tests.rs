//! What people see of one rollout, as whole screens.

use super::*;
use crate::samples;

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.write(false) + "\n").collect()
}

#[test]
fn a_rollout_under_way_shows_where_it_stands_and_what_it_waits_for() {
    assert_eq!(
        text(&lines(&samples::progressing(), Shape::default())),
        "\
shop   ◐ Progressing · Step   canary, generation 7
Step 1 of 4 at 10 %.

Steps       [10] ─ 25 ─ 50 ─ 100 %   step 1 of 4, 2m 10s of at least 5m
Weight      ██░░░░░░░░░░░░░░░░░░░░░░  10 % to v2, 90 % to v1

            stable v1                     canary v2
Endpoints   ● 127.0.0.1:9001              ● 127.0.0.1:9002
Requests    2,808                         316 (4 directed)
Req/s       21.6                          2.4
In flight   1                             0
Success     99.89 %                       99.68 %
P50         12 ms                         13 ms
P95         38 ms                         41 ms
P99         88 ms                         95 ms
Failed      3 attempts, 3 seen by users   1 attempt, 0 seen by users

Evidence    failures  ◌ undecided  1 of 312 failed (stable 3 of 2,808)   at most 1 % failed
              beyond the limit?   no sign     score −3.1 < 9.9
              worse than stable?  weak sign   score 1.4 < 4.6
              enough seen?        ███████░░░  312 of 468 requests needed, proof 1.2 of 3.0

Waits for   · the step's time: 2m 50s more
            · 156 more canary requests without a failure

Shield      1 failed canary request answered by stable

Past        v2-rc1 reverted at 25 % after 6m 12s   5 of 5 canary requests failed
"
    );
}

#[test]
fn a_rollout_that_waits_for_a_gate_says_which_and_not_that_a_person_has_to_go_on() {
    let mut status = samples::progressing();
    (status.phase, status.reason) = (sluice_api::Phase::Paused, sluice_api::Reason::WaitingForGate);
    status.step.duration_seconds = None;
    status.waiting_for = vec!["the gate change-window is closed (12 s): frozen until Monday".to_owned()];
    let shown = text(&lines(&status, Shape::default()));
    assert!(shown.contains("step 1 of 4, until a gate opens"), "{shown}");
    assert!(shown.contains("Waits for   · the gate change-window is closed (12 s): frozen until Monday"), "{shown}");
}

#[test]
fn a_taken_back_rollout_says_why_in_one_sentence() {
    assert_eq!(
        text(&analysis(&samples::reverted(), Shape { columns: Some(90), wide: false })),
        "\
shop   ✖ Degraded · Reverted   canary, generation 7
v2 was taken back; `sluice retry shop` tries it again.

Evidence    failures  ◌ undecided  1 of 312 failed (stable 3 of 2,808)   at most 1 % failed
              beyond the limit?   no sign     score −3.1 < 9.9
              worse than stable?  weak sign   score 1.4 < 4.6
              enough seen?        ███████░░░  312 of 468 requests needed, proof 1.2 of 3.0

Verdict     reverted: 5 of 5 canary requests failed (stable 0 of 95); limit: at most 1 %
            failed; score 20.7 ≥ 9.9, against stable 15.0 ≥ 4.6; 38 ms and 5 failed
            requests to weight 0, 0 seen by users

Shield      1 failed canary request answered by stable
"
    );
}

#[test]
fn a_healthy_rollout_is_short() {
    assert_eq!(
        text(&lines(&samples::healthy("api"), Shape::default())),
        "\
api   ✔ Healthy · Stable   canary, generation 7
v1 serves everyone.

Weight      ░░░░░░░░░░░░░░░░░░░░░░░░  100 % to v1

            stable v1
Endpoints   ● 127.0.0.1:9001
Requests    2,808
Req/s       21.6
In flight   1
Success     99.89 %
P50         12 ms
P95         38 ms
P99         88 ms
Failed      3 attempts, 3 seen by users
"
    );
}

#[test]
fn a_pause_without_end_says_that_a_person_has_to_go_on() {
    let mut status = samples::progressing();
    status.step.duration_seconds = None;
    status.phase = sluice_api::Phase::Paused;
    assert!(text(&lines(&status, Shape::default())).contains("step 1 of 4, for 2m 10s, until a person goes on"));
}

#[test]
fn a_weight_on_its_way_shows_both_numbers() {
    let mut status = samples::progressing();
    status.weight.wanted = 25.0;
    assert_eq!(shares(&status), "10 % to v2, 90 % to v1 (25 % wanted)");
}

#[test]
fn nothing_a_server_says_reaches_the_terminal_raw() {
    let mut status = samples::reverted();
    let evil = "\x1b]0;owned\x07\u{9b}2J\r\n\u{202e}";
    for text in [
        &mut status.name,
        &mut status.message,
        &mut status.strategy,
        &mut status.stable.version,
        &mut status.stable.endpoints[0].address,
    ] {
        text.push_str(evil);
    }
    status.metrics[0].limit.push_str(evil);
    status.waiting_for.push(evil.to_owned());
    status.history[0].past.cause.push_str(evil);
    status.stable.endpoints[0].healthy = false;
    status.stable.endpoints[0].reason = Some(evil.to_owned());
    let shown = text(&lines(&status, Shape { columns: Some(40), wide: true }));
    assert!(
        !shown.chars().any(|character| character != '\n' && super::super::text::is_hostile(character)),
        "{shown:?}"
    );
}
