//! What goes on beside the traffic: reloading the file and certificates, looking names up, checking
//! health, watching memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::{mpsc, watch};

use super::services::ended;
use crate::config::{Config, HealthCheck};
use crate::health::HealthChecker;
use crate::memory::MemoryWatch;
use crate::pilot::PilotHandle;
use crate::reload::{Reload, Reloader};
use crate::resolve::EndpointRegistry;
use crate::tls::CertificateWatcher;

/// The service `control`.
#[derive(Debug)]
pub(super) struct Control {
    parts: Mutex<Option<Parts>>,
    registry: Arc<EndpointRegistry>,
}

#[derive(Debug)]
struct Parts {
    /// In force; only what can't be changed while running is compared with it.
    config: Config,
    reloader: Reloader,
    pilot: PilotHandle,
    certificates: CertificateWatcher,
    memory: MemoryWatch,
}

/// Settings that the tasks follow.
struct Settings {
    resolve_interval: watch::Sender<Duration>,
    health_check: watch::Sender<Option<HealthCheck>>,
}

// === impl Control ===

impl Control {
    pub(super) fn new(
        config: Config,
        reloader: Reloader,
        pilot: PilotHandle,
        registry: Arc<EndpointRegistry>,
        certificates: CertificateWatcher,
        memory: MemoryWatch,
    ) -> Self {
        Self { parts: Mutex::new(Some(Parts { config, reloader, pilot, certificates, memory })), registry }
    }
}

#[async_trait]
impl BackgroundService for Control {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some(parts) = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let (settings, resolve_interval, health_check) = Settings::of(&parts.config);
        let registry = Arc::clone(&self.registry);
        tokio::select! {
            () = ended(shutdown.clone()) => {}
            () = registry.run(resolve_interval, shutdown.clone()) => {}
            () = HealthChecker::new(Arc::clone(&self.registry), health_check).run(shutdown.clone()) => {}
            () = parts.follow(&settings, shutdown) => {}
        }
    }
}

// === impl Parts ===

impl Parts {
    /// Takes over every valid change of the file.
    async fn follow(self, settings: &Settings, shutdown: ShutdownWatch) {
        let Self { config, reloader, pilot, certificates, memory } = self;
        let asked = certificates.handle();
        let (outcomes, mut changes) = mpsc::channel(1);
        let reading = reloader.run(outcomes, shutdown.clone());
        let until = shutdown.clone();
        let taking = async {
            while let Some(change) = changes.recv().await {
                take(change, &config, settings, &pilot).await;
                asked.ask();
            }
            ended(until).await;
        };
        tokio::join!(reading, taking, certificates.run(shutdown.clone()), memory.run(shutdown));
    }
}

async fn take(change: Reload, running: &Config, settings: &Settings, pilot: &PilotHandle) {
    let refused = match change {
        Reload::Refused(errors) => errors.to_string(),
        Reload::Ready(config) => match fixed_difference(running, &config) {
            Some(what) => format!("{what} can't be changed while running: restart the proxy"),
            None => {
                settings.follow(&config);
                config.upstream.tls.warn();
                // Before the pilot, so that who is new hears what follows from the change.
                pilot.notifier().configure(config.notifications.clone());
                if pilot.apply(*config).await.is_ok() {
                    tracing::info!("the configuration is in force");
                }
                return;
            }
        },
    };
    tracing::error!(reason = %refused, "the configuration was refused; the one in force stays");
    pilot.report_config_error(&refused);
}

/// What differs of that which is fixed for the life of the process.
fn fixed_difference(running: &Config, new: &Config) -> Option<&'static str> {
    let differs = [
        (running.listeners != new.listeners, "listeners"),
        (running.limits != new.limits, "limits"),
        (running.admin != new.admin, "admin"),
        (running.state_dir != new.state_dir, "stateDir"),
        (running.workers != new.workers, "workers"),
        (running.access_log != new.access_log, "accessLog"),
    ];
    differs.into_iter().find_map(|(differs, what)| differs.then_some(what))
}

// === impl Settings ===

impl Settings {
    fn of(config: &Config) -> (Self, watch::Receiver<Duration>, watch::Receiver<Option<HealthCheck>>) {
        let (resolve_interval, intervals) = watch::channel(config.upstream.resolve_interval.into());
        let (health_check, checks) = watch::channel(config.upstream.health_check.clone());
        (Self { resolve_interval, health_check }, intervals, checks)
    }

    fn follow(&self, config: &Config) {
        self.resolve_interval.send_replace(config.upstream.resolve_interval.into());
        self.health_check.send_replace(config.upstream.health_check.clone());
    }
}
