//! All time limits of one worker's connections, kept without a timer for each.
//!
//! A connection has a slot. Arming a limit writes a number into it; one task per worker looks through the slots once a
//! second, or earlier if a nearer deadline is set, marks what has expired and wakes its task. So a request that is
//! answered in time costs two stores. Limits on quiet (bodies, idle connections) are exact to one period of the sweep.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::gate::Gate;
use super::workers::Limits;

/// What a connection is doing, which decides how long it may be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests.
    Idle,
    /// Part of a request's head has come.
    Head,
    /// A request is with the upstream, its body (if any) has been sent.
    Waiting,
    /// A request's body is on its way to the upstream.
    Uploading,
    /// The messages of a gRPC call are on their way to the upstream, as slowly as its two ends like.
    Calling,
    /// An answer is on its way to the client.
    Answering,
    /// An answer that may be quiet for as long as it likes: server-sent events.
    Streaming,
    /// The last answer has been sent, and the client has yet to close.
    Closing,
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// The armed deadline.
    Deadline,
    /// Nothing moved for too long.
    Quiet,
    /// The client does not send its body, or too slowly.
    Unsent,
    /// The client does not take its answer, or too slowly.
    Unread,
}

/// The time limits of one downstream connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) gate: Gate,
    phase: Cell<Phase>,
    /// Count changes of phase and whatever else moves; the sweep compares.
    turns: Cell<u32>,
    progress: Cell<u32>,
    seen: Cell<(u32, u32)>,
    quiet_since_us: Cell<u64>,
    swept_us: Cell<u64>,
    deadline_us: Cell<u64>,
    expired: Cell<Option<Expiry>>,
    /// Bytes of the present request's body, where somebody wants to know.
    uploaded_bytes: Cell<u64>,
    /// The client has sent all that was read so far.
    awaits_bytes: Cell<bool>,
    /// The client has yet to take what was sent so far.
    awaits_room: Cell<bool>,
    /// Bytes that the client sent or took.
    moved_bytes: Cell<u64>,
    /// When its pace began to be measured, and the bytes until then.
    pace: Cell<(u64, u64)>,
    /// Nobody counts the bytes below the body: its connection is shared.
    is_stream: Cell<bool>,
    /// A bad body ends the connection, so this is never taken back.
    is_spoiled: Cell<bool>,
    /// A request's body was larger than its route allows. No other request follows on such a connection.
    upload_is_cut: Cell<bool>,
}

/// The slots of one worker, and when to look at them next.
#[derive(Debug)]
pub(super) struct Deadlines {
    slots: RefCell<Vec<Rc<Slot>>>,
    next_us: Cell<u64>,
    sooner: Notify,
}

/// How long a client may take to close after the last answer, whatever it sends meanwhile.
const LINGER: Duration = Duration::from_secs(5);

/// No deadline.
const NEVER: u64 = u64::MAX;

// === impl Slot ===

impl Slot {
    fn new(now_us: u64) -> Self {
        Self {
            gate: Gate::new(),
            phase: Cell::new(Phase::Head),
            turns: Cell::new(0),
            progress: Cell::new(0),
            seen: Cell::new((0, 0)),
            quiet_since_us: Cell::new(now_us),
            swept_us: Cell::new(now_us),
            deadline_us: Cell::new(NEVER),
            expired: Cell::new(None),
            uploaded_bytes: Cell::new(0),
            awaits_bytes: Cell::new(false),
            awaits_room: Cell::new(false),
            moved_bytes: Cell::new(0),
            pace: Cell::new((now_us, 0)),
            is_stream: Cell::new(false),
            is_spoiled: Cell::new(false),
            upload_is_cut: Cell::new(false),
        }
    }

    /// Bytes moved.
    #[inline]
    pub(super) fn progressed(&self) {
        self.progress.set(self.progress.get().wrapping_add(1));
    }

    /// The client was asked for bytes and has none for now.
    #[inline]
    pub(super) fn await_bytes(&self) {
        self.awaits_bytes.set(true);
    }

    /// The client takes no more for now.
    #[inline]
    pub(super) fn await_room(&self) {
        self.awaits_room.set(true);
    }

