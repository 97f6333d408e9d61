//! Every vector of the file is answered with the expected fields: scores within the tolerance, all else exactly.

use serde_json::Value;
use sluice_engine::replay::VectorFile;

const FILE: &str = include_str!("data/vectors.json");

#[test]
fn every_vector_is_answered_as_expected() {
    let expected: Value = serde_json::from_str(FILE).unwrap();
    let tolerance = expected["tolerance"].as_f64().unwrap();
    let answers = serde_json::from_str::<VectorFile>(FILE).unwrap().answers().unwrap();
    let vectors = expected["vectors"].as_array().unwrap();
    assert_eq!(answers.len(), vectors.len());
    for (vector, answer) in vectors.iter().zip(&answers) {
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer["id"], vector["id"]);
        for (field, expected) in vector["expect"].as_object().unwrap() {
            assert!(
                agree(&answer[field], expected, tolerance),
                "{}: {field} is {}, not {expected}",
                vector["id"],
                answer[field]
            );
        }
    }
}

#[test]
fn a_bad_vector_is_refused_with_place_and_value() {
    let window = |change: &str| {
        format!(
            r#"{{"format":1,"vectors":[{{"id":"v","kind":"window","metric":"failures","window":"step",{change}}}]}}"#
        )
    };
    let cases = [
        (window(r#""theta":0.6,"rows":[[0.05,1,0,1,0]]"#), vec!["theta", "0.6"]),
        (window(r#""theta":0.01,"rows":[[1.5,1,0,1,0]]"#), vec!["rows[0]", "1.5"]),
        (window(r#""theta":0.01,"rows":[[0.5,1,0,1,0],[0.5,1,2,1,0]]"#), vec!["rows[1]", "2 failures among 1"]),
        (window(r#""theta":0.01,"rows":[[0.5,-1,0,1,0]]"#), vec!["rows[0]", "-1"]),
        (r#"{"format":2,"vectors":[]}"#.to_owned(), vec!["format", "2"]),
    ];
    for (file, words) in cases {
        let error = serde_json::from_str::<VectorFile>(&file).unwrap().answers().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn an_unknown_kind_is_refused_by_name() {
    let file = r#"{"format":1,"vectors":[{"id":"v","kind":"oracle"}]}"#;
    let error = serde_json::from_str::<VectorFile>(file).unwrap_err().to_string();
    assert!(error.contains("oracle") && error.contains("window"), "{error}");
}

fn agree(answer: &Value, expected: &Value, tolerance: f64) -> bool {
    match (answer, expected) {
        (Value::Number(a), Value::Number(b)) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= tolerance,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b, tolerance))
        }
        _ => answer == expected,
    }
}
