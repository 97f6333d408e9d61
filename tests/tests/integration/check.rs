//! `sluice-proxy check`: examples pass, mistakes are named with their place.

use sluice_tests::sluice::check;
use sluice_tests::{Config, Sluice, binaries};

use super::pair;

/// A mistake, where it is, and what must be said about it.
const MISTAKES: [(&str, &str, &str); 12] = [
    ("listeners: [\n", "", "bad.yaml"),
    ("listners: []\n", "1:1", "listeners"),
    ("listeners:\n  - address: 127.0.0.1:99999\n", "2:14", "99999"),
    ("stateDir: a\nstateDir: b\n", "2:1", "stateDir"),
    ("listeners:\n  - address: 127.0.0.1:8080\n    port: 1\n", "3:5", "port"),
    ("rollouts:\n  - name: shop\n    stable: { version: v1, endpoints: [] }\n", "3:39", "endpoint"),
    (
        "rollouts:\n  - name: a\n    stable: { version: v1, endpoints: [\"h:1\"] }\n    strategy: { canary: { steps: [{ setWeight: 101 }] } }\n",
        "4:48",
        "101",
    ),
    (
        "rollouts:\n  - name: a\n    stable: { version: v1, endpoints: [\"h:1\"] }\n    strategy: { canary: { steps: [{ pause: { duration: 5 minutes } }] } }\n",
        "4:56",
        "5 minutes",
    ),
    (
        "rollouts:\n  - name: a\n    stable: { version: v1, endpoints: [\"h:1\"] }\n    analysis: { successRate: { min: 40% } }\n",
        "4:37",
        "40",
    ),
    (
        "rollouts:\n  - name: a\n    stable: { version: v1, endpoints: [\"h:1\"] }\n    routing: { header: { name: X, pattern: \"(\" } }\n",
        "4:44",
        "pattern",
    ),
    ("routes:\n  - hosts: [a.example]\n    rollout: none\n", "3:14", "none"),
    ("admin: { address: 0.0.0.0:9900 }\n", "1:19", "auth"),
];

#[tokio::test]
async fn every_example_is_accepted() {
    let directory = binaries::repository().join("examples");
    let mut files = 0;
    for entry in std::fs::read_dir(directory).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            check(&path).await.assert_code(0);
            files += 1;
        }
    }
    assert!(files >= 7, "{files} examples");
}

#[tokio::test]
async fn mistakes_are_refused_with_file_line_and_column() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("bad.yaml");
    let mut wrong = Vec::new();
    for (text, place, word) in MISTAKES {
        std::fs::write(&file, text).expect("a file");
        let refused = check(&file).await;
        let place = format!("{}:{place}", file.display());
        let output = refused.output();
        if refused.code != Some(1) || !output.contains(&place) || !output.contains(word) {
            wrong.push(format!("{text}→ {:?}, expected {place} and {word:?}:\n{output}", refused.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn all_mistakes_are_named_not_just_the_first() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("bad.yaml");
    std::fs::write(&file, "listners: []\nworkers: many\nstateDir: [1]\n").expect("a file");
    let refused = check(&file).await;
    refused.assert_code(1);
    for line in [1, 2, 3] {
        assert!(
            refused.output().contains(&format!("{}:{line}:", file.display())),
            "line {line} in\n{}",
            refused.output()
        );
    }
}

#[tokio::test]
async fn a_missing_file_and_a_hostile_one_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    check(&directory.path().join("none.yaml")).await.assert_code(1);
    let file = directory.path().join("bad.yaml");
    let aliases: String =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))).collect();
    for text in [
        format!("a0: &a0 [x]\n{aliases}"),
        "[".repeat(100_000),
        format!("stateDir: {}\n", "x".repeat(20 << 20)),
        "\u{0}".to_owned(),
    ] {
        std::fs::write(&file, text).expect("a file");
        check(&file).await.assert_code(1);
    }
}

#[tokio::test]
async fn a_bad_file_at_the_start_ends_the_program_with_1_and_the_place() {
    let (stable, canary) = pair().await;
    let mut sluice = Sluice::prepare(Config::with_canary(&stable, &canary));
    sluice.write_config_text("listners: []\n");
    let refused = sluice.run_to_end().await;
    assert_eq!(refused.code, Some(1), "{}", refused.output());
    assert!(refused.output().contains("sluice.yaml:1:1"), "{}", refused.output());
}