    /// The client has room for what was sent.
    #[inline]
    pub(super) fn sent(&self, bytes: usize) {
        self.progressed();
        self.awaits_room.set(false);
        self.moved_bytes.set(self.moved_bytes.get() + bytes as u64);
    }

    /// Bytes came from the client. The first after an answer begin a head.
    #[inline]
    pub(super) fn received(&self, bytes: usize) {
        self.progressed();
        self.awaits_bytes.set(false);
        self.moved_bytes.set(self.moved_bytes.get() + bytes as u64);
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.turn();
        }
    }

    #[inline]
    fn turn(&self) {
        self.turns.set(self.turns.get().wrapping_add(1));
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// The phase changes, which is a movement; a limit that expired in the former phase is void.
    #[inline]
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.deadline_us.set(NEVER);
        self.expired.set(None);
        self.turn();
    }

    /// The request's body is through: from now on the upstream is waited for, under the deadline that was set.
    pub(super) fn uploaded(&self) {
        self.phase.set(Phase::Waiting);
    }

    /// Whether a request's body is on its way.
    pub(super) fn is_uploading(&self) -> bool {
        matches!(self.phase.get(), Phase::Uploading | Phase::Calling)
    }

    /// A new request's body may come.
    pub(super) fn begin_upload(&self) {
        self.uploaded_bytes.set(0);
    }

    /// The present request's body turned out bad: whatever fails from now on is the client's fault.
    pub(super) fn spoil_upload(&self) {
        self.is_spoiled.set(true);
    }

    /// Whether the present request's body is bad.
    pub(super) fn is_upload_spoiled(&self) -> bool {
        self.is_spoiled.get()
    }

    /// Bytes of a request's body have come.
    pub(super) fn add_uploaded(&self, bytes: usize) {
        self.uploaded_bytes.set(self.uploaded_bytes.get() + bytes as u64);
    }

    /// Bytes of the body since [`Slot::begin_upload`].
    pub(super) fn uploaded_bytes(&self) -> u64 {
        self.uploaded_bytes.get()
    }

    /// The request's body is cut off here.
    pub(super) fn cut_upload(&self) {
        self.upload_is_cut.set(true);
    }

    pub(super) fn upload_is_cut(&self) -> bool {
        self.upload_is_cut.get()
    }

    /// The limit that was passed, once.
    #[inline]
    pub(super) fn take_expired(&self) -> Option<Expiry> {
        self.expired.take()
    }

    /// The limit that was passed and that nobody has taken notice of.
    #[inline]
    pub(super) fn expired(&self) -> Option<Expiry> {
        self.expired.get()
    }

    fn expire(&self, expiry: Expiry) {
        self.deadline_us.set(NEVER);
        self.expired.set(Some(expiry));
        self.gate.wake();
    }

    /// How long this slot may still be quiet, if that is limited.
    fn quiet_limit(&self, limits: &Limits) -> Option<Duration> {
        match self.phase.get() {
            Phase::Idle | Phase::Streaming if self.awaits_room.get() => Some(limits.body_idle_timeout),
            Phase::Idle => Some(limits.idle_timeout),
            Phase::Head => Some(limits.header_timeout),
            Phase::Uploading | Phase::Answering => Some(limits.body_idle_timeout),
            Phase::Closing => Some(LINGER),
            Phase::Waiting | Phase::Calling | Phase::Streaming => None,
        }
    }

    /// Bytes of a body came from the client.
    #[inline]
    pub(super) fn received_body(&self, bytes: usize) {
        self.progressed();
        self.awaits_bytes.set(false);
        if self.is_stream.get() {
            self.moved_bytes.set(self.moved_bytes.get() + bytes as u64);
        }
    }

    /// Whether it is the client that all wait for.
    fn awaits_client(&self) -> bool {
        match self.phase.get() {
            Phase::Uploading => self.awaits_bytes.get(),
            Phase::Idle | Phase::Answering | Phase::Streaming => self.awaits_room.get(),
            Phase::Head | Phase::Waiting | Phase::Calling | Phase::Closing => false,
        }
    }

    fn whose_fault(&self) -> Expiry {
        match self.phase.get() {
            Phase::Uploading if self.awaits_bytes.get() => Expiry::Unsent,
            _ if self.awaits_room.get() => Expiry::Unread,
            _ => Expiry::Quiet,
        }
    }

    /// Whether the client has kept us waiting over a whole period in which less came, or went, than a line of any use
    /// carries. Bytes that drip keep a connection from being quiet; this keeps them from keeping it for ever.
    fn is_client_slow(&self, limits: &Limits, now_us: u64) -> bool {
        let (since_us, bytes) = self.pace.get();
        let is_awaited = self.awaits_client();
        let elapsed = Duration::from_micros(now_us.saturating_sub(since_us));
        if is_awaited && elapsed < limits.pace_period {
            return false;
        }
        self.pace.set((now_us, self.moved_bytes.get()));
        is_awaited && (self.moved_bytes.get() - bytes) * 1_000 < limits.slowest * elapsed.as_millis() as u64
    }

    /// Expires what is due; tells when this slot has to be looked at again.
    fn sweep(&self, limits: &Limits, now_us: u64) -> u64 {
        let counted = (self.turns.get(), self.progress.get());
        let seen = self.seen.replace(counted);
        // A head has to be complete in time, however steadily it drips, and an end is an end; all else may go on as long
        // as it moves.
        let is_total = matches!(self.phase.get(), Phase::Head | Phase::Closing);
        let restarts = if is_total { counted.0 != seen.0 } else { counted != seen };
        if restarts {
            self.quiet_since_us.set(now_us);
        }
        let since_sweep = now_us.saturating_sub(self.swept_us.replace(now_us));
        if self.is_uploading() && self.awaits_bytes.get() {
            // The upstream is not to blame for the time an upload takes: its deadline stands still meanwhile.
            self.deadline_us.set(self.deadline_us.get().saturating_add(since_sweep));
        }
        if self.deadline_us.get() <= now_us {
            self.expire(Expiry::Deadline);
            return NEVER;
        }
        let limit = self.quiet_limit(limits).map_or(NEVER, |limit| limit.as_micros() as u64);
        let is_quiet = now_us.saturating_sub(self.quiet_since_us.get()) >= limit;
        if self.is_client_slow(limits, now_us) || is_quiet {
            self.quiet_since_us.set(now_us);
            self.expire(self.whose_fault());
        }
        self.deadline_us.get()
    }
}

