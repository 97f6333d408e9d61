//! The composition root: reads the configuration, binds, restores the state, and runs the parts until a signal ends it.
//!
//! What can fail fails before anything serves. pingora-core's `Server` runs the parts as services: `workers` (data
//! plane), `pilot`, `notify`, `admin`, `gates`, and `control` (reload, name look-ups, health checks).

mod control;
mod services;
mod signals;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::background::background_service;
use sluice_engine::evidence::{ARMS, Arm};

use crate::access::AccessLog;
use crate::admin::{Admin, Readiness, Sources};
use crate::clock::{Clock, unix_ms};
use crate::config::{Config, ConnectionLimits, RouteTarget};
use crate::data::{Admission, Limits, Listeners, Mirrored, Rejection, Rejections, WorkersConfig};
use crate::descriptors::Budget;
use crate::endpoint::HTTPS;
use crate::gates::Asker;
use crate::memory::MemoryWatch;
use crate::metrics::{Exporter, REJECTED, UPSTREAM_CONNECTIONS};
use crate::notify::Notifier;
use crate::pilot::{Pilot, PilotHandle, PilotParts, Storage, StoredRollout};
use crate::releases::{ReleaseLog, ReleaseReader};
use crate::reload::Reloader;
use crate::resolve::EndpointRegistry;
use crate::snapshot::Snapshot;
use crate::state::{Loaded, StateStore};
use crate::tls::Terminators;
use control::Control;
use services::{DataPlane, Threads};
use signals::{Hangup, Signals};

/// Runs the proxy that `file` describes until a signal ends it.
///
/// # Errors
/// The configuration (as [`crate::config::ConfigErrors`]), an address that can't be bound, a state directory that
/// another process uses, or threads that can't be started.
pub fn run(file: &Path) -> anyhow::Result<()> {
    let (config, reloader) = Reloader::open(file)?;
    let clock = Clock::start();
    let listeners = Listeners::bind(&config.listeners, config.workers)?;
    let (terminators, certificates) = Terminators::open(&config.listeners).context("read the certificates")?;
    let store = StateStore::open(&config.state_dir).context("open the state directory")?;
    let loaded = store.load::<StoredRollout>();
    let notifier = mk_notifier(&config, &loaded);
    prepare_upstream_tls(&config);
    let registry = Arc::new(EndpointRegistry::default());
    let memory = MemoryWatch::new(config.limits.max_memory);
    let parts = PilotParts {
        config: config.clone(),
        clock,
        loaded,
        storage: Box::new(Disk { state: store, releases: ReleaseLog::open(&config.state_dir) }),
        registry: Arc::clone(&registry),
        notifier: notifier.clone(),
    };
    let (pilot, handle) = Pilot::new(parts).context("start the state thread")?;

    let (access, _access_thread) = match &config.access_log {
        None => (None, None),
        Some(settings) => {
            let opened = AccessLog::start(settings, config.workers, clock).context("open the access log")?;
            (Some(opened.0), Some(opened.1))
        }
    };
    let readiness = Readiness::default();
    readiness.state_loaded();
    let rejections = Arc::new(Rejections::default());
    let mirrored = Arc::new(Mirrored::default());
    let exporter = Arc::new(mk_exporter(&handle, &rejections));
    exporter.show_certificates(terminators.clone());
    exporter.count_mirrored(Arc::clone(&mirrored));
    access.iter().for_each(|access| exporter.count_dropped_lines(access.clone()));
    let sources = Sources {
        pilot: handle.clone(),
        readiness: readiness.clone(),
        exporter: Arc::clone(&exporter),
        releases: ReleaseReader::new(&config.state_dir),
    };
    let admin = Admin::bind(&config.admin, sources)
        .with_context(|| format!("listen on the admin address {}", config.admin.address))?;
    let workers = WorkersConfig {
        snapshot: handle.snapshots(),
        clock,
        limits: Limits::default(),
        rejections: Arc::clone(&rejections),
        mirrored,
        series: exporter.series(),
        exemplars: exporter.exemplars(),
        access: access.clone(),
        terminators: terminators.clone(),
        admission: Arc::new(mk_admission(&config, &memory)),
    };

    announce(&config, &listeners, &admin);
    let data_plane = Arc::new(DataPlane::new(listeners, workers, readiness.clone()));
    let threads = Threads::default();
    let asker = Asker::new(handle.clone());
    let hangup = Hangup { reload: reloader.handle(), certificates: certificates.handle(), access };
    let signals = Signals::new(hangup, readiness, Arc::clone(&data_plane));
    let control = Control::new(config, reloader, handle, registry, certificates, memory);

    let mut server = Server::new_with_opt_and_conf(None, server_settings());
    server.bootstrap();
    server.add_service(background_service("pilot", threads.host(move |shutdown| pilot.spawn(shutdown))));
    server.add_service(background_service("notify", threads.host(move |shutdown| notifier.spawn(shutdown))));
    server.add_service(background_service("admin", threads.host(move |shutdown| admin.spawn(shutdown))));
    server.add_service(background_service("gates", threads.host(move |shutdown| asker.spawn(shutdown))));
    server.add_service(background_service("control", control));
    server.add_service(background_service("workers", services::Hosted(Arc::clone(&data_plane))));
    server.run(RunArgs { shutdown_signal: Box::new(signals) });

    // The pilot stores what is not stored yet before its thread ends.
    threads.join();
    data_plane.outcome()
}

