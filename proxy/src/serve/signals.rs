//! Signals: SIGHUP reads the configuration and the certificates again and opens the access log anew; SIGTERM,
//! SIGINT and SIGQUIT drain and end; a second one ends at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::services::DataPlane;
use crate::access::AccessLog;
use crate::admin::Readiness;
use crate::reload::ReloadHandle;
use crate::tls::CertificateHandle;

/// After SIGTERM connections are still accepted for so long: whoever balances load needs time to see that this proxy is
/// not ready any more. A person who presses Ctrl-C does not.
const ACCEPT_ON: Duration = Duration::from_secs(5);
/// Requests in flight may take so long to finish.
const DRAIN_WITHIN: Duration = Duration::from_secs(25);

/// Waits for signals on behalf of pingora's server.
#[derive(Debug)]
pub(super) struct Signals {
    hangup: Hangup,
    readiness: Readiness,
    data_plane: Arc<DataPlane>,
}

/// Who reads files again upon SIGHUP.
#[derive(Debug)]
pub(super) struct Hangup {
    pub(super) reload: ReloadHandle,
    pub(super) certificates: CertificateHandle,
    pub(super) access: Option<AccessLog>,
}

/// Why the process ends.
enum End {
    /// Asked for by a supervisor.
    Terminate,
    /// Asked for by a person.
    Interrupt,
    /// The workers could not be started.
    Failure,
}

/// The signals that end the process.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

// === impl Signals ===

impl Signals {
    pub(super) fn new(hangup: Hangup, readiness: Readiness, data_plane: Arc<DataPlane>) -> Self {
        Self { hangup, readiness, data_plane }
    }

    async fn wait(&self, ends: &mut Ends, hangup: &mut Signal) -> End {
        loop {
            tokio::select! {
                end = ends.recv() => return end,
                () = self.data_plane.failed() => return End::Failure,
                Some(()) = hangup.recv() => {
                    self.hangup.access.iter().for_each(AccessLog::reopen);
                    self.hangup.certificates.ask();
                    self.hangup.reload.ask();
                }
            }
        }
    }

    async fn drain(&self, end: &End) {
        self.readiness.drain();
        tracing::info!("not ready any more: draining");
        if matches!(end, End::Terminate) {
            tokio::time::sleep(ACCEPT_ON).await;
        }
        let data_plane = Arc::clone(&self.data_plane);
        if tokio::task::spawn_blocking(move || data_plane.drain(DRAIN_WITHIN)).await.is_err() {
            tracing::error!("draining has panicked");
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (mut ends, mut hangup) = match (Ends::listen(), signal(SignalKind::hangup())) {
            (Ok(ends), Ok(hangup)) => (ends, hangup),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals can't be received: ending");
                return ShutdownSignal::FastShutdown;
            }
        };
        let end = self.wait(&mut ends, &mut hangup).await;
        if !matches!(end, End::Failure) {
            tokio::select! {
                () = self.drain(&end) => {}
                _ = ends.recv() => tracing::warn!("second signal: ending at once"),
            }
        }
        // Broadcasts the end to the services; there is nothing left to wait for.
        ShutdownSignal::GracefulTerminate
    }
}

// === impl Ends ===

impl Ends {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn recv(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Terminate,
            _ = self.quit.recv() => End::Terminate,
            _ = self.interrupt.recv() => End::Interrupt,
        }
    }
}
