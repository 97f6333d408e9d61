//! Bodies as they go out, compared with files. `SLUICE_BLESS=1` writes the files anew; look at the difference then.

use std::path::Path;

use serde_json::Value;
use sluice_api::RevertStatus;
use sluice_engine::judge::{Metric, Rule, Verdict, WindowKind};
use sluice_engine::rollout::Reason;

use super::*;
use crate::notify::destination::Severity;
use crate::notify::notice::Kind;
use crate::notify::template::Template;

fn mk_notice(kind: Kind, reason: Reason, message: &str) -> Notice {
    Notice {
        sequence: 1_795_573_310_123,
        at_ms: 1_795_573_310_123,
        kind,
        rollout: Some("shop".to_owned()),
        generation: 7,
        version: "v2".to_owned(),
        stable: "v1".to_owned(),
        weight: 0.0,
        reason: Some(reason),
        message: message.to_owned(),
        waits_for: Vec::new(),
        verdict: None,
        revert: None,
    }
}

fn mk_reverted() -> Notice {
    let verdict = Verdict {
        rule: Rule::Sequential,
        metric: Metric::Failures,
        tick: 90,
        window: WindowKind::Step,
        from_tick: 2,
        n: 5,
        x: 5,
        n_stable: 17,
        x_stable: 0,
        abs: Some(20.7),
        abs_threshold: 18.8,
        rel: Some(9.4),
        rel_threshold: 4.6,
        record: None,
    };
    Notice {
        verdict: Some(verdict),
        revert: Some(RevertStatus { failed_requests: 5, user_failures: 0, milliseconds: 888.4 }),
        ..mk_notice(Kind::Reverted, Reason::Reverted, "5 of 5 canary requests failed (stable: 0 of 17)")
    }
}

fn mk_paused() -> Notice {
    let message = "the plan waits here for a person: resume or promote";
    Notice {
        weight: 12.5,
        waits_for: vec!["212 of 468 requests needed to trust the success rate".to_owned()],
        ..mk_notice(Kind::Paused, Reason::PauseStep, message)
    }
}

fn mk_completed() -> Notice {
    mk_notice(Kind::Completed, Reason::Completed, "v2 is the stable version now")
}

fn mk_refused() -> Notice {
    Notice::of_server(Kind::ConfigurationRefused, 1_795_573_310_123, "sluice.yaml:3:1: <b> & more".to_owned())
}

fn assert_golden(name: &str, body: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/format/golden").join(format!("{name}.json"));
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, format!("{body:#}\n")).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(format!("{body:#}\n"), golden, "{name}");
}

#[test]
fn slack_gets_blocks_and_a_text() {
    assert_golden("slack-reverted", &slack::body(&mk_reverted(), None));
    assert_golden("slack-paused", &slack::body(&mk_paused(), None));
    assert_golden("slack-configuration", &slack::body(&mk_refused(), None));
}

#[test]
fn teams_gets_a_card() {
    assert_golden("teams-reverted", &teams::body(&mk_reverted(), None));
    assert_golden("teams-completed", &teams::body(&mk_completed(), None));
}

#[test]
fn pagerduty_gets_a_trigger_and_the_resolve_that_belongs_to_it() {
    let body = |notice: &Notice| pagerduty::body(notice, None, "KEY", Severity::Critical);
    assert_golden("pagerduty-reverted", &body(&mk_reverted()));
    assert_golden("pagerduty-completed", &body(&mk_completed()));
    assert_eq!(body(&mk_reverted())["dedup_key"], body(&mk_completed())["dedup_key"]);
}

#[test]
fn pagerduty_hears_of_problems_and_their_ends_only() {
    let action = |kind, reason| pagerduty::action(&mk_notice(kind, reason, ""));
    assert_eq!(pagerduty::action(&mk_reverted()), Some("trigger"));
    let held = Notice { kind: Kind::Held, ..mk_reverted() };
    assert_eq!(pagerduty::action(&held), Some("trigger"));
    for (kind, reason, expected) in [
        (Kind::Held, Reason::Step, Some("resolve")),
        (Kind::Suspended, Reason::Suspended, Some("trigger")),
        (Kind::Suspended, Reason::Step, Some("resolve")),
        (Kind::Paused, Reason::Inconclusive, Some("trigger")),
        (Kind::Paused, Reason::Worse, Some("trigger")),
        (Kind::Paused, Reason::PauseStep, None),
        (Kind::Paused, Reason::ByCommand, None),
        (Kind::Step, Reason::Step, None),
        (Kind::Started, Reason::Step, Some("resolve")),
        (Kind::Resumed, Reason::Step, Some("resolve")),
        (Kind::Aborted, Reason::Aborted, Some("resolve")),
    ] {
        assert_eq!(action(kind, reason), expected, "{kind:?} {reason:?}");
    }
    assert_eq!(pagerduty::action(&mk_refused()), None);
}

#[test]
fn a_webhook_gets_everything() {
    assert_golden("webhook-reverted", &webhook::body(&mk_reverted(), None));
    assert_golden("webhook-paused", &webhook::body(&mk_paused(), None));
    assert_golden("webhook-configuration", &webhook::body(&mk_refused(), None));
}

#[test]
fn a_template_replaces_the_words_and_what_fills_it_can_call_nobody() {
    let template = Template::parse("<!here> {rollout} {version}: {message}").unwrap();
    let notice = Notice { version: "<!channel>".to_owned(), ..mk_paused() };
    assert_golden("slack-template", &slack::body(&notice, Some(&template)));
    let text = webhook::body(&notice, Some(&template))["text"].clone();
    assert_eq!(text, format!("<!here> shop <!channel>: {}", notice.message));
}

#[test]
fn nothing_is_longer_than_its_receiver_allows() {
    let notice = Notice { message: "ü".repeat(5_000), version: "v".repeat(300), ..mk_reverted() };
    let slack = slack::body(&notice, None);
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    assert_eq!(length(&slack["blocks"][0]["text"]["text"]), 150);
    assert_eq!(length(&slack["blocks"][1]["text"]["text"]), 3_000);
    assert_eq!(length(&pagerduty::body(&notice, None, "KEY", Severity::Info)["payload"]["summary"]), 1_024);
}