/// Authorities are read before the first request has to wait for them.
fn prepare_upstream_tls(config: &Config) {
    let of_rollouts =
        config.rollouts.iter().flat_map(|rollout| std::iter::once(&rollout.stable).chain(&rollout.canary));
    let of_routes = config.routes.iter().filter_map(|route| match &route.target {
        RouteTarget::Endpoints(endpoints) => Some(endpoints),
        RouteTarget::Rollout(_) => None,
    });
    let mut endpoints = of_rollouts.map(|arm| &arm.endpoints).chain(of_routes).flatten();
    if endpoints.any(|endpoint| endpoint.starts_with(HTTPS)) {
        config.upstream.tls.prepare();
    }
    config.upstream.tls.warn();
}

/// What the system has of descriptors limits connections too, as each may need a second one to an upstream.
fn mk_admission(config: &Config, memory: &MemoryWatch) -> Admission {
    let descriptors = Budget::claim();
    let configured = config.limits.max_connections;
    let all = config.listeners.iter().map(|listener| listener.max_connections).sum();
    let wanted = configured.unwrap_or(all);
    // Somewhat fewer than a default that nobody chose is not worth a line.
    let wanted_at_least = configured.unwrap_or(wanted / 2);
    if wanted_at_least > descriptors.connections {
        tracing::warn!(
            wanted,
            possible = descriptors.connections,
            "there are file descriptors for fewer connections than are allowed; raise the limit (ulimit -n)"
        );
    }
    let max_connections = Some(wanted.min(descriptors.connections));
    let limits = ConnectionLimits { max_connections, ..config.limits.clone() };
    Admission::new(&limits, descriptors, memory.pressure())
}

/// Goes on telling where the last process ended.
fn mk_notifier(config: &Config, loaded: &Loaded<StoredRollout>) -> Notifier {
    let stored = match loaded {
        Loaded::Found(rollouts) => Some(rollouts),
        Loaded::Missing | Loaded::Lost { .. } => None,
    };
    let outboxes = stored.into_iter().flatten().map(|(name, rollout)| (name, &rollout.outbox));
    Notifier::new(&config.state_dir, config.notifications.clone(), outboxes)
}

/// Draining is done by [`Signals`] before pingora hears of the end, so it has nothing to wait for.
fn server_settings() -> ServerConf {
    ServerConf {
        threads: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn mk_exporter(handle: &PilotHandle, rejections: &Arc<Rejections>) -> Exporter {
    let exporter = Exporter::new(handle.clone());
    let rejections = Arc::clone(rejections);
    exporter.add_source(move || {
        for reason in Rejection::ALL {
            metrics::counter!(REJECTED, "reason" => reason.label()).absolute(rejections.get(reason));
        }
    });
    let snapshots = handle.snapshots();
    exporter.add_source(move || show_connections(&snapshots.load()));
    exporter
}

/// Connections to upstreams, by the role that their endpoints have now.
fn show_connections(snapshot: &Snapshot) {
    for arm in ARMS {
        let views = snapshot.rollouts.iter().filter_map(|rollout| match arm {
            Arm::Stable => Some(&rollout.stable),
            Arm::Canary => rollout.canary.as_ref(),
        });
        let connections: Vec<_> =
            views.flat_map(|view| &view.endpoints).map(|endpoint| endpoint.connections()).collect();
        let active: u64 = connections.iter().map(|connections| connections.active).sum();
        let idle: u64 = connections.iter().map(|connections| connections.idle).sum();
        for (state, count) in [("active", active), ("idle", idle)] {
            metrics::gauge!(UPSTREAM_CONNECTIONS, "arm" => arm.label(), "state" => state).set(count as f64);
        }
    }
}

/// One line for people. The token is in the address only where a person reads it, not where a log is kept.
fn announce(config: &Config, listeners: &Listeners, admin: &Admin) {
    let page = if std::io::stderr().is_terminal() { admin.page_url() } else { format!("http://{}/", admin.address()) };
    let addresses: Vec<_> = listeners.addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listeners = addresses.join(", "),
        workers = config.workers,
        rollouts = config.rollouts.len(),
        admin = page,
        "sluice-proxy serves"
    );
}

/// The state directory as the pilot's storage.
#[derive(Debug)]
struct Disk {
    state: StateStore,
    releases: ReleaseLog,
}

impl Storage for Disk {
    fn store(&mut self, rollouts: &BTreeMap<String, StoredRollout>) -> Result<(), String> {
        self.state.save(rollouts).map_err(|error| error.to_string())?;
        self.releases.append(rollouts, unix_ms());
        Ok(())
    }
}
