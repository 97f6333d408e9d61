//! Metrics in a form from which every format is written: families of samples.

use crate::exemplars::Exemplar;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// All samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: Value,
}

/// What a series says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A counter's or gauge's.
    Number(f64, Option<Exemplar>),
    Histogram(Histogram),
    /// Sum and count without quantiles.
    Summary {
        sum: f64,
        count: u64,
    },
}

/// A histogram with classic buckets, and perhaps native ones beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// Upper bounds and how many lie in each bucket, not cumulative; what is above all is in `above`.
    pub(super) buckets: Vec<Bucket>,
    pub(super) above: Bucket,
    pub(super) sum: f64,
    /// Native buckets of schema 5: index and count, ascending.
    pub(super) native: Option<Vec<(i32, u64)>>,
}

/// One classic bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    pub(super) bound: f64,
    pub(super) count: u64,
    pub(super) exemplar: Option<Exemplar>,
}

// === impl Kind ===

impl Kind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

// === impl Sample ===

impl Sample {
    pub(super) fn new(labels: &[(&str, &str)], value: Value) -> Self {
        let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self { labels: labels.collect(), value }
    }

    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

// === impl Histogram ===

impl Histogram {
    /// From counts by bound, the last count being what is above all.
    pub(super) fn new(bounds: impl IntoIterator<Item = f64>, counts: &[u64], sum: f64) -> Self {
        let buckets: Vec<_> =
            bounds.into_iter().zip(counts).map(|(bound, &count)| Bucket { bound, count, exemplar: None }).collect();
        let count = counts.get(buckets.len()..).unwrap_or_default().iter().sum();
        Self { buckets, above: Bucket { bound: f64::INFINITY, count, exemplar: None }, sum, native: None }
    }

    /// Every bucket, the open one last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().chain(std::iter::once(&self.above))
    }

    /// Puts an example into the bucket that its value belongs to; of two, the later stays.
    pub(super) fn illustrate(&mut self, exemplar: Exemplar) {
        let index = self.buckets.partition_point(|bucket| bucket.bound < exemplar.seconds);
        let bucket = self.buckets.get_mut(index).unwrap_or(&mut self.above);
        if bucket.exemplar.is_none_or(|known| known.at <= exemplar.at) {
            bucket.exemplar = Some(exemplar);
        }
    }
}