// === impl Deadlines ===

impl Deadlines {
    pub(super) fn new() -> Self {
        Self { slots: RefCell::default(), next_us: Cell::new(0), sooner: Notify::new() }
    }

    /// A slot for one of several requests on a connection.
    pub(super) fn register_stream(&self, now_us: u64) -> Rc<Slot> {
        let slot = self.register(now_us);
        slot.is_stream.set(true);
        slot
    }

    /// A slot for a new connection, which has yet to send a head.
    pub(super) fn register(&self, now_us: u64) -> Rc<Slot> {
        let slot = Rc::new(Slot::new(now_us));
        self.slots.borrow_mut().push(Rc::clone(&slot));
        slot
    }

    /// Sets the one deadline of a slot; a change of phase takes it back.
    #[inline]
    pub(super) fn arm(&self, slot: &Slot, deadline_us: u64) {
        slot.deadline_us.set(deadline_us);
        if deadline_us < self.next_us.get() {
            self.next_us.set(deadline_us);
            self.sooner.notify_one();
        }
    }

    /// Wakes every connection, so that it looks at what has changed for all.
    pub(super) fn wake_all(&self) {
        self.slots.borrow().iter().for_each(|slot| slot.gate.wake());
    }

    /// Looks through all slots once. A slot that only this list holds belongs to a closed connection.
    pub(super) fn sweep(&self, limits: &Limits, now_us: u64) {
        let mut next_us = now_us.saturating_add(limits.sweep_period().as_micros() as u64);
        let mut slots = self.slots.borrow_mut();
        slots.retain(|slot| Rc::strong_count(slot) > 1);
        for slot in slots.iter() {
            next_us = next_us.min(slot.sweep(limits, now_us));
        }
        self.next_us.set(next_us);
    }

