//! `notifications:` with files beside the configuration.

use super::*;
use crate::notify::{Channel, Kind, ReceiverUrl, Severity};

fn parse_in(directory: &Path, lines: &str) -> Result<Config, ConfigErrors> {
    Config::parse(file_with(lines).as_bytes(), &directory.join("sluice.yaml"))
}

fn directory_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| std::fs::write(directory.path().join(name), content).unwrap());
    directory
}

#[test]
fn each_kind_of_destination_is_read_and_without_on_it_is_told_everything() {
    let directory = directory_with(&[("url", "https://hooks.example/SECRET\n"), ("key", "SECRET\n")]);
    let config = parse_in(
        directory.path(),
        r#"
notifications:
  - { slack: { webhookUrlFile: url }, on: [completed, reverted] }
  - { name: team, teams: { webhookUrlFile: url }, rollouts: [shop], template: "{rollout}: {message}" }
  - { pagerduty: { routingKeyFile: key, severity: error } }
  - { webhook: { url: "http://127.0.0.1:9999/SECRET", secretFile: key, authorizationFile: key, headers: { X-Key: SECRET } } }
  - { name: b, webhook: { urlFile: url }, on: [all] }
"#,
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<&str> = config.notifications.iter().map(|destination| &*destination.name).collect();
    assert_eq!(names, ["slack", "team", "pagerduty", "webhook", "b"]);
    assert_eq!(config.notifications[0].on, [Kind::Reverted, Kind::Completed].into());
    assert_eq!(config.notifications[4].on, Kind::ALL.into());
    assert_eq!(config.notifications[1].rollouts, ["shop"]);
    let Channel::PagerDuty { severity, url, .. } = &config.notifications[2].channel else { panic!("PagerDuty") };
    assert_eq!((*severity, url.to_string().as_str()), (Severity::Error, "https://events.pagerduty.com"));
    let Channel::Webhook(webhook) = &config.notifications[3].channel else { panic!("a webhook") };
    assert!(matches!(webhook.url, ReceiverUrl::Plain(_)) && webhook.secret.is_some());
    assert!(!format!("{config:?}").contains("SECRET"), "Debug of a configuration shows no secret");
}

#[test]
fn an_address_in_the_wrong_place_is_not_repeated() {
    for lines in [
        "notifications:\n  - slack: https://hooks.slack.com/SECRET",
        "notifications:\n  - slack: { webhookUrlFile: https://hooks.slack.com/SECRET }",
        "notifications:\n  - slack: { webhookUrl: https://hooks.slack.com/SECRET }",
        "notifications:\n  - webhook: { url: [https://hooks.slack.com/SECRET] }",
        "notifications:\n  - https://hooks.slack.com/SECRET",
        "notifications: https://hooks.slack.com/SECRET",
    ] {
        let errors = parse(&file_with(lines)).unwrap_err();
        let shown = format!("{errors} {}", errors.with_excerpts());
        assert!(shown.contains("notifications") && !shown.contains("SECRET"), "{shown}");
    }
}

#[test]
fn what_is_in_a_secret_s_file_is_looked_at_and_never_repeated() {
    let files = [
        ("empty", " \n"),
        ("lines", "SECRET\nSECRET"),
        ("link-local", "http://[fe80::1]/SECRET"),
        ("no-url", "SECRET"),
    ];
    let directory = directory_with(&files);
    for (file, why) in [
        ("empty", "one line of text is expected"),
        ("lines", "one line of text is expected"),
        ("link-local", "fe80::1 is refused: link-local"),
        ("no-url", "an address such as https://hooks.example/… is expected"),
    ] {
        let lines = format!("notifications: [{{ slack: {{ webhookUrlFile: {file} }} }}]");
        let errors = parse_in(directory.path(), &lines).unwrap_err().to_string();
        assert!(errors.contains("notifications[0].slack.webhookUrlFile") && errors.contains(why), "{errors}");
        assert!(!errors.contains("SECRET"), "{errors}");
    }
}
