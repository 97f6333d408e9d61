//! How one arm answers, and what it noted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::control::{Behaviour, Stats};

/// Bodies by path: everything else gets the small one.
const BODIES: [(&str, usize); 3] = [("/", 64), ("/16k", 16 * 1024), ("/1m", 1024 * 1024)];

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// Answer.
    Now(Arc<[u8]>),
    /// Answer at this time.
    Later(Instant),
    /// Let it hang.
    Never,
}

/// One arm.
#[derive(Debug)]
pub(super) struct Arm {
    behaviour: Behaviour,
    stats: Stats,
    started: Instant,
    bodies: Vec<Arc<[u8]>>,
    failure: Arc<[u8]>,
    /// Which requests fail is drawn, not counted off, so that no pattern lines up with a proxy's split.
    chance: Chance,
}

impl Arm {
    pub(super) fn new(index: usize, seed: u64) -> Self {
        let letter = ["stable ", "canary "][index % 2];
        let body = |len: usize| letter.bytes().cycle().take(len).collect::<Vec<u8>>();
        Self {
            behaviour: Behaviour::default(),
            stats: Stats::default(),
            started: Instant::now(),
            bodies: BODIES.iter().map(|&(_, len)| answer("200 OK", &body(len))).collect(),
            failure: answer("503 Service Unavailable", b"told to fail\n"),
            chance: Chance::new(seed ^ (index as u64 + 1)),
        }
    }

    /// Answers a request for `path`; those under `/-/` are for the arm itself and are not counted.
    pub(super) fn reply(&mut self, path: &str) -> Reply {
        if let Some(command) = path.strip_prefix("/-/") {
            return Reply::Now(self.control(command));
        }
        let now = self.started.elapsed();
        self.stats.asked(now);
        if self.chance.draw() < self.behaviour.fail {
            self.stats.failed(now);
            return Reply::Now(Arc::clone(&self.failure));
        }
        if self.behaviour.hang {
            return Reply::Never;
        }
        if !self.behaviour.delay.is_zero() {
            return Reply::Later(Instant::now() + self.behaviour.delay);
        }
        let place = BODIES.iter().position(|&(name, _)| name == path).unwrap_or(0);
        Reply::Now(Arc::clone(&self.bodies[place]))
    }

    /// The answer of a request that was held back.
    pub(super) fn late(&self) -> Arc<[u8]> {
        Arc::clone(&self.bodies[0])
    }

    fn control(&mut self, command: &str) -> Arc<[u8]> {
        match command.split_once('?').unwrap_or((command, "")) {
            ("set", query) => match query.parse() {
                Ok(behaviour) => self.behaviour = behaviour,
                Err(error) => return answer("400 Bad Request", format!("{error}\n").as_bytes()),
            },
            ("reset", "") => self.stats = Stats::default(),
            ("stats", "") => {}
            _ => return answer("404 Not Found", b"set?fail=0.2&delay_ms=10&hang=true, reset or stats\n"),
        }
        answer("200 OK", self.stats.to_string().as_bytes())
    }
}

/// An answer as it goes over the wire, with the fields that a server usually sends.
fn answer(status: &str, body: &[u8]) -> Arc<[u8]> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nServer: backend\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

impl Stats {
    fn asked(&mut self, now: Duration) {
        if self.requests == 0 {
            self.first_request = now;
        }
        self.requests += 1;
        self.last_request = now;
        if self.failures > 0 {
            self.after_first_failure += 1;
        }
    }

    fn failed(&mut self, now: Duration) {
        if self.failures == 0 {
            self.first_failure = now;
        }
        self.failures += 1;
    }
}
