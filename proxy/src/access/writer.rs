//! The writer's thread: looks into every queue, formats what is there, writes it in one piece.
//!
//! It looks rather than being woken, so that a worker makes no system call for a line. A line is on disk a few
//! hundredths of a second after its request.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Shared;
use super::format::write_line;
use super::sink::Sink;
use crate::clock::Clock;

/// Between two looks into empty queues.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between two looks at where the path leads.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Bytes that are written in one piece.
const PIECE: usize = 64 * 1024;

/// Trouble is told this often at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    clock: Clock,
    /// Lines of the present piece, formatted.
    piece: Vec<u8>,
    lines: u64,
    followed: Instant,
    complained: Option<Instant>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink, clock: Clock) -> Self {
        let piece = Vec::with_capacity(PIECE + PIECE / 4);
        Self { shared, sink, clock, piece, lines: 0, followed: Instant::now(), complained: None }
    }

    pub(super) fn run(mut self) {
        loop {
            // Read first: what was put before the end is written.
            let is_over = self.shared.stop.load(Relaxed);
            self.follow();
            if !self.drain() {
                if is_over {
                    return;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    /// Writes what is queued, at most one piece for each queue; false if there was nothing.
    fn drain(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let origin_us = self.origin_us();
        let mut found = false;
        for queue in &shared.queues {
            while let Some(entry) = queue.pop() {
                let unix_us = origin_us.saturating_add_unsigned(entry.start_us);
                write_line(&mut self.piece, shared.settings.format, &entry, unix_us);
                self.lines += 1;
                found = true;
                if self.piece.len() >= PIECE {
                    break;
                }
            }
            if self.piece.len() >= PIECE {
                self.write();
            }
        }
        self.write();
        found
    }

    /// The wall clock at which the process clock began, microseconds since 1970.
    fn origin_us(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_micros()).unwrap_or_default().saturating_sub_unsigned(self.clock.now_us())
    }

    fn write(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        if let Err(error) = self.sink.write(&self.piece) {
            self.shared.unwritten.fetch_add(self.lines, Relaxed);
            self.complain(&error, "the access log can't be written: lines are dropped");
        }
        self.piece.clear();
        self.lines = 0;
    }

    fn follow(&mut self) {
        let is_asked = self.shared.reopen.swap(false, Relaxed);
        if !is_asked && self.followed.elapsed() < FOLLOW_EVERY {
            return;
        }
        self.followed = Instant::now();
        if let Err(error) = self.sink.follow(is_asked) {
            self.complain(&error, "the access log can't be opened again: lines go where they went");
        }
    }

    fn complain(&mut self, error: &std::io::Error, what: &'static str) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(%error, "{what}");
        }
    }
}