    /// Waits until the next sweep is due.
    pub(super) async fn due(&self, now_us: impl Fn() -> u64) {
        loop {
            let wait = Duration::from_micros(self.next_us.get().saturating_sub(now_us()));
            if wait.is_zero() || tokio::time::timeout(wait, self.sooner.notified()).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn swept(slot: &Slot, seconds: std::ops::RangeInclusive<u64>, each: impl Fn()) -> Option<u64> {
        seconds.into_iter().find(|second| {
            each();
            slot.sweep(&Limits::default(), second * SECOND);
            slot.take_expired().is_some()
        })
    }

    #[test]
    fn a_head_that_drips_is_cut_at_its_deadline() {
        let slot = Slot::new(0);
        assert_eq!(swept(&slot, 1..=100, || slot.received(1)), Some(10));
    }

    #[test]
    fn a_body_may_take_long_as_long_as_it_moves() {
        let slot = Slot::new(0);
        slot.enter(Phase::Uploading);
        assert_eq!(swept(&slot, 1..=100, || slot.progressed()), None);
        assert_eq!(swept(&slot, 101..=200, || ()), Some(130));
    }

    #[test]
    fn a_client_that_drips_its_body_or_sips_its_answer_is_cut_off_after_a_period() {
        let slot = Slot::new(0);
        slot.enter(Phase::Uploading);
        let upload = |bytes| {
            slot.received(bytes);
            slot.await_bytes();
        };
        assert_eq!(swept(&slot, 1..=200, || upload(100)), None);
        assert_eq!(swept(&slot, 201..=300, || upload(99)).map(|second| second <= 261), Some(true));
        let slot = Slot::new(0);
        slot.enter(Phase::Streaming);
        let answer = |bytes| {
            slot.sent(bytes);
            slot.await_room();
        };
        assert_eq!(swept(&slot, 1..=200, || answer(100)), None);
        assert_eq!(swept(&slot, 201..=300, || answer(1)).map(|second| second <= 261), Some(true));
    }

    #[test]
    fn an_upstream_that_takes_nothing_is_not_the_clients_fault() {
        let deadlines = Deadlines::new();
        let slot = deadlines.register(0);
        slot.enter(Phase::Uploading);
        deadlines.arm(&slot, 60 * SECOND);
        let progress = || slot.progressed();
        assert_eq!(swept(&slot, 1..=100, progress), Some(60), "the deadline goes on");
    }

    #[test]
    fn an_idle_connection_is_kept_for_75_seconds_and_an_event_stream_for_ever() {
        let slot = Slot::new(0);
        slot.enter(Phase::Idle);
        assert_eq!(swept(&slot, 1..=100, || ()), Some(76));
        slot.enter(Phase::Streaming);
        assert_eq!(swept(&slot, 1..=100_000, || ()), None);
    }

    #[test]
    fn a_client_that_keeps_sending_after_the_last_answer_is_cut_off() {
        let slot = Slot::new(0);
        slot.enter(Phase::Closing);
        assert_eq!(swept(&slot, 1..=100, || slot.received(1)), Some(6));
    }

    #[test]
    fn a_deadline_expires_once_and_a_change_of_phase_takes_it_back() {
        let deadlines = Deadlines::new();
        let slot = deadlines.register(0);
        deadlines.arm(&slot, 2 * SECOND);
        slot.enter(Phase::Answering);
        assert_eq!(swept(&slot, 1..=5, || ()), None);
        deadlines.arm(&slot, 7 * SECOND);
        assert_eq!(swept(&slot, 6..=20, || ()), Some(7));
        assert_eq!(swept(&slot, 8..=20, || ()), None);
    }

    #[test]
    fn slots_of_closed_connections_are_forgotten() {
        let deadlines = Deadlines::new();
        drop(deadlines.register(0));
        let _open = deadlines.register(0);
        deadlines.sweep(&Limits::default(), 0);
        assert_eq!(deadlines.slots.borrow().len(), 1);
    }
}
