//! Every trace ends as expected: verdict, metric, tick and window exactly, scores within 0.002.

use std::path::Path;

use serde_json::Value;
use sluice_engine::replay::Trace;

const TOLERANCE: f64 = 0.002;

#[test]
fn every_trace_ends_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        check(&text);
        seen += 1;
    }
    assert!(seen >= 13, "{seen} traces");
}

fn check(text: &str) {
    let expected: Value = serde_json::from_str(text).unwrap();
    let trace: Trace = serde_json::from_str(text).unwrap();
    let answer = serde_json::to_value(trace.replay().unwrap()).unwrap();
    for (field, expected) in expected["expect"].as_object().unwrap() {
        let agree = match (&answer[field], expected, field.as_str()) {
            (Value::Number(a), Value::Number(b), "abs" | "rel" | "pro") => {
                (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= TOLERANCE
            }
            (answer, expected, _) => answer == expected,
        };
        assert!(agree, "{}: {field} is {}, not {expected} ({answer})", trace.name, answer[field]);
    }
}

#[test]
fn a_bad_trace_is_refused_with_place_and_value() {
    let trace = |head: &str, rows: &str| format!(r#"{{"format":1,"endTick":9,{head}"rows":{rows}}}"#);
    let cases = [
        (trace("", "[[0,0.5,[],[]],[2,0.5,[],[]],[1,0.5,[],[]]]"), ["rows[2]", "tick 1"]),
        (trace("", "[[1,0.5,[],[]]]"), ["rows[0]", "tick 1"]),
        (trace("", "[]"), ["rows", "no row"]),
        (trace("", "[[0,1.5,[],[]]]"), ["rows[0]", "1.5"]),
        (trace("", "[[0,0.5,[[1,5]],[]]]"), ["rows[0]", "age 1"]),
        (trace("", "[[0,0.5,[],[]],[10,0.5,[],[]]]"), ["rows[1]", "endTick 9"]),
        (trace(r#""config":{"successRate":0.3},"#, "[[0,0.5,[],[]]]"), ["successRate", "0.3"]),
        (trace(r#""config":{"guard":0},"#, "[[0,0.5,[],[]]]"), ["guard", "0"]),
        (trace(r#""tickMs":10,"#, "[[0,0.5,[],[]]]"), ["tickMs", "10"]),
    ];
    for (text, words) in cases {
        let error = serde_json::from_str::<Trace>(&text).unwrap().replay().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let unknown = trace(r#""config":{"guard":"maybe"},"#, "[[0,0.5,[],[]]]");
    let error = serde_json::from_str::<Trace>(&unknown).unwrap_err().to_string();
    assert!(error.contains("maybe") && error.contains("off"), "{error}");
    let endless = r#"{"format":1,"endTick":10000000000,"rows":[[0,0.5,[],[]]]}"#;
    let error = serde_json::from_str::<Trace>(endless).unwrap().replay().unwrap_err().to_string();
    assert!(error.contains("endTick") && error.contains("10000000000"), "{error}");
}

#[test]
fn a_trace_without_canary_requests_is_inconclusive() {
    let text = r#"{"format":1,"endTick":99,"rows":[[0,0.05,[],[[0,10,10,0,10]]]]}"#;
    let answer = serde_json::from_str::<Trace>(text).unwrap().replay().unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["verdict"], "inconclusive");
    assert_eq!(answer["metric"], Value::Null);
    assert_eq!(answer["tick"], 99);
}
