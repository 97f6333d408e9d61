//! The two text formats: Prometheus's own, and OpenMetrics 1.0.
//!
//! They differ in little: OpenMetrics names a counter without `_total`, writes bounds with a point, shows examples, and
//! ends with `# EOF`. A counter whose name has no `_total` has to keep it, or queries written for it would find nothing;
//! OpenMetrics has `unknown` for such.

use std::fmt::Write;

use super::family::{Bucket, Family, Histogram, Kind, Sample, Value};
use crate::exemplars::Exemplar;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// Appends families. Writing to a string can't fail.
pub(super) fn write_all(text: &mut String, families: &[Family], dialect: Dialect) {
    for family in families {
        write_head(text, family, dialect);
        for sample in &family.samples {
            write_sample(text, &family.name, sample, dialect);
        }
    }
}

fn write_head(text: &mut String, family: &Family, dialect: Dialect) {
    let Family { name, kind, help, .. } = family;
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let (name, kind, help) = match (dialect, *kind, name.strip_suffix("_total")) {
        (Dialect::Prometheus, kind, _) => (name.as_str(), kind.label(), help),
        (Dialect::OpenMetrics, Kind::Counter, Some(stem)) => (stem, "counter", help.replace('"', "\\\"")),
        (Dialect::OpenMetrics, Kind::Counter, None) => (name.as_str(), "unknown", help.replace('"', "\\\"")),
        (Dialect::OpenMetrics, kind, _) => (name.as_str(), kind.label(), help.replace('"', "\\\"")),
    };
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn write_sample(text: &mut String, name: &str, sample: &Sample, dialect: Dialect) {
    let labels = labels(&sample.labels);
    match &sample.value {
        Value::Number(number, exemplar) => {
            let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = write!(text, "{name}{braced} {number}");
            // Only counters have examples, and only those that OpenMetrics knows as such.
            end_line(text, exemplar.as_ref().filter(|_| name.ends_with("_total")), dialect);
        }
        Value::Summary { sum, count } => {
            let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
        }
        Value::Histogram(histogram) => write_histogram(text, name, &labels, histogram, dialect),
    }
}

fn write_histogram(text: &mut String, name: &str, labels: &str, histogram: &Histogram, dialect: Dialect) {
    let mut below = 0;
    for Bucket { bound, count, exemplar } in histogram.all() {
        below += count;
        let bound = match dialect {
            _ if bound.is_infinite() => "+Inf".to_owned(),
            Dialect::Prometheus => format!("{bound}"),
            Dialect::OpenMetrics => format!("{bound:?}"),
        };
        let _ = write!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
        end_line(text, exemplar.as_ref(), dialect);
    }
    let _ = writeln!(text, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {below}", histogram.sum);
}

fn end_line(text: &mut String, exemplar: Option<&Exemplar>, dialect: Dialect) {
    if let Some(Exemplar { trace, seconds, at }) = exemplar.filter(|_| dialect == Dialect::OpenMetrics) {
        let _ = write!(text, " # {{trace_id=\"{}\"}} {seconds} {at:.3}", trace.as_str());
    }
    text.push('\n');
}

fn labels(labels: &[(String, String)]) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    pairs.join(",")
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplars::TraceId;

    fn mk_families() -> Vec<Family> {
        let trace = TraceId::try_new(b"0af7651916cd43dd8448eb211c80319c").unwrap();
        let exemplar = Exemplar { trace, seconds: 0.7, at: 1_700_000_000.25 };
        let mut histogram = Histogram::new([0.5, 1.0], &[2, 1, 0], 1.5);
        histogram.illustrate(exemplar);
        let family = |name: &str, kind, value| Family {
            name: name.to_owned(),
            kind,
            help: "A \"thing\".".to_owned(),
            samples: vec![Sample::new(&[("a", "x\"y\\z\n")], value)],
        };
        vec![
            family("failures_total", Kind::Counter, Value::Number(3.0, Some(exemplar))),
            family("nginx_requests", Kind::Counter, Value::Number(4.0, None)),
            family("seconds", Kind::Histogram, Value::Histogram(histogram)),
        ]
    }

    #[test]
    fn open_metrics_names_counters_by_their_stem_and_shows_examples() {
        let mut text = String::new();
        write_all(&mut text, &mk_families(), Dialect::OpenMetrics);
        let example = "# {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.7 1700000000.250";
        let label = "a=\"x\\\"y\\\\z\\n\"";
        let wanted = format!(
            "# HELP failures A \\\"thing\\\".\n# TYPE failures counter\nfailures_total{{{label}}} 3 {example}\n\
             # HELP nginx_requests A \\\"thing\\\".\n# TYPE nginx_requests unknown\nnginx_requests{{{label}}} 4\n\
             # HELP seconds A \\\"thing\\\".\n# TYPE seconds histogram\nseconds_bucket{{{label},le=\"0.5\"}} 2\n\
             seconds_bucket{{{label},le=\"1.0\"}} 3 {example}\nseconds_bucket{{{label},le=\"+Inf\"}} 3\n\
             seconds_sum{{{label}}} 1.5\nseconds_count{{{label}}} 3\n"
        );
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_text_format_shows_neither() {
        let mut text = String::new();
        write_all(&mut text, &mk_families(), Dialect::Prometheus);
        assert!(text.contains("# TYPE failures_total counter\n") && text.contains(",le=\"1\"} 3\n"), "{text}");
        assert!(!text.contains("trace_id"), "{text}");
    }
}
