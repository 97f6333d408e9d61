//! The Prometheus text of the admin API, as numbers to look up.

use std::collections::BTreeMap;

/// Series by name and labels as they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    series: BTreeMap<String, f64>,
}

// === impl Metrics ===

impl Metrics {
    /// Reads the text format; comments are skipped.
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        Self { series: samples.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect() }
    }

    /// Sum over the series of `name` that carry all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name)
            .filter(|(series, _)| labels.iter().all(|(key, value)| has_label(series, key, value)))
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether any series has this name.
    pub fn has(&self, name: &str) -> bool {
        self.of(name).next().is_some()
    }

    /// Every series with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.series.iter().map(|(series, value)| (series.as_str(), *value))
    }

    /// The value of one series as it is written.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.iter().filter(move |(series, _)| series.split('{').next() == Some(name))
    }
}

fn has_label(series: &str, key: &str, value: &str) -> bool {
    [format!("{{{key}=\"{value}\""), format!(",{key}=\"{value}\"")].iter().any(|label| series.contains(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_over_the_labels_that_are_not_named() {
        let metrics = Metrics::parse(
            "# HELP a_total x\na_total{arm=\"canary\",code=\"2xx\"} 3\na_total{arm=\"canary\",code=\"5xx\"} 4\na_total{arm=\"stable\",code=\"2xx\"} 5\nb 1e3\n",
        );
        assert_eq!(metrics.sum("a_total", &[("arm", "canary")]), 7.0);
        assert_eq!(metrics.sum("a_total", &[]), 12.0);
        assert_eq!(metrics.get("b"), Some(1000.0));
        assert!(metrics.has("b") && !metrics.has("a"));
    }
}
