//! Prometheus's protobuf format, the only one that carries native histograms.
//!
//! The messages are those of `io.prometheus.client`, as far as they are used. They are written down here as Rust types,
//! so that the build needs no compiler for the schema.

use prost::Message;

use super::family::{self, Family, Kind, Sample, Value};
use crate::exemplars;

/// Resolution of native buckets: 2^5 for each doubling.
const SCHEMA: i32 = 5;

/// Nothing is as near to zero as this: what Prometheus's own clients say.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(enumeration = "MetricType", tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Counter {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(message, optional, tag = "2")]
    exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Every family with its length before it.
pub(super) fn encode(families: &[Family]) -> Vec<u8> {
    families.iter().flat_map(|family| MetricFamily::from(family).encode_length_delimited_to_vec()).collect()
}

impl From<&Family> for MetricFamily {
    fn from(family: &Family) -> Self {
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Summary => MetricType::Summary,
        };
        let metric = family.samples.iter().map(|sample| Metric::new(sample, family.kind)).collect();
        Self { name: family.name.clone(), help: family.help.clone(), kind: kind.into(), metric }
    }
}

// === impl Metric ===

impl Metric {
    fn new(sample: &Sample, kind: Kind) -> Self {
        let label = sample.labels.iter().map(|(name, value)| LabelPair::new(name, value)).collect();
        let metric = Self { label, ..Self::default() };
        match &sample.value {
            Value::Number(value, exemplar) if kind == Kind::Counter => {
                let exemplar = exemplar.as_ref().map(Exemplar::from);
                Self { counter: Some(Counter { value: *value, exemplar }), ..metric }
            }
            Value::Number(value, _) => Self { gauge: Some(Gauge { value: *value }), ..metric },
            Value::Summary { sum, count } => {
                Self { summary: Some(Summary { sample_count: *count, sample_sum: *sum }), ..metric }
            }
            Value::Histogram(histogram) => Self { histogram: Some(histogram.into()), ..metric },
        }
    }
}

impl LabelPair {
    fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned() }
    }
}

impl From<&exemplars::Exemplar> for Exemplar {
    fn from(exemplar: &exemplars::Exemplar) -> Self {
        let nanos = (exemplar.at.fract() * 1e9) as i32;
        Self {
            label: vec![LabelPair::new("trace_id", exemplar.trace.as_str())],
            value: exemplar.seconds,
            timestamp: Some(Timestamp { seconds: exemplar.at as i64, nanos }),
        }
    }
}

impl From<&family::Histogram> for Histogram {
    fn from(histogram: &family::Histogram) -> Self {
        let mut cumulative_count = 0;
        let bucket = histogram.all().map(|bucket| {
            cumulative_count += bucket.count;
            let exemplar = bucket.exemplar.as_ref().map(Exemplar::from);
            Bucket { cumulative_count, upper_bound: bucket.bound, exemplar }
        });
        let mut message = Self { bucket: bucket.collect(), sample_sum: histogram.sum, ..Self::default() };
        message.sample_count = cumulative_count;
        if let Some(native) = &histogram.native {
            message.schema = SCHEMA;
            // Without it a histogram that has seen nothing yet would not be known as a native one.
            message.zero_threshold = ZERO_THRESHOLD;
            (message.positive_span, message.positive_delta) = spans(native);
        }
        message
    }
}

/// Runs of buckets, each with its distance from the one before, and each bucket's difference to the one before.
fn spans(buckets: &[(i32, u64)]) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<BucketSpan>, Vec<i64>) = Default::default();
    let (mut next, mut before) = (0, 0);
    for &(index, count) in buckets {
        match spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => spans.push(BucketSpan { offset: index - next, length: 1 }),
        }
        next = index + 1;
        let count = count as i64;
        deltas.push(count - before);
        before = count;
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_buckets_become_spans_and_differences() {
        let (spans, deltas) = spans(&[(-5, 3), (-4, 1), (0, 7)]);
        let spans: Vec<_> = spans.iter().map(|span| (span.offset, span.length)).collect();
        assert_eq!((spans.as_slice(), deltas.as_slice()), (&[(-5, 2), (3, 1)][..], &[3, -2, 6][..]));
    }

    #[test]
    fn a_family_is_the_bytes_that_the_schema_asks_for() {
        let sample = Sample::new(&[("a", "b")], Value::Number(2.0, None));
        let family = Family { name: "n".to_owned(), kind: Kind::Gauge, help: "h".to_owned(), samples: vec![sample] };
        let number = 2f64.to_le_bytes();
        let mut wanted = vec![29, 10, 1, b'n', 18, 1, b'h', 24, 1, 34, 19, 10, 6, 10, 1, b'a', 18, 1, b'b', 18, 9, 9];
        wanted.extend(number);
        assert_eq!(encode(&[family]), wanted);
    }
}
