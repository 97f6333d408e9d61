//! A recorder of the `metrics` facade that yields families: for the formats that the Prometheus exporter's text is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::family::{Family, Kind, Sample, Value};

/// What one scrape sets.
#[derive(Debug, Default)]
pub(super) struct Collector(Mutex<BTreeMap<String, Collected>>);

#[derive(Debug, Default)]
struct Collected {
    help: String,
    is_counter: bool,
    series: BTreeMap<Vec<(String, String)>, Arc<AtomicU64>>,
}

// === impl Collector ===

impl Collector {
    /// Families in the order of their names, without those that have no series.
    pub(super) fn into_families(self) -> Vec<Family> {
        let collected = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let used = collected.into_iter().filter(|(_, collected)| !collected.series.is_empty());
        used.map(|(name, collected)| collected.into_family(name)).collect()
    }

    fn describe(&self, name: &KeyName, is_counter: bool, help: &SharedString) {
        let mut families = self.lock();
        let family = families.entry(name.as_str().to_owned()).or_default();
        family.is_counter = is_counter;
        family.help = help.to_string();
    }

    fn series(&self, key: &Key, is_counter: bool) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let mut families = self.lock();
        let family = families.entry(key.name().to_owned()).or_default();
        family.is_counter = is_counter;
        Arc::clone(family.series.entry(labels).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Collected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Collector {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, true, &description);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, false, &description);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key, true))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key, false))
    }

    /// Histograms are kept as buckets elsewhere; none goes through the facade.
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

// === impl Collected ===

impl Collected {
    fn into_family(self, name: String) -> Family {
        let Self { help, is_counter, series } = self;
        let value = |bits: u64| if is_counter { bits as f64 } else { f64::from_bits(bits) };
        let samples = series.into_iter().map(|(labels, number)| {
            let value = Value::Number(value(number.load(Relaxed)), None);
            Sample { labels, value }
        });
        let kind = if is_counter { Kind::Counter } else { Kind::Gauge };
        Family { name, kind, help, samples: samples.collect() }
    }
}
