//! Real sockets on loopback: scripted backends, raw clients, and a proxy with a snapshot made by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sluice_engine::evidence::Arm;
use sluice_engine::units::Weight;

use crate::clock::Clock;
use crate::config::{Listener, Routing, Tracing, UpstreamSettings};
use crate::counters::{FailureKind, GenerationCounters, Pairs, Shard, Wake};
use crate::data::{Limits, Listeners, Rejections, Workers, WorkersConfig};
use crate::endpoint::Endpoint;
use crate::snapshot::{ArmView, RolloutView, RouteTable, RoutingRules, Snapshot, Split, Target};
use crate::tls::Terminators;

/// How long anything may take before a test gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a backend does with a request.
pub(super) enum Reply {
    /// Answers and keeps the connection.
    Send(Vec<u8>),
    /// Answers (perhaps with nothing) and closes.
    SendAndClose(Vec<u8>),
    /// Answers, perhaps in part, and says nothing more.
    SendAndHang(Vec<u8>),
}

/// A backend that keeps what it was asked.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    pub(super) connections: Arc<AtomicUsize>,
    /// Connections that this side has closed.
    pub(super) closed: Arc<AtomicUsize>,
}

impl Backend {
    pub(super) fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            closed: Arc::default(),
        };
        let (script, shown) = (Arc::new(script), backend.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, backend) = (Arc::clone(&script), shown.clone());
                backend.connections.fetch_add(1, Relaxed);
                std::thread::spawn(move || {
                    backend.serve(stream, &*script);
                    backend.closed.fetch_add(1, Relaxed);
                });
            }
        });
        backend
    }

    /// A backend that answers everything with this status and its own name as body.
    pub(super) fn answering(status: u16, name: &'static str) -> Self {
        Self::start(move |_| Reply::Send(answer(status, name)))
    }

    fn serve(&self, mut stream: TcpStream, script: &(dyn Fn(&str) -> Reply + Send + Sync)) {
        while let Some(request) = read_request(&mut stream) {
            self.requests.lock().unwrap().push(request.clone());
            match script(&request) {
                Reply::Send(bytes) => stream.write_all(&bytes).unwrap_or_default(),
                Reply::SendAndClose(bytes) => return stream.write_all(&bytes).unwrap_or_default(),
                Reply::SendAndHang(bytes) => {
                    stream.write_all(&bytes).unwrap_or_default();
                    let _ = stream.read(&mut [0]);
                    return;
                }
            }
        }
    }

    pub(super) fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A whole answer with a length.
pub(super) fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// An address where nobody listens, and which nobody else gets: it stays bound.
pub(super) fn nobody() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A head and as much body as its length says.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    bytes.extend(body);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a proxy is set up.
pub(super) struct Setup {
    pub(super) stable: Vec<SocketAddr>,
    pub(super) canary: Vec<SocketAddr>,
    pub(super) percent: f64,
    pub(super) limit_ms: Option<u64>,
    pub(super) routing: Routing,
    pub(super) upstream: UpstreamSettings,
    pub(super) limits: Limits,
}

impl Setup {
    pub(super) fn new(stable: SocketAddr, canary: SocketAddr, percent: f64) -> Self {
        Self {
            stable: vec![stable],
            canary: vec![canary],
            percent,
            limit_ms: None,
            routing: Routing { shield: true, ..Routing::default() },
            upstream: UpstreamSettings::default(),
            limits: Limits::default(),
        }
    }

    pub(super) fn start(self) -> Proxy {
        let arm = |first_id: u64, addresses: &[SocketAddr]| {
            let endpoints = addresses.iter().zip(first_id..);
            let endpoints = endpoints.map(|(address, id)| Arc::new(Endpoint::new(id, address.to_string().into())));
            Arc::new(ArmView { version: "v".into(), endpoints: endpoints.collect() })
        };
        let clock = Clock::start();
        let view = RolloutView {
            name: "shop".into(),
            generation: 1,
            stable: arm(1, &self.stable),
            canary: Some(arm(100, &self.canary)),
            split: Split::constant(Weight::try_from_percent(self.percent).unwrap()),
            reverted: false,
            step: 0,
            routing: Arc::new(RoutingRules::new(self.routing, "shop", "v2")),
            origin_us: clock.now_us(),
            limit_us: self.limit_ms.map_or(u64::MAX, |ms| ms * 1_000),
            counters: Arc::new(GenerationCounters::new(1, Some(3_600_000), Arc::new(Wake::default()))),
        };
        let snapshot = Snapshot {
            serial: 1,
            filters: Arc::default(),
            routes: Arc::new(RouteTable::everything_to(Target::Rollout(0))),
            rollouts: vec![Arc::new(view.clone())],
            plain: Arc::default(),
            upstream: Arc::new(self.upstream),
            trusted_proxies: Arc::default(),
            tracing: Tracing::default(),
        };
        let config = WorkersConfig {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            clock,
            limits: self.limits,
            rejections: Arc::new(Rejections::default()),
            mirrored: Arc::default(),
            series: Arc::default(),
            exemplars: Arc::default(),
            access: None,
            terminators: Terminators::default(),
            admission: Arc::default(),
        };
        let listener = Listener::plain("127.0.0.1:0".parse().unwrap());
        let workers = Workers::start(Listeners::bind(&[listener], 1).unwrap(), &config).unwrap();
        Proxy { address: workers.addresses()[0], view, config, workers }
    }
}

