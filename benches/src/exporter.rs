//! Turns nginx's log lines into metrics for Prometheus, as ingress-nginx's controller does with its monitor's reports.
//!
//! The proxy's view is taken and not the backends': only there does a refused connection or an answer that never came
//! leave a trace (502, 504), so the poll sees every fault. Names, labels and buckets follow ingress-nginx. All series
//! of a trial are there from its start with value 0, which favours the poll: `rate()` would miss the first failures of
//! a series that appears with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;

use crate::interrupt::{Interrupt, LOOK};
use crate::loopback::Loopback;

/// Upper bounds in seconds (ingress-nginx's default ones).
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// What can be answered here: by the backend, and by nginx when that is refused or late.
const STATUSES: [u16; 4] = [200, 502, 503, 504];
const ARMS: [&str; 2] = ["stable", "canary"];

/// One finished request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Note {
    trial: usize,
    arm: usize,
    status: u16,
    /// Seconds.
    took: f64,
    /// When it ended, in seconds since 1970.
    ended: f64,
}

/// What one arm of a trial was seen to do.
#[derive(Clone, Debug, Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
    refusals: Refusals,
}

/// What nginx noted of refused connections (502), which no backend can note; times in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// Beginning of the first such request.
    pub first: f64,
    /// Beginning of the last.
    pub last: f64,
}

type Trials = BTreeMap<usize, [Seen; 2]>;

/// Receives lines and serves metrics until interrupted.
#[derive(Clone, Debug)]
pub struct Exporter {
    /// Where nginx sends its lines (syslog over UDP).
    pub lines: Loopback,
    /// Where Prometheus scrapes.
    pub metrics: Loopback,
    trials: Arc<Mutex<Trials>>,
}

// === impl Note ===

impl Note {
    /// Reads `<190>Nov 25 02:00:00 nginx: 7 canary 503 0.101 1764036000.123`; `None` for anything else.
    fn parse(line: &str) -> Option<Self> {
        let (_, text) = line.split_once("nginx: ")?;
        let mut words = text.split_whitespace();
        let mut word = || words.next();
        let trial = word()?.parse().ok()?;
        let name = word()?;
        Some(Self {
            trial,
            arm: ARMS.iter().position(|&arm| arm == name)?,
            status: word()?.parse().ok()?,
            took: word()?.parse().ok()?,
            ended: word()?.parse().ok()?,
        })
    }
}

// === impl Seen ===

impl Seen {
    fn new() -> Self {
        Self { statuses: STATUSES.map(|status| (status, 0)).into(), ..Self::default() }
    }

    fn take(&mut self, note: Note) {
        *self.statuses.entry(note.status).or_default() += 1;
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(note.took <= bound);
        }
        self.count += 1;
        self.seconds += note.took;
        if note.status == 502 {
            self.refusals.take(note.ended - note.took);
        }
    }

    fn write(&self, text: &mut String, labels: &str) -> std::fmt::Result {
        for (status, count) in &self.statuses {
            writeln!(text, "nginx_ingress_controller_requests{{{labels},status=\"{status}\"}} {count}")?;
        }
        let name = "nginx_ingress_controller_request_duration_seconds";
        for (bound, count) in BOUNDS.iter().zip(self.buckets) {
            writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
        }
        writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count)?;
        writeln!(text, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", self.seconds, self.count)
    }
}

// === impl Refusals ===

impl Refusals {
    fn take(&mut self, begun: f64) {
        if self.count == 0 {
            self.first = begun;
        }
        self.count += 1;
        self.last = begun;
    }
}

// === impl Exporter ===

