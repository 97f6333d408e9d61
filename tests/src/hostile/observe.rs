//! One message to a proxy, and what became of it on both of its sides.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Arrives, Expected};
use crate::backend::{Backend, Seen};

/// Longer than any answer takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(8);

static PROBES: AtomicU64 = AtomicU64::new(0);

/// What became of a message.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Of every answer, interim ones aside.
    pub statuses: Vec<u16>,
    /// Another request on the same connection got through.
    pub goes_on: bool,
    /// Requests that the upstream took for whole ones.
    pub forwarded: usize,
    /// The first of them, in lower case.
    pub arrived: String,
}

/// Sends bytes over a connection of their own, waits for `answers` of them or the end, and tries another request.
///
/// # Panics
/// If nobody listens there.
pub async fn observe(address: SocketAddr, upstream: &Backend, sent: &[u8], answers: usize) -> Observation {
    let before = upstream.seen().len();
    let stream = TcpStream::connect(address).await.expect("the proxy listens");
    let (mut reader, mut writer) = stream.into_split();
    let mut received = Vec::new();
    // Who is refused early may find the way closed while it still writes.
    let write = timeout(PATIENCE, writer.write_all(sent));
    let read = timeout(PATIENCE, async {
        while statuses(&received).len() < answers && reader.read_buf(&mut received).await.unwrap_or(0) > 0 {}
    });
    let (written, read) = tokio::join!(write, read);
    let probe = format!("/probe-{}", PROBES.fetch_add(1, Relaxed));
    if written.is_ok_and(|written| written.is_ok()) && read.is_ok() {
        let request = format!("GET {probe} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n");
        writer.write_all(request.as_bytes()).await.ok();
        timeout(PATIENCE, async { while reader.read_buf(&mut received).await.unwrap_or(0) > 0 {} }).await.ok();
    }
    let mut seen = upstream.seen().split_off(before);
    let goes_on = seen.iter().any(|seen| seen.head.word(1) == probe);
    seen.retain(|seen| !seen.head.word(1).contains("/probe-"));
    let mut statuses = statuses(&received);
    if goes_on {
        statuses.pop();
    }
    Observation { statuses, goes_on, forwarded: seen.len(), arrived: seen.first().map(text).unwrap_or_default() }
}

/// The statuses of all answers in these bytes. The bodies of the tests have nothing that looks like a status line.
fn statuses(received: &[u8]) -> Vec<u16> {
    let lines = received.windows(12).filter(|window| window.starts_with(b"HTTP/1.") && window[8] == b' ');
    let codes = lines.filter_map(|line| std::str::from_utf8(&line[9..]).ok()?.parse().ok());
    codes.filter(|status| *status >= 200).collect()
}

fn text(seen: &Seen) -> String {
    let mut text = format!("{}\r\n", seen.head.first);
    for (name, value) in &seen.head.fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{}", String::from_utf8_lossy(&seen.body)).to_ascii_lowercase()
}

// === impl Observation ===

impl Observation {
    /// What is not as it has to be; nothing if all is well.
    pub fn complaints(&self, expected: &Expected) -> Vec<String> {
        match expected {
            Expected::Refused(statuses, _) => self.not_refused(statuses),
            Expected::Served(requests, arrives) => {
                let mut complaints = self.not_served(*requests);
                complaints.extend(self.not_arrived(arrives));
                complaints
            }
            Expected::Local(status) => {
                let is_good = self.statuses == [*status] && self.forwarded == 0;
                (!is_good).then(|| self.summary()).into_iter().collect()
            }
        }
    }

    fn not_refused(&self, allowed: &[u16]) -> Vec<String> {
        let mut complaints = Vec::new();
        if !matches!(self.statuses[..], [status] if allowed.contains(&status)) {
            complaints.push(format!("answered {:?} instead of one of {allowed:?}", self.statuses));
        }
        if self.goes_on {
            complaints.push("the connection goes on".to_owned());
        }
        if self.forwarded > 0 {
            complaints.push(format!("{} forwarded: {:?}", self.forwarded, self.arrived));
        }
        complaints
    }

    fn not_served(&self, requests: usize) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.statuses != vec![200; requests] {
            complaints.push(format!("answered {:?}", self.statuses));
        }
        if self.forwarded != requests || !self.goes_on {
            complaints.push(self.summary());
        }
        complaints
    }

    /// Lines that are missing or should not be there.
    pub fn not_arrived(&self, arrives: &Arrives) -> Vec<String> {
        let missing = arrives.with.iter().filter(|line| !self.arrived.contains(*line));
        let present = arrives.without.iter().filter(|line| self.arrived.contains(*line));
        let missing = missing.map(|line| format!("without `{}`", line.trim()));
        missing.chain(present.map(|line| format!("with `{}`", line.trim()))).collect()
    }

    /// For people.
    pub fn summary(&self) -> String {
        let statuses: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
        let answer = if statuses.is_empty() { "no answer".to_owned() } else { statuses.join(", ") };
        let forwarded = match self.forwarded {
            0 => String::new(),
            1 => ", forwarded".to_owned(),
            more => format!(", forwarded as {more}"),
        };
        format!("{answer}{forwarded}{}", if self.goes_on { ", goes on" } else { ", closed" })
    }
}
