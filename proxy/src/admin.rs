//! The admin API: shows the rollouts and takes commands, on its own port, thread and runtime.
//!
//! Reads are open (on loopback), writes need the token; every request has to name this server, and no page of another
//! site can command it. GET never changes state. It is small on purpose: few connections, small bodies, short waits,
//! so that nothing here can take anything from the traffic.

mod audit;
mod body;
mod connections;
mod entry;
mod error;
mod events;
mod exposition;
mod origin;
mod pace;
mod page;
mod ready;
mod report;
mod routes;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub use ready::Readiness;
pub use routes::Sources;

use crate::config;
use entry::{Rules, guard};
use origin::Names;
use routes::routes;
use token::TokenFile;

/// The admin API, bound but not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: std::net::TcpListener,
    address: SocketAddr,
    rules: Arc<Rules>,
    sources: Sources,
}

// === impl Admin ===

impl Admin {
    /// Binds the address and reads the token, or makes one.
    ///
    /// # Errors
    /// The address can't be bound.
    pub fn bind(settings: &config::Admin, sources: Sources) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(settings.address)?;
        Self::with_listener(listener, settings, sources)
    }

    /// The same on a socket that listens already.
    ///
    /// # Errors
    /// The system refuses to tell its address.
    pub fn with_listener(
        listener: std::net::TcpListener,
        settings: &config::Admin,
        sources: Sources,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let token = TokenFile::open(&settings.token_file);
        let names = Names::new(address, &settings.allowed_hosts);
        // Anyone can reach what is not loopback: there, reads need the token whatever the file says.
        let token_for_reads = settings.auth_for_reads || !address.ip().is_loopback();
        let rules = Arc::new(Rules::new(names, token, token_for_reads));
        Ok(Self { listener, address, rules, sources })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address for a person on this machine, with the token in the fragment (which browsers do not send).
    pub fn page_url(&self) -> String {
        let fragment = self.rules.token().map(|token| format!("#token={token}")).unwrap_or_default();
        format!("http://{}/{fragment}", self.address)
    }

    /// Serves on its own thread, named `admin`, until `shutdown` resolves.
    ///
    /// # Errors
    /// The thread or its runtime can't be started.
    pub fn spawn(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
        // Reports are read from disk off this thread, one at a time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(self.serve(shutdown)) {
                tracing::error!(%error, "the admin API can't serve");
            }
        })
    }

    /// Serves in the present runtime until `shutdown` resolves.
    ///
    /// # Errors
    /// The runtime does not take the listener.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        connections::serve(listener, router(self.rules, self.sources), shutdown).await;
        Ok(())
    }
}

/// Every route behind the guard.
fn router(rules: Arc<Rules>, sources: Sources) -> Router {
    routes(sources).layer(from_fn_with_state(rules, guard))
}

#[cfg(test)]
mod tests;
