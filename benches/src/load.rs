//! A load generator for one thread: HTTP/1.1 keep-alive over a fixed number of connections.
//!
//! Two ways of asking. *Closed*: each connection asks again as soon as it was answered, which finds out what a server
//! can do. *Paced*: request i is due at start + i/rate whatever the answers do, and its latency counts from then, so
//! that a stalled server can't hide by stalling the load (coordinated omission).
//!
//! It shares a core with the backend, so it is built to cost little: one request in flight per connection, one write
//! and one read each, no read that is expected to find nothing. It only speaks to loopback and ends by count and time.

mod connection;
mod schedule;

use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::histogram::Histogram;
use crate::interrupt::{Interrupt, LOOK};
use crate::loopback::Loopback;
use connection::{Connection, Outcome};
use schedule::{Schedule, Timer};

/// No run sends more, whatever it is asked for.
pub const MAX_REQUESTS: u64 = 100_000_000;
/// No run takes longer, whatever it is asked for.
pub const MAX_DURATION: Duration = Duration::from_secs(3_600);
/// After the end of a run, answers under way may take this long.
const DRAIN: Duration = Duration::from_secs(5);
const TIMER: Token = Token(usize::MAX);
const SCRATCH: usize = 64 * 1024;

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// When the one before was answered.
    Closed,
    /// At this many a second in all, answered or not.
    PerSecond(f64),
}

/// One run over the connections of a [`Load`].
#[derive(Clone, Debug)]
pub struct Phase {
    /// How fast.
    pub pace: Pace,
    /// For how long at most.
    pub duration: Duration,
    /// How many at most.
    pub requests: u64,
}

/// What a run saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Latency of every answered request.
    pub latency: Histogram,
    /// Answers by status class: 1xx to 5xx.
    pub classes: [u64; 5],
    /// Requests without a proper answer: reset, closed, malformed, or none in time.
    pub errors: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// Connections to one address, used by one run after the other.
#[derive(Debug)]
pub struct Load {
    target: Loopback,
    poll: Poll,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    request: Vec<u8>,
    scratch: Vec<u8>,
    interrupt: Interrupt,
}

// === impl Report ===

impl Report {
    /// Requests that were answered or failed.
    pub fn requests(&self) -> u64 {
        self.latency.len() + self.errors
    }

    /// Answered requests per second.
    pub fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Failures as a user sees them: 5xx, and requests without an answer.
    pub fn failures(&self) -> u64 {
        self.classes[4] + self.errors
    }

    fn count(&mut self, status: u16, latency: Duration) {
        self.latency.record(latency);
        if let Some(class) = self.classes.get_mut(usize::from(status / 100).wrapping_sub(1)) {
            *class += 1;
        }
    }
}

// === impl Load ===

