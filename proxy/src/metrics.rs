//! What Prometheus reads.
//!
//! Nothing is counted here: every scrape fills a fresh recorder of the `metrics` facade from the pilot's boards (which
//! read the workers' shards) and from [`Exporter::add_source`]. So a rollout that is gone leaves no stale line, and no
//! request pays for a scrape. Histograms come as buckets, which the recorder does not take; they are written beside it.
//!
//! A scraper that names none gets the text format. Those that ask for OpenMetrics see examples (traces of failed and slow
//! attempts), those that ask for protobuf native histograms as well.
//!
//! No label takes a value that a client sent.

mod collect;
mod family;
mod fill;
mod histogram;
mod names;
mod negotiate;
mod nginx;
mod protobuf;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

use metrics_exporter_prometheus::PrometheusBuilder;
use sluice_engine::evidence::ARMS;

pub use self::nginx::{NGINX_REQUEST_DURATION, NGINX_REQUESTS, NGINX_RESPONSE_DURATION, NGINX_UPSTREAM_LATENCY};
pub use names::*;
pub use negotiate::Exposition;

use self::collect::Collector;
use self::family::{Family, Value};
use self::text::Dialect;
use crate::access::AccessLog;
use crate::counters::FailureKind;
use crate::data::{Mirrored, Rejection, Rejections};
use crate::exemplars::Exemplars;
use crate::nginx::Registry;
use crate::pilot::{PilotHandle, RolloutTotals};
use crate::tls::{Expiry, Terminators};

/// Something else that has numbers: sets them through the `metrics` facade (counters with `absolute`).
type Source = Box<dyn Fn() + Send + Sync>;

/// Writes the text of `/metrics`.
pub struct Exporter {
    pilot: PilotHandle,
    sources: Mutex<Vec<Source>>,
    series: Arc<Registry>,
    exemplars: Arc<Exemplars>,
    /// The name of this machine, as ingress-nginx would name its pod.
    pod: String,
}

// === impl Exporter ===

impl Exporter {
    /// An exporter of what the pilot knows.
    pub fn new(pilot: PilotHandle) -> Self {
        let pod = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { pilot, sources: Mutex::default(), series: Arc::default(), exemplars: Arc::default(), pod }
    }

    /// Where workers count what ingress-nginx would count.
    pub fn series(&self) -> Arc<Registry> {
        Arc::clone(&self.series)
    }

    /// Where workers keep examples.
    pub fn exemplars(&self) -> Arc<Exemplars> {
        Arc::clone(&self.exemplars)
    }

    /// Adds numbers that the pilot does not know, such as connections. `source` is called at each
    /// scrape, on the admin's thread, with the scrape's recorder in place.
    pub fn add_source(&self, source: impl Fn() + Send + Sync + 'static) {
        self.lock().push(Box::new(source));
    }

    /// Adds the requests that workers refused before an arm was chosen.
    pub fn count_rejections(&self, rejections: Arc<Rejections>) {
        self.add_source(move || {
            for reason in Rejection::ALL {
                metrics::counter!(REJECTED, "reason" => reason.label()).absolute(rejections.get(reason));
            }
        });
    }

    /// Adds the copies of requests that workers sent to canaries.
    pub fn count_mirrored(&self, mirrored: Arc<Mirrored>) {
        self.add_source(move || {
            for (result, count) in mirrored.counts() {
                metrics::counter!(MIRRORED, "result" => result).absolute(count);
            }
        });
    }

    /// Adds the lines that the access log had to drop.
    pub fn count_dropped_lines(&self, access: AccessLog) {
        self.add_source(move || {
            let (overflows, unwritten) = access.dropped();
            for (reason, count) in [("queue_full", overflows), ("not_written", unwritten)] {
                metrics::counter!(ACCESS_LOG_DROPPED, "reason" => reason).absolute(count);
            }
        });
    }

    /// Adds what TLS listeners present, if there are any.
    pub fn show_certificates(&self, terminators: Terminators) {
        if terminators.is_empty() {
            return;
        }
        self.add_source(move || {
            for (result, count) in terminators.reloads() {
                metrics::counter!(CERTIFICATE_RELOADS, "result" => result).absolute(count);
            }
            for Expiry { listener, name, not_after } in terminators.expiries() {
                metrics::gauge!(CERTIFICATE_EXPIRY, "listener" => listener.to_string(), "name" => name)
                    .set(not_after as f64);
            }
        });
    }

    /// Everything, in this format.
    pub fn expose(&self, format: Exposition) -> Vec<u8> {
        match format {
            Exposition::Text => self.render().into_bytes(),
            Exposition::OpenMetrics => {
                let mut text = String::new();
                text::write_all(&mut text, &self.families(), Dialect::OpenMetrics);
                text.push_str("# EOF\n");
                text.into_bytes()
            }
            Exposition::Protobuf => protobuf::encode(&self.families()),
        }
    }

    /// The text.
    pub fn render(&self) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let totals = self.pilot.totals();
        self.fill(&recorder, &totals);
        let mut text = recorder.handle().render();
        text::write_all(&mut text, &self.histograms(&totals), Dialect::Prometheus);
        text
    }

    fn families(&self) -> Vec<Family> {
        let collector = Collector::default();
        let totals = self.pilot.totals();
        self.exemplars.retain(|rollout| totals.iter().any(|present| present.status.name == rollout));
        self.fill(&collector, &totals);
        let mut families = collector.into_families();
        let failures = families.iter_mut().find(|family| family.name == ATTEMPT_FAILURES);
        failures.into_iter().for_each(|family| illustrate(family, &self.exemplars));
        families.extend(self.histograms(&totals));
        families
    }

    fn fill(&self, recorder: &impl metrics::Recorder, totals: &[RolloutTotals]) {
        metrics::with_local_recorder(recorder, || {
            fill::describe();
            fill::server(&self.pilot);
            totals.iter().for_each(fill::rollout);
            self.lock().iter().for_each(|source| source());
        });
    }

    /// What no recorder takes.
    fn histograms(&self, totals: &[RolloutTotals]) -> Vec<Family> {
        let mut families = histogram::families(totals, |rollout| self.exemplars.of(rollout));
        let snapshot = self.pilot.snapshots().load_full();
        families.extend(nginx::families(&self.series.sums(snapshot.routes.places()), &self.pod));
        families
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the last trace of each kind of failure beside its counter.
fn illustrate(failures: &mut Family, exemplars: &Exemplars) {
    for sample in &mut failures.samples {
        let (rollout, arm, kind) = (sample.label("rollout"), sample.label("arm"), sample.label("kind"));
        let arm = ARMS.into_iter().find(|known| Some(known.label()) == arm);
        let kind = FailureKind::ALL.into_iter().find(|known| Some(known.label()) == kind);
        let (Some(rollout), Some(arm), Some(kind)) = (rollout, arm, kind) else { continue };
        let example = exemplars.of(rollout)[arm.index()].failures[kind.index()];
        if let Value::Number(_, exemplar) = &mut sample.value {
            *exemplar = example;
        }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