impl Exporter {
    /// Listens on free ports; its two threads end with `interrupt`.
    pub fn start(interrupt: &Interrupt) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for log lines")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for scrapes")?;
        socket.set_read_timeout(Some(LOOK))?;
        listener.set_nonblocking(true)?;
        let exporter = Self {
            lines: Loopback::try_new(socket.local_addr()?)?,
            metrics: Loopback::try_new(listener.local_addr()?)?,
            trials: Arc::default(),
        };
        let (receiver, server) = (exporter.clone(), exporter.clone());
        let (receiving, serving) = (interrupt.clone(), interrupt.clone());
        // Not joined: both look at the flag every few milliseconds, and hold nothing that outlives the process.
        thread::spawn(move || receiver.receive(&socket, &receiving));
        thread::spawn(move || server.serve(&listener, &serving));
        Ok(exporter)
    }

    /// Shows a trial from now on, with nothing counted.
    pub fn begin(&self, trial: usize) {
        self.trials().insert(trial, [Seen::new(), Seen::new()]);
    }

    /// Shows it no longer; what was noted of its canary's refusals.
    pub fn end(&self, trial: usize) -> Refusals {
        self.trials().remove(&trial).map(|[_, canary]| canary.refusals).unwrap_or_default()
    }

    /// How many requests of a trial were noted.
    pub fn count(&self, trial: usize) -> u64 {
        self.trials().get(&trial).map_or(0, |arms| arms.iter().map(|seen| seen.count).sum())
    }

    fn trials(&self) -> MutexGuard<'_, Trials> {
        // Counts stay counts even if somebody panicked beside them.
        self.trials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, socket: &UdpSocket, interrupt: &Interrupt) {
        let mut line = [0; 2_048];
        while !interrupt.is_set() {
            let Ok(len) = socket.recv(&mut line) else { continue };
            self.take(&String::from_utf8_lossy(&line[..len]));
        }
    }

    fn take(&self, line: &str) {
        let Some(note) = Note::parse(line) else { return };
        if let Some(arms) = self.trials().get_mut(&note.trial) {
            arms[note.arm].take(note);
        }
    }

    fn serve(&self, listener: &TcpListener, interrupt: &Interrupt) {
        while !interrupt.is_set() {
            match listener.accept() {
                // A scrape that fails is missing in Prometheus, which says so by itself.
                Ok((stream, _)) => drop(self.answer(stream)),
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK * 20))?;
        // Whatever is asked, there is one answer; a scrape's head fits.
        let _ = stream.read(&mut [0; 4_096])?;
        let body = self.text();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (trial, arms) in self.trials().iter() {
            for (seen, arm) in arms.iter().zip(ARMS) {
                // Writing to a String can't fail.
                let _ = seen.write(&mut text, &format!("ingress=\"{trial}\",arm=\"{arm}\""));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control;
    use crate::load;
    use std::time::Duration;

    #[test]
    fn a_line_of_nginx_is_read_and_nothing_else() {
        let note = Note::parse("<190>Nov 25 02:00:00 nginx: 7 canary 503 0.101 1764036000.500");
        assert_eq!(note, Some(Note { trial: 7, arm: 1, status: 503, took: 0.101, ended: 1_764_036_000.5 }));
        for bad in ["", "nginx: 7 canary 503", "nginx: 7 other 200 0.1 1.0", "7 canary 503 0.1 1.0"] {
            assert_eq!(Note::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_nginx_sends_is_what_prometheus_gets() {
        let interrupt = Interrupt::default();
        let exporter = Exporter::start(&interrupt).expect("free ports");
        exporter.begin(7);
        let nginx = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        for line in ["<190>x nginx: 7 canary 502 0.250 10.250", "<190>x nginx: 7 canary 502 0.000 12.000", "nonsense"] {
            nginx.send_to(line.as_bytes(), exporter.lines.address()).expect("sent");
        }
        let mut text = String::new();
        let complete = interrupt.wait_until(Duration::from_secs(30), || {
            let (_, body) = control::ask(exporter.metrics, &load::get("/metrics", "")).expect("an answer");
            text = String::from_utf8_lossy(&body).into_owned();
            text.contains("{ingress=\"7\",arm=\"canary\",status=\"502\"} 2")
        });
        assert!(complete.expect("not stopped"), "{text}");
        for line in [
            "nginx_ingress_controller_requests{ingress=\"7\",arm=\"canary\",status=\"503\"} 0\n",
            "nginx_ingress_controller_request_duration_seconds_bucket{ingress=\"7\",arm=\"canary\",le=\"0.1\"} 1\n",
            "nginx_ingress_controller_request_duration_seconds_bucket{ingress=\"7\",arm=\"canary\",le=\"0.25\"} 2\n",
            "nginx_ingress_controller_request_duration_seconds_count{ingress=\"7\",arm=\"stable\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert_eq!((exporter.count(7), exporter.count(8)), (2, 0));
        assert_eq!(exporter.end(7), Refusals { count: 2, first: 10.0, last: 12.0 });
        assert_eq!(exporter.end(7), Refusals::default());
        interrupt.set();
    }
}