impl Load {
    /// Opens `connections` connections, each of which will send `request` (head and body, as it goes over the wire).
    pub fn connect(
        target: Loopback,
        connections: usize,
        request: Vec<u8>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!((1..=10_000).contains(&connections), "{connections} connections: 1 to 10000 are allowed");
        let poll = Poll::new().context("create a poll")?;
        let mut load = Self {
            target,
            poll,
            connections: Vec::with_capacity(connections),
            idle: (0..connections).rev().collect(),
            request,
            scratch: vec![0; SCRATCH],
            interrupt: interrupt.clone(),
        };
        for index in 0..connections {
            let connection = load.open(index)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    /// Runs one phase to its end; an interrupt ends it early.
    pub fn run(&mut self, phase: &Phase) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut schedule = Schedule::new(phase);
        let timer = schedule.timer().context("set up the pace")?;
        self.register_timer(timer.as_ref())?;
        let result = self.turn(&mut schedule, timer.as_ref(), &mut report);
        if let Some(timer) = &timer {
            self.poll.registry().deregister(&mut SourceFd(&timer.raw()))?;
        }
        report.elapsed = schedule.elapsed();
        result.map(|()| report)
    }

    fn register_timer(&self, timer: Option<&Timer>) -> anyhow::Result<()> {
        if let Some(timer) = timer {
            self.poll
                .registry()
                .register(&mut SourceFd(&timer.raw()), TIMER, Interest::READABLE)
                .context("register the pace")?;
        }
        Ok(())
    }

    fn turn(&mut self, schedule: &mut Schedule, timer: Option<&Timer>, report: &mut Report) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.dispatch(schedule, report)?;
            let ending = schedule.is_over(Instant::now()) || self.interrupt.is_set();
            if ending && self.is_drained(schedule, report)? {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(LOOK)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled.context("wait for answers")?,
            }
            for event in &events {
                match timer {
                    Some(timer) if event.token() == TIMER => timer.rewind(),
                    _ => self.advance(event.token().0, schedule, report)?,
                }
            }
        }
    }

    /// Sends what is due over connections that are idle.
    fn dispatch(&mut self, schedule: &mut Schedule, report: &mut Report) -> anyhow::Result<()> {
        while !self.idle.is_empty() && !self.interrupt.is_set() {
            let Some(due) = schedule.take_due(Instant::now()) else { return Ok(()) };
            if let Some(index) = self.idle.pop() {
                self.send(index, due, report)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, due: Instant, report: &mut Report) -> anyhow::Result<()> {
        if self.connections[index].is_stale(due) {
            self.connections[index] = self.open(index)?;
        }
        let outcome = self.connections[index].send(&self.request, due);
        self.settle(index, outcome, report).map(|_| ())
    }

    /// Goes on with a connection of which the poll said something; a closed load asks again at once.
    fn advance(&mut self, index: usize, schedule: &mut Schedule, report: &mut Report) -> anyhow::Result<()> {
        let outcome = self.connections[index].advance(&self.request, &mut self.scratch);
        let answered = self.settle(index, outcome, report)?;
        let Some(now) = answered else { return Ok(()) };
        schedule.answered(now);
        if self.interrupt.is_set() {
            return Ok(());
        }
        if let Some(due) = schedule.take_due(now) {
            self.idle.pop();
            self.send(index, due, report)?;
        }
        Ok(())
    }

    /// Counts an outcome; the time of the answer if there was one. The connection is then the last idle one.
    fn settle(&mut self, index: usize, outcome: Outcome, report: &mut Report) -> anyhow::Result<Option<Instant>> {
        match outcome {
            Outcome::Waiting => Ok(None),
            Outcome::Answered { status, due, close } => {
                let now = Instant::now();
                report.count(status, now.saturating_duration_since(due));
                self.connections[index].rest(now);
                if close {
                    self.connections[index] = self.open(index)?;
                }
                self.idle.push(index);
                Ok(Some(now))
            }
            Outcome::Broken { was_busy } => {
                self.connections[index] = self.open(index)?;
                if was_busy {
                    report.errors += 1;
                    self.idle.push(index);
                }
                Ok(None)
            }
        }
    }

    /// Whether nothing is under way any more; what takes too long is given up.
    fn is_drained(&mut self, schedule: &Schedule, report: &mut Report) -> anyhow::Result<bool> {
        if self.idle.len() == self.connections.len() {
            return Ok(true);
        }
        if !self.interrupt.is_set() && Instant::now() < schedule.end() + DRAIN {
            return Ok(false);
        }
        let errors = report.errors;
        for index in 0..self.connections.len() {
            if self.connections[index].is_busy() {
                self.settle(index, Outcome::Broken { was_busy: true }, report)?;
            }
        }
        if self.interrupt.is_set() {
            // Whoever was cut off by our own stopping is no failure of the server.
            report.errors = errors;
        }
        Ok(true)
    }

    /// Connects; loopback answers at once or not at all.
    fn open(&self, index: usize) -> anyhow::Result<Connection> {
        Connection::open(self.target, self.poll.registry(), Token(index))
            .with_context(|| format!("connect to {}", self.target))
    }
}

/// A request without body, as it goes over the wire.
pub fn get(path: &str, header: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{header}\r\n").into_bytes()
}

/// A request that no proxy may send twice.
pub fn post(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()
}

#[cfg(test)]
mod tests;
