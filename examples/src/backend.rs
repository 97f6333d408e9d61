//! A small shop: answers every request with its version after a few milliseconds, and can be told to do worse.
//!
//! `POST /control?version=v3&failures=0.05&latency=300` changes what is named and leaves the rest: the version it calls
//! itself, the share of requests that get 500, and milliseconds added to each answer. There is no lock on this door, so
//! it listens on loopback only.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What an ordinary answer takes.
const ORDINARY: Duration = Duration::from_millis(3);

/// How it behaves.
#[derive(Clone, Debug)]
struct Behaviour {
    version: String,
    failures: f64,
    added: Duration,
    served: u64,
}

type Shared = Arc<Mutex<Behaviour>>;

/// Serves until the process ends.
///
/// # Errors
/// If the address is not of this machine or can't be listened to.
pub async fn serve(address: SocketAddr, version: String) -> anyhow::Result<()> {
    ensure!(address.ip().is_loopback(), "{address}: only an address of this machine is allowed");
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let shared: Shared = Arc::new(Mutex::new(Behaviour { version, failures: 0.0, added: Duration::ZERO, served: 0 }));
    loop {
        // A failed accept concerns one client (or a shortage that passes); the others go on.
        if let Ok((stream, _)) = listener.accept().await {
            // Owned by nobody: a connection ends with its client or with the process.
            tokio::spawn(converse(stream, Arc::clone(&shared)));
        }
    }
}

async fn converse(stream: TcpStream, shared: Shared) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    // An error here is a client that went away.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/healthz" => respond(StatusCode::OK, "ok\n"),
        "/control" if request.method() == Method::POST => {
            match control(request.uri().query().unwrap_or_default(), shared) {
                Ok(told) => respond(StatusCode::OK, &told),
                Err(error) => respond(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            }
        }
        _ => serve_shop(shared).await,
    }
}

async fn serve_shop(shared: &Shared) -> Response<Full<Bytes>> {
    let (version, fails, added) = {
        let mut behaviour = shared.lock().unwrap_or_else(PoisonError::into_inner);
        behaviour.served += 1;
        (behaviour.version.clone(), behaviour.fails(), behaviour.added)
    };
    tokio::time::sleep(ORDINARY + added).await;
    if fails {
        respond(StatusCode::INTERNAL_SERVER_ERROR, &format!("{version} failed\n"))
    } else {
        respond(StatusCode::OK, &format!("welcome to the shop, version {version}\n"))
    }
}

fn control(query: &str, shared: &Shared) -> anyhow::Result<String> {
    let mut behaviour = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mut new = behaviour.clone();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "version" => value.clone_into(&mut new.version),
            "failures" => new.failures = share(value)?,
            "latency" => {
                new.added = Duration::from_millis(
                    value.parse().with_context(|| format!("{value:?}: milliseconds are expected"))?,
                )
            }
            _ => bail!("{name:?}: version, failures and latency can be set"),
        }
    }
    *behaviour = new;
    Ok(format!("{}: failures {}, latency +{} ms\n", behaviour.version, behaviour.failures, behaviour.added.as_millis()))
}

fn share(text: &str) -> anyhow::Result<f64> {
    let share: f64 = text.parse().with_context(|| format!("{text:?}: a share from 0 to 1 is expected"))?;
    ensure!((0.0..=1.0).contains(&share), "{text}: a share from 0 to 1 is expected");
    Ok(share)
}

fn respond(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}

// === impl Behaviour ===

impl Behaviour {
    /// Spreads the failures evenly, so that a demo of a few seconds shows the share it was told.
    fn fails(&self) -> bool {
        let n = self.served as f64;
        ((n + 1.0) * self.failures).floor() > (n * self.failures).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_shared() -> Shared {
        Arc::new(Mutex::new(Behaviour { version: "v1".to_owned(), failures: 0.0, added: Duration::ZERO, served: 0 }))
    }

    #[test]
    fn control_changes_what_is_named_and_leaves_the_rest() {
        let shared = mk_shared();
        control("failures=0.05&latency=300", &shared).unwrap();
        control("version=v3", &shared).unwrap();
        let behaviour = shared.lock().unwrap();
        assert_eq!((behaviour.version.as_str(), behaviour.failures, behaviour.added.as_millis()), ("v3", 0.05, 300));
    }

    #[test]
    fn a_bad_value_changes_nothing() {
        let shared = mk_shared();
        for query in ["version=v9&failures=2", "failures=NaN", "latency=-1", "speed=9"] {
            assert!(control(query, &shared).is_err(), "{query}");
        }
        assert_eq!(shared.lock().unwrap().version, "v1");
    }

    #[test]
    fn one_in_twenty_fails_at_five_percent() {
        let mut behaviour = Behaviour { version: String::new(), failures: 0.05, added: Duration::ZERO, served: 0 };
        let mut failed = 0;
        for served in 0..2_000 {
            behaviour.served = served;
            failed += u32::from(behaviour.fails());
        }
        assert_eq!(failed, 100);
    }
}
