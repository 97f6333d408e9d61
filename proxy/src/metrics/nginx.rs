//! The series that ingress-nginx has, with its names, labels and bounds, where the configuration asks for them.

use std::collections::BTreeMap;

use super::family::{Family, Histogram, Kind, Sample, Value};
use crate::nginx::{BOUNDS_US, METHODS, SeriesKey, SeriesSums, TimeSums};
use crate::snapshot::Place;

/// Requests.
pub const NGINX_REQUESTS: &str = "nginx_ingress_controller_requests";
/// Time of requests.
pub const NGINX_REQUEST_DURATION: &str = "nginx_ingress_controller_request_duration_seconds";
/// Time of upstreams.
pub const NGINX_RESPONSE_DURATION: &str = "nginx_ingress_controller_response_duration_seconds";
/// Time to the head of the answer. Flagger's built-in query for latency reads it.
pub const NGINX_UPSTREAM_LATENCY: &str = "nginx_ingress_controller_ingress_upstream_latency_seconds";

/// The value of `controller_class`.
const CLASS: &str = "sluice";

type Series = (Place, BTreeMap<SeriesKey, SeriesSums>);

/// The four families; none without places.
pub(super) fn families(all: &[Series], pod: &str) -> Vec<Family> {
    if all.is_empty() {
        return Vec::new();
    }
    let family =
        |name: &str, kind, help: &str, samples| Family { name: name.to_owned(), kind, help: help.to_owned(), samples };
    let each = |value: fn(&SeriesSums) -> Option<Value>| -> Vec<Sample> {
        let series = all.iter().flat_map(|(place, series)| series.iter().map(move |(key, sums)| (place, key, sums)));
        series.filter_map(|(place, key, sums)| Some(sample(place, *key, pod, value(sums)?))).collect()
    };
    vec![
        family(
            NGINX_REQUESTS,
            Kind::Counter,
            "The total number of client requests.",
            each(|sums| Some(Value::Number(sums.request.count() as f64, None))),
        ),
        family(
            NGINX_REQUEST_DURATION,
            Kind::Histogram,
            "The time from a request's head to the last byte of its answer.",
            each(|sums| Some(histogram(&sums.request))),
        ),
        family(
            NGINX_RESPONSE_DURATION,
            Kind::Histogram,
            "The same of requests for which an upstream was asked.",
            each(|sums| (sums.response.count() > 0).then(|| histogram(&sums.response))),
        ),
        family(
            NGINX_UPSTREAM_LATENCY,
            Kind::Summary,
            "The time from a request's head to the head of the upstream's answer.",
            all.iter().flat_map(|(place, series)| latencies(place, series, pod)).collect(),
        ),
    ]
}

fn sample(place: &Place, key: SeriesKey, pod: &str, value: Value) -> Sample {
    let status = key.status.to_string();
    let labels =
        [("status", status.as_str()), ("method", METHODS[key.method]), ("path", &place.path), ("host", &place.host)];
    let mut sample = Sample::new(&labels, value);
    sample.labels.extend(common(place, key.is_canary, pod));
    sample
}

/// By arm only, as ingress-nginx has it; places with several hosts and paths are told apart by nothing, so they would
/// clash: host and path are added.
fn latencies(place: &Place, series: &BTreeMap<SeriesKey, SeriesSums>, pod: &str) -> Vec<Sample> {
    let arms = [false, true].into_iter().filter_map(|is_canary| {
        let sums = series.iter().filter(|(key, _)| key.is_canary == is_canary).map(|(_, sums)| sums);
        let (count, sum_us) = sums.fold((0, 0), |(count, sum), s| (count + s.heads, sum + s.heads_sum_us));
        let value = Value::Summary { sum: sum_us as f64 / 1e6, count };
        let mut sample = Sample::new(&[("path", &place.path), ("host", &place.host)], value);
        sample.labels.extend(common(place, is_canary, pod));
        (count > 0).then_some(sample)
    });
    arms.collect()
}

fn common(place: &Place, is_canary: bool, pod: &str) -> Vec<(String, String)> {
    let canary = if is_canary { place.canary() } else { String::new() };
    let labels: [(&str, &str); 7] = [
        ("namespace", &place.namespace),
        ("ingress", &place.ingress),
        ("service", &place.ingress),
        ("canary", &canary),
        ("controller_class", CLASS),
        ("controller_namespace", &place.namespace),
        ("controller_pod", pod),
    ];
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn histogram(times: &TimeSums) -> Value {
    let bounds = BOUNDS_US.iter().map(|&us| us as f64 / 1e6);
    Value::Histogram(Histogram::new(bounds, &times.buckets, times.sum_us as f64 / 1e6))
}
