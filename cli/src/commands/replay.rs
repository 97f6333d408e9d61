//! `replay`: recomputes verdicts from a file, one JSON line for each.
//!
//! What the file is, is seen from its fields: a trace, a file of vectors, one vector (such as the record of a verdict),
//! or an answer of the admin API whose verdicts carry records, so that `sluice history shop -o json | sluice replay -`
//! does what it says.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sluice_api::{History, RolloutStatus, Verdict};
use sluice_engine::replay::{Trace, Vector, VectorFile};

use crate::exit::{Exit, Failure};
use crate::output::{Output, document};

/// Largest file: an hour of ticks is some ten megabytes.
const LIMIT: u64 = 256 << 20;

/// The fields that tell files apart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    vectors: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
    generations: Option<IgnoredAny>,
    waiting_for: Option<IgnoredAny>,
}

/// Recomputes what stands in `file`.
pub(crate) fn run(file: &Path, vectors: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let invalid = |why| Failure::File { path: name(file), why };
    let text = read(file).map_err(invalid)?;
    let lines = answers(&text, vectors).map_err(invalid)?;
    output.raw(lines.as_bytes()).map(|()| Exit::Done)
}

fn name(file: &Path) -> String {
    if is_standard_input(file) { "standard input".to_owned() } else { file.display().to_string() }
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(file: &Path) -> Result<String, String> {
    let text = match is_standard_input(file) {
        true => limited(io::stdin().lock()),
        false => File::open(file).and_then(limited),
    };
    let text = text.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if text.len() as u64 > LIMIT { Err(format!("it is larger than {} MiB", LIMIT >> 20)) } else { Ok(text) }
}

fn limited(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LIMIT + 1).read_to_string(&mut text).map(|_| text)
}

/// The lines for a file with this text.
fn answers(text: &str, vectors: bool) -> Result<String, String> {
    let fields: Fields = parse(text)?;
    if vectors || fields.vectors.is_some() {
        let answers = parse::<VectorFile>(text)?.answers().map_err(|error| error.to_string())?;
        return answers.iter().map(document::json_line).collect();
    }
    if fields.generations.is_some() {
        let history: History = parse(text)?;
        return recorded(history.generations.into_iter().filter_map(|release| release.past.verdict));
    }
    if fields.waiting_for.is_some() {
        return recorded(parse::<RolloutStatus>(text)?.verdict.into_iter());
    }
    if fields.kind.is_some() {
        return answer(&parse(text)?);
    }
    let answer = parse::<Trace>(text)?.replay().map_err(|error| error.to_string())?;
    document::json_line(&answer)
}

/// The lines of the verdicts that carry a record.
fn recorded(verdicts: impl Iterator<Item = Verdict>) -> Result<String, String> {
    let lines: String = verdicts
        .filter_map(|verdict| verdict.record)
        .map(|record| answer(&Vector::Window(record.into())))
        .collect::<Result<_, _>>()?;
    if lines.is_empty() { Err("no verdict in it carries a record".to_owned()) } else { Ok(lines) }
}

fn answer(vector: &Vector) -> Result<String, String> {
    let answer = vector.answer().map_err(|error| format!("{}: {error}", vector.id()))?;
    document::json_line(&answer)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::args::Format;
    use crate::samples;

    fn vector() -> Value {
        json!({
            "id": "five-of-five", "kind": "window", "metric": "failures", "theta": 0.01, "window": "step", "rows": [[0.05, 5, 5, 95, 0]]
        })
    }

    fn answered(file: &Value, vectors: bool) -> Vec<Value> {
        let lines = answers(&file.to_string(), vectors).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_trace_is_one_line() {
        let failing: Vec<Value> =
            (0..10).map(|tick| json!([tick, 0.1, [[0, 2, 2, 2, 2]], [[0, 18, 18, 0, 18]]])).collect();
        let trace =
            json!({ "format": 1, "name": "failing", "config": {}, "tickMs": 50, "endTick": 9, "rows": failing });
        let lines = answered(&trace, false);
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["verdict"], &lines[0]["metric"]), (&json!("revert"), &json!("failures")));
    }

    #[test]
    fn vectors_are_a_line_each_whether_announced_or_not() {
        let file = json!({ "format": 1, "tolerance": 0.002, "vectors": [vector(), vector()] });
        for announced in [true, false] {
            let lines = answered(&file, announced);
            assert_eq!(lines.len(), 2);
            assert_eq!((&lines[0]["id"], &lines[0]["decision"]), (&json!("five-of-five"), &json!("revert")));
        }
    }

    #[test]
    fn the_record_of_a_verdict_is_recomputed_wherever_it_stands() {
        let mut past = samples::past();
        let verdict = past.past.verdict.as_mut().unwrap();
        verdict.record = Some(serde_json::from_value(vector()).unwrap());
        let status = RolloutStatus { verdict: past.verdict.clone(), ..samples::reverted() };
        let history = History { name: "shop".to_owned(), generations: vec![past, samples::past()] };
        for file in [vector(), json!(history), json!(status)] {
            let lines = answered(&file, false);
            assert_eq!(lines.len(), 1, "{file}");
            assert_eq!(lines[0]["decision"], json!("revert"));
        }
    }

    #[test]
    fn an_invalid_file_is_exit_1_with_its_name_and_the_place() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("{\n \"rows\": 5,\n}", "line 3"),
            ("", "line 1"),
            ("[]", "line 1"),
            ("{}", "missing field"),
            ("{\"vectors\":[{\"kind\":\"newer\"}]}", "newer"),
            ("{\"name\":\"shop\",\"generations\":[]}", "no verdict in it carries a record"),
        ] {
            let path = folder.path().join("file.json");
            std::fs::write(&path, text).unwrap();
            let failure = run(&path, false, &mut Output::plain(io::sink(), Format::Table)).unwrap_err();
            let sentence = failure.sentence(&crate::access::Credentials::none());
            assert_eq!(failure.code(), 1);
            assert!(sentence.contains("file.json") && sentence.contains(why), "{text}: {sentence}");
        }
        let missing =
            run(&folder.path().join("none"), true, &mut Output::plain(io::sink(), Format::Table)).unwrap_err();
        assert!(missing.sentence(&crate::access::Credentials::none()).ends_with("none: no such file"));
    }
}
