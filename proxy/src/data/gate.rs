//! The waker under which a request's task polls its own upstream connection.
//!
//! The two halves of a connection wake each other whenever they hand something over. Both are polled here by the same
//! task in the same turn, which asks again anyway, so such a wake would only run the whole task a second time for
//! nothing. The gate lets wakes pass from outside (a socket became ready, the client sent more) and drops those that
//! arise while the task is inside the upstream connection.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// One per downstream connection.
#[derive(Debug)]
pub(super) struct Gate {
    inner: Arc<Inner>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Inner {
    /// The connection's task; always the same one.
    task: OnceLock<Waker>,
    /// The task is inside the upstream connection. Written and read on one thread.
    inside: AtomicBool,
}

// === impl Gate ===

impl Gate {
    pub(super) fn new() -> Self {
        let inner = Arc::<Inner>::default();
        Self { waker: Waker::from(Arc::clone(&inner)), inner }
    }

    /// Remembers the task that polls; needed once, before anything else.
    pub(super) fn attach(&self, task: &Waker) {
        self.inner.task.get_or_init(|| task.clone());
    }

    /// Wakes the task from outside.
    pub(super) fn wake(&self) {
        if let Some(task) = self.inner.task.get() {
            task.wake_by_ref();
        }
    }

    /// Runs one poll of the upstream connection.
    #[inline]
    pub(super) fn pass<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.inner.inside.store(true, Relaxed);
        let polled = poll(&mut Context::from_waker(&self.waker));
        self.inner.inside.store(false, Relaxed);
        polled
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.inside.load(Relaxed)
            && let Some(task) = self.task.get()
        {
            task.wake_by_ref();
        }
    }
}
