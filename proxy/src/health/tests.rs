use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize};

use sluice_engine::units::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::tls::UpstreamTls;

const MS: Duration = Duration::from_millis(1);
/// Long enough for anything here, so that a test that hangs ends.
const DEADLINE: Duration = Duration::from_secs(10);

/// A backend that answers every request with the present status; 0 is silence.
#[derive(Clone)]
struct Backend {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Backend {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Self { address, status: Arc::new(AtomicU16::new(status)), asked: Arc::default() };
        // Ends with the test's runtime.
        tokio::spawn(backend.clone().serve(listener));
        backend
    }

    async fn serve(self, listener: TcpListener) {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /healthz?deep=1 HTTP/1.1\r\n"));
            self.asked.fetch_add(1, Relaxed);
            match self.status.load(Relaxed) {
                0 => silent.push(stream),
                status => {
                    let answer = format!("HTTP/1.1 {status} Some\r\nContent-Length: 2\r\n\r\nok");
                    // The checker may be gone already.
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

fn mk_settings() -> HealthCheck {
    HealthCheck {
        path: "/healthz?deep=1".to_owned(),
        interval: Millis::new(2),
        timeout: Millis::new(1_000),
        healthy_after: 1,
        unhealthy_after: 1,
        tls: UpstreamTls::default(),
    }
}

async fn beside<T>(
    registry: &Arc<EndpointRegistry>,
    settings: &watch::Sender<Option<HealthCheck>>,
    test: impl Future<Output = T>,
) -> T {
    let (_stop, shutdown) = watch::channel(false);
    let checker = HealthChecker::new(registry.clone(), settings.subscribe());
    tokio::select! {
        () = checker.run(shutdown) => panic!("it was not told to stop"),
        result = tokio::time::timeout(DEADLINE, test) => result.expect("in time"),
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(MS).await;
    }
}

fn is_passing(endpoint: &Endpoint) -> bool {
    endpoint.passing.load(Relaxed)
}

fn mk_endpoint(registry: &EndpointRegistry, address: SocketAddr) -> Arc<Endpoint> {
    registry.endpoint(&address.to_string().into())
}

#[tokio::test]
async fn answers_below_400_pass_and_others_fail() {
    let backend = Backend::start(200).await;
    let registry = Arc::new(EndpointRegistry::default());
    let endpoint = mk_endpoint(&registry, backend.address);
    beside(&registry, &watch::Sender::new(Some(mk_settings())), async {
        for (status, passes) in [(503, false), (204, true), (404, false), (302, true), (500, false), (200, true)] {
            backend.status.store(status, Relaxed);
            until(|| is_passing(&endpoint) == passes).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_or_is_silent_or_has_no_address_fails() {
    let silent = Backend::start(0).await;
    let registry = Arc::new(EndpointRegistry::default());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoints = [
        mk_endpoint(&registry, silent.address),
        mk_endpoint(&registry, closed),
        registry.endpoint(&"nowhere:80".into()),
    ];
    let settings = HealthCheck { timeout: Millis::new(20), ..mk_settings() };
    assert!(endpoints.iter().all(|endpoint| is_passing(endpoint)));
    beside(
        &registry,
        &watch::Sender::new(Some(settings)),
        until(|| !endpoints.iter().any(|endpoint| is_passing(endpoint))),
    )
    .await;
}

#[tokio::test]
async fn it_takes_as_many_answers_in_a_row_as_configured() {
    let registry = EndpointRegistry::default();
    let endpoint = registry.endpoint(&"127.0.0.1:1".into());
    let settings = HealthCheck { healthy_after: 2, unhealthy_after: 3, ..mk_settings() };
    let mut streak = Streak::default();
    let answers = [(false, true), (false, true), (true, true), (false, true), (false, true), (false, false)]
        .into_iter()
        .chain([(true, false), (false, false), (true, false), (true, true)]);
    for (i, (answer, expected)) in answers.enumerate() {
        streak.observe(&endpoint, if answer { Ok(()) } else { Err(String::new()) }, &settings);
        assert_eq!(is_passing(&endpoint), expected, "after answer {i}");
    }
}

#[tokio::test]
async fn endpoints_that_are_added_are_checked_and_those_that_are_gone_are_not() {
    let (first, second) = (Backend::start(200).await, Backend::start(200).await);
    let registry = Arc::new(EndpointRegistry::default());
    let endpoint = mk_endpoint(&registry, first.address);
    beside(&registry, &watch::Sender::new(Some(mk_settings())), async {
        until(|| first.asked() > 0).await;
        let added = mk_endpoint(&registry, second.address);
        until(|| second.asked() > 0).await;
        drop(endpoint);
        until(|| registry.in_use().len() == 1).await;
        // A check that was under way may still arrive; after that there is silence while the other goes on.
        let (mut before, mut rounds) = (first.asked(), 0);
        while rounds < 2 {
            let others = second.asked();
            until(|| second.asked() > others + 3).await;
            rounds = if first.asked() == before { rounds + 1 } else { 0 };
            before = first.asked();
        }
        drop(added);
    })
    .await;
}

#[tokio::test]
async fn without_settings_all_pass_and_none_is_asked() {
    let backend = Backend::start(500).await;
    let registry = Arc::new(EndpointRegistry::default());
    let endpoint = mk_endpoint(&registry, backend.address);
    let settings = watch::Sender::new(Some(mk_settings()));
    beside(&registry, &settings, async {
        until(|| !is_passing(&endpoint)).await;
        settings.send_replace(None);
        until(|| is_passing(&endpoint)).await;
        settings.send_replace(Some(mk_settings()));
        until(|| !is_passing(&endpoint)).await;
    })
    .await;
}

#[tokio::test]
async fn it_stops_when_told() {
    let registry = Arc::new(EndpointRegistry::default());
    let (stop, shutdown) = watch::channel(false);
    let settings = watch::Sender::new(None);
    let running = tokio::spawn(HealthChecker::new(registry, settings.subscribe()).run(shutdown));
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[test]
fn waiting_times_are_spread() {
    let shares: Vec<f64> = (0..1_000).map(|round| share(7, round)).collect();
    let mean = shares.iter().sum::<f64>() / 1_000.0;
    assert!(shares.iter().all(|share| (0.0..1.0).contains(share)) && (0.45..0.55).contains(&mean), "{mean}");
    assert!((share(1, 1) - share(2, 1)).abs() > 1e-6);
}
