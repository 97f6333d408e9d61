//! Traffic: bounded, to this machine only, and every answer accounted for.
//!
//! Paced load is an open loop: a request starts when its time has come, whether or not earlier ones were answered, so
//! a slow proxy can't hide by slowing its clients down. Without a rate it is a closed loop over a few kept connections.
//! A failed exchange is never repeated: what a user would have seen is what is reported.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::wire::{Request, Wire};

/// No load sends more, so that a test that never ends its load ends all the same.
const MOST_REQUESTS: usize = 60_000;

/// Requests under way at a time in an open loop; those beyond wait and so lose their place.
const MOST_IN_FLIGHT: usize = 1_000;

/// A load to be started.
pub struct Load {
    to: SocketAddr,
    request: Arc<dyn Fn(usize) -> Request + Send + Sync>,
    rate: Option<u32>,
    count: usize,
    connections: usize,
}

/// What came of one request.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Its place in the load.
    pub index: usize,
    /// Status, or what went wrong.
    pub outcome: Result<u16, String>,
    /// The backend that answered, by its own name.
    pub arm: String,
    /// From sending to the last byte of the answer.
    pub took: Duration,
}

/// Everything that came of a load.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which they ended.
    pub shots: Vec<Shot>,
}

/// A load under way.
#[derive(Debug)]
pub struct Running {
    task: JoinHandle<()>,
    shots: Arc<Mutex<Vec<Shot>>>,
}

// === impl Load ===

impl Load {
    /// GET requests for `/` to `to`.
    pub fn get(to: SocketAddr) -> Self {
        Self::of(to, |_| Request::get("/"))
    }

    /// Requests made by `request` from their number.
    ///
    /// # Panics
    /// If `to` is not of this machine.
    pub fn of(to: SocketAddr, request: impl Fn(usize) -> Request + Send + Sync + 'static) -> Self {
        assert!(to.ip().is_loopback(), "a load goes to this machine only");
        Self { to, request: Arc::new(request), rate: None, count: MOST_REQUESTS, connections: 8 }
    }

    /// Paced: so many requests a second.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// So many in all.
    #[must_use]
    pub fn count(mut self, count: usize) -> Self {
        self.count = count.min(MOST_REQUESTS);
        self
    }

    /// So many kept connections, for a closed loop.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Starts it in the background.
    pub fn start(self) -> Running {
        let shots = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&shots);
        let task = tokio::spawn(async move {
            match self.rate {
                Some(rate) => self.open_loop(rate, kept).await,
                None => self.closed_loop(kept).await,
            }
        });
        Running { task, shots }
    }

    /// Runs it to its end.
    pub async fn run(self) -> Report {
        self.start().finished().await
    }

    async fn closed_loop(self, shots: Arc<Mutex<Vec<Shot>>>) {
        let mut workers = JoinSet::new();
        for worker in 0..self.connections {
            let indices = (worker..self.count).step_by(self.connections);
            let (to, request, shots) = (self.to, Arc::clone(&self.request), Arc::clone(&shots));
            workers.spawn(async move {
                let mut kept = None;
                for index in indices {
                    let shot = shoot(to, &mut kept, index, &request(index)).await;
                    shots.lock().expect("nobody panics here").push(shot);
                }
            });
        }
        workers.join_all().await;
    }

    async fn open_loop(self, rate: u32, shots: Arc<Mutex<Vec<Shot>>>) {
        let idle: Arc<Mutex<Vec<Wire>>> = Arc::default();
        let mut under_way = JoinSet::new();
        let start = Instant::now();
        for index in 0..self.count {
            tokio::time::sleep_until(start + Duration::from_secs_f64(index as f64 / f64::from(rate))).await;
            while under_way.len() >= MOST_IN_FLIGHT {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let (to, request, idle, shots) = (self.to, (self.request)(index), Arc::clone(&idle), Arc::clone(&shots));
            under_way.spawn(async move {
                let mut kept = idle.lock().expect("nobody panics here").pop();
                let shot = shoot(to, &mut kept, index, &request).await;
                idle.lock().expect("nobody panics here").extend(kept);
                shots.lock().expect("nobody panics here").push(shot);
            });
        }
        under_way.join_all().await;
    }
}

/// One request over a kept connection if there is one; afterwards the connection is kept if it can be.
async fn shoot(to: SocketAddr, kept: &mut Option<Wire>, index: usize, request: &Request) -> Shot {
    let start = Instant::now();
    let exchanged = async {
        let mut wire = match kept.take() {
            Some(wire) => wire,
            None => Wire::connect(to).await?,
        };
        let response = wire.exchange(request).await?;
        if !response.closes() {
            *kept = Some(wire);
        }
        Ok::<_, std::io::Error>(response)
    };
    let result = exchanged.await;
    let arm = result.as_ref().map(|response| response.arm().to_owned()).unwrap_or_default();
    let outcome = result.map(|response| response.status).map_err(|error| error.to_string());
    Shot { index, outcome, arm, took: start.elapsed() }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load")
            .field("to", &self.to)
            .field("rate", &self.rate)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

// === impl Running ===

impl Running {
    /// What came so far.
    ///
    /// # Panics
    /// If a task of the load panicked.
    pub fn so_far(&self) -> Report {
        Report { shots: self.shots.lock().expect("nobody panics here").clone() }
    }

    /// How many exchanges ended so far.
    ///
    /// # Panics
    /// If a task of the load panicked.
    pub fn len(&self) -> usize {
        self.shots.lock().expect("nobody panics here").len()
    }

    /// Whether none ended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it still sends.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Ends it; requests under way are given up and not reported.
    pub async fn stop(mut self) -> Report {
        self.task.abort();
        (&mut self.task).await.ok();
        self.so_far()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If a task of the load panicked.
    pub async fn finished(mut self) -> Report {
        (&mut self.task).await.expect("a load does not panic");
        self.so_far()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Report ===

impl Report {
    /// How many answers came from each backend; `""` stands for the proxy itself and for no answer.
    pub fn by_arm(&self) -> BTreeMap<&str, usize> {
        self.count_by(|shot| shot.arm.as_str())
    }

    /// How often each outcome came, in words.
    pub fn by_outcome(&self) -> BTreeMap<String, usize> {
        self.count_by(|shot| match &shot.outcome {
            Ok(status) => status.to_string(),
            Err(error) => error.clone(),
        })
    }

    /// How many answers came from this backend.
    pub fn from(&self, arm: &str) -> usize {
        self.shots.iter().filter(|shot| shot.arm == arm).count()
    }

    /// How many users saw a failure: 5xx or no whole answer.
    pub fn failures(&self) -> usize {
        self.shots.iter().filter(|shot| !matches!(shot.outcome, Ok(..=499))).count()
    }

    /// The share of all answers that came from this backend, percent.
    pub fn percent_from(&self, arm: &str) -> f64 {
        100.0 * self.from(arm) as f64 / self.shots.len() as f64
    }

    /// Demands that nobody saw a failure.
    ///
    /// # Panics
    /// If somebody did.
    pub fn assert_no_failures(&self) {
        assert_eq!(self.failures(), 0, "of {} requests: {:?}", self.shots.len(), self.by_outcome());
    }

    fn count_by<'a, K: Ord>(&'a self, key: impl Fn(&'a Shot) -> K) -> BTreeMap<K, usize> {
        self.shots.iter().fold(BTreeMap::new(), |mut counts, shot| {
            *counts.entry(key(shot)).or_default() += 1;
            counts
        })
    }
}
