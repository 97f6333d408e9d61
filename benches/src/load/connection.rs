//! One connection of the load: at most one request under way.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::http::{AnswerReader, Progress};
use crate::loopback::Loopback;

/// A server closes a connection that asks nothing: after a minute or so, or after seconds (Sluice: 10) if it never asked.
/// One that is closed just as it is used would count as a failure, so it is replaced before, as clients do.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// A connection and what it waits for.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    reader: AnswerReader,
    /// When the request under way was due.
    due: Option<Instant>,
    /// Bytes of it that were written.
    written: usize,
    /// Since when it waits for the next one.
    idle_since: Instant,
}

/// What became of a connection's request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// Nothing yet.
    Waiting,
    /// Answered.
    Answered { status: u16, due: Instant, close: bool },
    /// The connection is of no use any more.
    Broken { was_busy: bool },
}

impl Connection {
    pub(super) fn open(target: Loopback, registry: &Registry, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(target.address())?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, reader: AnswerReader::default(), due: None, written: 0, idle_since: Instant::now() })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.due.is_some()
    }

    /// Goes on waiting from `now`.
    pub(super) fn rest(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// Nobody used it for longer than servers are sure to keep it.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.idle_since) > MAX_IDLE
    }

    /// Begins a request that was due at `due`.
    pub(super) fn send(&mut self, request: &[u8], due: Instant) -> Outcome {
        self.due = Some(due);
        self.written = 0;
        self.write(request)
    }

    /// Writes what is left and reads what there is.
    pub(super) fn advance(&mut self, request: &[u8], scratch: &mut [u8]) -> Outcome {
        if self.is_busy() && self.written < request.len() {
            let outcome = self.write(request);
            if !matches!(outcome, Outcome::Waiting) {
                return outcome;
            }
        }
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return self.broken(),
                Ok(len) => match self.feed(&scratch[..len]) {
                    // A short read emptied the socket: the next event says when there is more.
                    Outcome::Waiting if len < scratch.len() => return Outcome::Waiting,
                    Outcome::Waiting => {}
                    outcome => return outcome,
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Waiting,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.broken(),
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Outcome {
        let Some(due) = self.due else { return self.broken() };
        match self.reader.feed(bytes) {
            Ok(Progress::Incomplete) => Outcome::Waiting,
            Ok(Progress::Complete { status, close }) => {
                self.due = None;
                Outcome::Answered { status, due, close }
            }
            Err(_) => self.broken(),
        }
    }

    fn write(&mut self, request: &[u8]) -> Outcome {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.broken(),
            }
        }
        Outcome::Waiting
    }

    fn broken(&self) -> Outcome {
        Outcome::Broken { was_busy: self.is_busy() }
    }
}