/// A running proxy with one worker.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) view: RolloutView,
    pub(super) config: WorkersConfig,
    pub(super) workers: Workers,
}

impl Proxy {
    /// A new connection to it.
    pub(super) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, buffer: Vec::new() }
    }

    /// One GET on a connection of its own.
    pub(super) fn get(&self, fields: &str) -> Answer {
        self.connect().get(fields)
    }

    fn shard(&self) -> &Shard {
        &self.view.counters.shards[0]
    }

    /// started, done, failed, fast, slow, excluded, late_cancel, c4xx over all cohorts.
    pub(super) fn counts(&self, arm: Arm) -> [u32; 8] {
        let cohorts = self.shard().ring.iter().map(|cohort| Pairs::counts(cohort.arms[arm.index()].words()).to_array());
        cohorts.fold([0; 8], |sum, counts| std::array::from_fn(|i| sum[i] + counts[i]))
    }

    pub(super) fn failures(&self, arm: Arm, kind: FailureKind) -> u64 {
        self.shard().arm(arm).failures[kind.index()].load(Relaxed)
    }

    pub(super) fn user_failures(&self, arm: Arm) -> u64 {
        self.shard().arm(arm).user_failures.load(Relaxed)
    }

    /// answered, failed, over_budget
    pub(super) fn shielded(&self) -> [u64; 3] {
        let shield = &self.shard().shield;
        [&shield.answered, &shield.failed, &shield.over_budget].map(|counter| counter.load(Relaxed))
    }

    pub(super) fn directed(&self, arm: Arm) -> u64 {
        self.shard().arm(arm).directed.load(Relaxed)
    }

    /// Exchanges the snapshot for one with a changed rollout.
    pub(super) fn change(&self, change: impl FnOnce(&mut RolloutView)) {
        let before = self.config.snapshot.load_full();
        let mut view = self.view.clone();
        change(&mut view);
        self.config.snapshot.store(Arc::new(Snapshot {
            serial: before.serial + 1,
            filters: Arc::clone(&before.filters),
            routes: Arc::clone(&before.routes),
            rollouts: vec![Arc::new(view)],
            plain: Arc::clone(&before.plain),
            upstream: Arc::clone(&before.upstream),
            trusted_proxies: Arc::clone(&before.trusted_proxies),
            tracing: before.tracing,
        }));
    }
}

/// A client that writes bytes and reads answers.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
    /// The body had its full length.
    pub(super) is_whole: bool,
}

impl Client {
    pub(super) fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    pub(super) fn get(&mut self, fields: &str) -> Answer {
        self.send(&format!("GET /path HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n"));
        self.answer()
    }

    /// Reads one answer; only `Content-Length` is understood, all else is read to the end.
    pub(super) fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.read_more(), "no answer: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8_lossy(&self.buffer.drain(..end).collect::<Vec<_>>()).to_ascii_lowercase();
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        while self.buffer.len() < length.unwrap_or(usize::MAX) && self.read_more() {}
        let taken = length.unwrap_or(usize::MAX).min(self.buffer.len());
        let body = String::from_utf8_lossy(&self.buffer.drain(..taken).collect::<Vec<_>>()).into_owned();
        let is_whole = length.is_none_or(|length| taken == length);
        Answer { status: head[9..12].parse().unwrap(), head, body, is_whole }
    }

    /// Whether the proxy closes the connection, with nothing more to say.
    pub(super) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read_more()
    }

    /// Waits until an answer has begun.
    pub(super) fn await_bytes(&mut self) {
        assert!(!self.buffer.is_empty() || self.read_more(), "no answer");
    }

    fn read_more(&mut self) -> bool {
        let mut chunk = [0; 65_536];
        let read = self.stream.read(&mut chunk).unwrap_or(0);
        self.buffer.extend(&chunk[..read]);
        read > 0
    }
}

/// Waits until a value is what it should be.
#[allow(clippy::needless_pass_by_value, reason = "reads better without a reference")]
pub(super) fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, actual: impl Fn() -> T) {
    let deadline = Instant::now() + PATIENCE;
    while actual() != expected {
        assert!(Instant::now() < deadline, "expected {expected:?}, still {:?}", actual());
        std::thread::yield_now();
    }
}
