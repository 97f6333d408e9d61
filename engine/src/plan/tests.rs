use super::*;

fn mk_plan(strategy: &str, analysis: &str) -> Result<Plan, Vec<Problem>> {
    let strategy: RawStrategy = serde_json::from_str(strategy).expect("strategy parses");
    let analysis: RawAnalysis = serde_json::from_str(analysis).expect("analysis parses");
    Plan::try_from_raw(strategy, &analysis, false, false)
}

fn mk_steps(strategy: &str) -> Vec<WeightStep> {
    match mk_plan(strategy, "{}").expect("a valid plan").strategy {
        Strategy::Canary { steps } => steps,
        other => panic!("expected a canary strategy, got {other:?}"),
    }
}

#[test]
fn pauses_belong_to_the_weight_before_them_and_a_final_step_of_100_is_added() {
    let steps = mk_steps(
        r#"{"canary": {"steps": [{"setWeight": 10}, {"pause": {"duration": "5m"}}, {"setWeight": 50}, {"pause": {}}], "bake": "1m"}}"#,
    );
    let seen: Vec<_> =
        steps.iter().map(|step| (step.weight.percent(), step.duration.get(), step.waits_for_person)).collect();
    assert_eq!(seen, [(10.0, 300_000, false), (50.0, 0, true), (100.0, 60_000, false)]);
}

#[test]
fn a_written_100_is_the_final_step_and_bakes() {
    let steps = mk_steps(
        r#"{"canary": {"steps": [{"setWeight": 50}, {"setWeight": 100}, {"pause": {"duration": "10s"}}], "bake": "5s"}}"#,
    );
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1].duration, Millis::new(15_000));
}

#[test]
fn every_problem_is_reported_with_its_path_and_value() {
    let problems = mk_plan(
        r#"{"canary": {"steps": [{"pause": {}}, {"setWeight": 50}, {"setWeight": 20}, {"setWeight": 0}]}}"#,
        r#"{"successRate": {"min": "40%", "interval": "1ms"}, "latency": {"max": "0s"}, "falseRevertBudget": 2}"#,
    )
    .expect_err("nothing here is right");
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    for path in [
        "strategy.canary.steps[0]",
        "strategy.canary.steps[2].setWeight",
        "strategy.canary.steps[3].setWeight",
        "analysis.successRate.min",
        "analysis.successRate.interval",
        "analysis.latency.max",
        "analysis.falseRevertBudget",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
    assert!(problems.iter().any(|problem| problem.message.starts_with("20:")), "{problems:?}");
}

#[test]
fn exactly_one_strategy_is_allowed() {
    assert!(mk_plan("{}", "{}").is_err());
    assert!(mk_plan(r#"{"canary": {}, "manual": {}}"#, "{}").is_err());
    assert!(mk_plan(r#"{"manual": {"weight": "25%"}}"#, "{}").is_ok());
}

#[test]
fn measurements_take_one_rule_and_the_documented_defaults() {
    let plan = mk_plan(
        r#"{"manual": {}}"#,
        r#"{"successRate": {"min": "97%", "consecutiveFailures": 2}, "latency": {"max": "200ms"}}"#,
    )
    .unwrap();
    assert_eq!(plan.analysis.backstops.len(), 1);
    assert_eq!((plan.analysis.backstops[0].interval_ms, plan.analysis.backstops[0].window_ms), (30_000, 120_000));
    assert!((plan.analysis.theta - 0.03).abs() < 1e-12);
    assert_eq!(plan.analysis.latency, Some(LatencyLimit { theta: 0.05, limit_ms: 200 }));
    assert!(mk_plan(r#"{"manual": {}}"#, r#"{"successRate": {"consecutiveFailures": 2, "threshold": 3}}"#).is_err());
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for analysis in
        [r#"{"sucessRate": {}}"#, r#"{"successRate": {"minimum": 1}}"#, r#"{"latency": {"max": "1s", "p": 1}}"#]
    {
        assert!(serde_json::from_str::<RawAnalysis>(analysis).is_err(), "{analysis}");
    }
}

#[test]
fn the_step_deadline_is_ten_steps_but_never_below_ten_minutes() {
    let plan = mk_plan(r#"{"manual": {}}"#, "{}").unwrap();
    assert_eq!(plan.deadline_of(Millis::new(5_000)), Millis::new(600_000));
    assert_eq!(plan.deadline_of(Millis::new(600_000)), Millis::new(6_000_000));
}
