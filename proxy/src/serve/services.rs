//! The parts of the process as pingora services.
//!
//! Workers, pilot and admin API have threads of their own; a service starts them and says when to end. The process
//! ends when they have.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::Notify;

use crate::admin::Readiness;
use crate::data::{Listeners, Workers, WorkersConfig};

/// Threads that outlive pingora's runtimes: they are joined at the very end.
#[derive(Debug, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<JoinHandle<()>>>>);

type Start = Box<dyn FnOnce(ShutdownFuture) -> io::Result<JoinHandle<()>> + Send>;
type ShutdownFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part with a thread of its own.
pub(super) struct OwnThread {
    start: Mutex<Option<Start>>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// The data plane: started by its service, drained by the signals.
#[derive(Debug)]
pub(super) struct DataPlane {
    waiting: Mutex<Option<(Listeners, WorkersConfig)>>,
    workers: Mutex<Option<Workers>>,
    readiness: Readiness,
    failure: Mutex<Option<io::Error>>,
    failed: Notify,
}

/// The data plane as a service.
#[derive(Debug)]
pub(super) struct Hosted(pub(super) Arc<DataPlane>);

// === impl Threads ===

impl Threads {
    /// A service that starts a thread by `start`, which is given the end to wait for.
    pub(super) fn host<F>(&self, start: F) -> OwnThread
    where
        F: FnOnce(ShutdownFuture) -> io::Result<JoinHandle<()>> + Send + 'static,
    {
        OwnThread { start: Mutex::new(Some(Box::new(start))), threads: Arc::clone(&self.0) }
    }

    pub(super) fn join(&self) {
        for thread in std::mem::take(&mut *lock(&self.0)) {
            if thread.join().is_err() {
                tracing::error!("a thread of the control plane has panicked");
            }
        }
    }
}

// === impl OwnThread ===

#[async_trait]
impl BackgroundService for OwnThread {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some(start) = lock(&self.start).take() else { return };
        match start(Box::pin(ended(shutdown))) {
            Ok(thread) => lock(&self.threads).push(thread),
            Err(error) => tracing::error!(%error, "a thread of the control plane can't be started"),
        }
    }
}

/// Resolves when the process ends; also if whoever says so is gone.
pub(super) async fn ended(mut shutdown: ShutdownWatch) {
    let _ = shutdown.wait_for(|is_over| *is_over).await;
}

// === impl DataPlane ===

impl DataPlane {
    pub(super) fn new(listeners: Listeners, config: WorkersConfig, readiness: Readiness) -> Self {
        Self {
            waiting: Mutex::new(Some((listeners, config))),
            workers: Mutex::default(),
            readiness,
            failure: Mutex::default(),
            failed: Notify::new(),
        }
    }

    fn start(&self) {
        let Some((listeners, config)) = lock(&self.waiting).take() else { return };
        match Workers::start(listeners, &config) {
            Ok(workers) => {
                *lock(&self.workers) = Some(workers);
                self.readiness.workers_serve();
            }
            Err(error) => {
                *lock(&self.failure) = Some(error);
                self.failed.notify_one();
            }
        }
    }

    /// Resolves if the workers can't be started.
    pub(super) async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Stops accepting and finishes what is in flight, for `within` at most. Blocks.
    pub(super) fn drain(&self, within: Duration) {
        if let Some(workers) = lock(&self.workers).take() {
            workers.drain(within);
            workers.join();
        }
    }

    /// Why the workers could not be started, if so.
    pub(super) fn outcome(&self) -> anyhow::Result<()> {
        match lock(&self.failure).take() {
            Some(error) => Err(anyhow::Error::from(error).context("start the workers")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl BackgroundService for Hosted {
    async fn start(&self, _shutdown: ShutdownWatch) {
        self.0.start();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is guarded is replaced whole, so a panic elsewhere can't leave it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
