//! One question to one endpoint: pingora's HTTP health check with our settings.

use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use pingora_core::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck as _, HttpHealthCheck};

use crate::config::HealthCheck;

/// Asks `GET path` on a fresh connection: one that is kept could hide that no new one can be made.
pub(super) struct Probe {
    check: HttpHealthCheck,
    timeout: Duration,
}

impl Probe {
    /// `host` is what the `Host` header says, as a request through the proxy would by default.
    pub(super) fn new(settings: &HealthCheck, host: &str) -> Self {
        let timeout = Duration::from(settings.timeout);
        let mut check = HttpHealthCheck::new(host, false);
        let options = &mut check.peer_template.options;
        options.connection_timeout = Some(timeout);
        options.total_connection_timeout = Some(timeout);
        options.read_timeout = Some(timeout);
        options.write_timeout = Some(timeout);
        // A path that is no URI was refused with the configuration.
        check.req.set_uri(settings.path.parse().unwrap_or_else(|_| Uri::from_static("/")));
        check.validator = Some(Box::new(|answer| match answer.status.as_u16() {
            200..=399 => Ok(()),
            status => Error::e_explain(ErrorType::HTTPStatus(status), "health check"),
        }));
        Self { check, timeout }
    }

    /// Whether the endpoint answers 2xx or 3xx in time; why not, otherwise.
    pub(super) async fn ask(&self, address: SocketAddr) -> Result<(), String> {
        let backend = Backend::new(&address.to_string()).map_err(|error| error.to_string())?;
        // pingora limits each read; an answer that trickles must end too.
        match tokio::time::timeout(self.timeout, self.check.check(&backend)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(reason(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }
}

fn reason(error: &Error) -> String {
    match error.etype() {
        ErrorType::HTTPStatus(status) => format!("answers {status}"),
        other => other.as_str().to_owned(),
    }
}
