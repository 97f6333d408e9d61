//! What Prometheus reads.
//!
//! Nothing is counted here: every scrape fills a fresh recorder of the `metrics` facade from the pilot's boards (which
//! read the workers' shards) and from [`Exporter::add_source`]. So a rollout that is gone leaves no stale line, and no
//! request pays for a scrape. Histograms come as buckets, which the recorder does not take; they are written beside it.
//!
//! No label takes a value that a client sent.

mod fill;
mod histogram;
mod names;

use std::sync::{Arc, Mutex, PoisonError};

use metrics_exporter_prometheus::PrometheusBuilder;

pub use names::*;

use crate::data::{Rejection, Rejections};
use crate::pilot::PilotHandle;

/// Something else that has numbers: sets them through the `metrics` facade (counters with `absolute`).
type Source = Box<dyn Fn() + Send + Sync>;

/// Writes the text of `/metrics`.
pub struct Exporter {
    pilot: PilotHandle,
    sources: Mutex<Vec<Source>>,
}

// === impl Exporter ===

impl Exporter {
    /// An exporter of what the pilot knows.
    pub fn new(pilot: PilotHandle) -> Self {
        Self { pilot, sources: Mutex::default() }
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

    /// The text.
    pub fn render(&self) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let totals = self.pilot.totals();
        metrics::with_local_recorder(&recorder, || {
            fill::describe();
            fill::server(&self.pilot);
            totals.iter().for_each(fill::rollout);
            self.lock().iter().for_each(|source| source());
        });
        let mut text = recorder.handle().render();
        histogram::write_all(&mut text, &totals);
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
