//! The access log: one line for each request that the sample takes, written by a thread of its own.
//!
//! A worker puts an entry into its own bounded queue and goes on; it never waits for the writer, a disk or a pipe.
//! What finds the queue full is dropped and counted. Sampling is decided before anything is copied, formatting happens
//! on the writer's thread. Header fields are written only if they are named here: no cookie, no authorization.

mod entry;
mod format;
mod sink;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

pub use self::entry::{Entry, Field, Texts};
use self::sink::Sink;
use self::writer::Writer;
use crate::clock::Clock;
use crate::config::{AccessLog as Settings, Sample};

/// The log as its users see it; a copy is the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Shared>);

/// What workers and the writer share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// One for each worker.
    queues: Vec<Arc<ArrayQueue<Entry>>>,
    /// Dropped because a queue was full, by worker: each has one writer.
    overflows: Vec<AtomicU64>,
    /// Dropped because they could not be written.
    unwritten: AtomicU64,
    /// The file is to be opened again.
    reopen: AtomicBool,
    stop: AtomicBool,
}

/// Ends the writer when dropped, after what is queued has been written or a second has passed.
#[derive(Debug)]
pub struct AccessLogThread {
    log: AccessLog,
    ended: std::sync::mpsc::Receiver<()>,
}

/// One worker's end of the log.
#[derive(Debug)]
pub struct Seat {
    log: AccessLog,
    queue: Arc<ArrayQueue<Entry>>,
    index: usize,
}

// === impl AccessLog ===

impl AccessLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// The file can't be opened, or the thread can't be started. A pipe is opened by the thread: that may wait for a
    /// reader.
    pub fn start(settings: &Settings, workers: usize, clock: Clock) -> io::Result<(Self, AccessLogThread)> {
        let sink = Sink::open(&settings.path)?;
        let log = Self(Arc::new(Shared {
            settings: settings.clone(),
            queues: (0..workers).map(|_| Arc::new(ArrayQueue::new(settings.buffer))).collect(),
            overflows: (0..workers).map(|_| AtomicU64::default()).collect(),
            unwritten: AtomicU64::default(),
            reopen: AtomicBool::default(),
            stop: AtomicBool::default(),
        }));
        let (over, ended) = std::sync::mpsc::channel();
        let writer = Writer::new(Arc::clone(&log.0), sink, clock);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            // Nobody waits any more if the writer was stuck for too long.
            let _ = over.send(());
        })?;
        Ok((log.clone(), AccessLogThread { log, ended }))
    }

    /// The end of the log that worker `index` writes into; none if there is no such worker.
    pub fn seat(&self, index: usize) -> Option<Seat> {
        let queue = Arc::clone(self.0.queues.get(index)?);
        Some(Seat { log: self.clone(), queue, index })
    }

    /// Opens the file again, for instance because it was renamed.
    pub fn reopen(&self) {
        self.0.reopen.store(true, Relaxed);
    }

    /// Lines that found a queue full, and lines that could not be written.
    pub fn dropped(&self) -> (u64, u64) {
        let overflows = self.0.overflows.iter().map(|count| count.load(Relaxed)).sum();
        (overflows, self.0.unwritten.load(Relaxed))
    }
}

// === impl Seat ===

impl Seat {
    /// Share of the requests that are logged.
    pub fn sample(&self) -> Sample {
        self.log.0.settings.sample
    }

    /// Whether failures are logged whatever the sample says.
    pub fn wants_failures(&self) -> bool {
        self.log.0.settings.failures
    }

    /// Hands an entry to the writer, or drops it.
    pub fn put(&self, entry: Entry) {
        if self.queue.push(entry).is_err() {
            crate::counters::add(&self.log.0.overflows[self.index], 1);
        }
    }
}

// === impl AccessLogThread ===

impl Drop for AccessLogThread {
    fn drop(&mut self) {
        self.log.0.stop.store(true, Relaxed);
        // A pipe that nobody reads must not keep the process from ending.
        let _ = self.ended.recv_timeout(std::time::Duration::from_secs(1));
    }
}
