//! One worker: a thread, its runtime, and everything its requests share.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, watch};

use super::accept::{Door, accept};
use super::admission::Admission;
use super::deadlines::Deadlines;
use super::entrance::Entrance;
use super::ids::RequestIds;
use super::listen::Listeners;
use super::local::Local;
use super::mirror::Mirrored;
use super::random::Random;
use super::reject::Rejections;
use super::shield::Kept;
use super::workers::{Limits, Stage, WorkersConfig};
use crate::access;
use crate::clock::Clock;
use crate::exemplars::Exemplars;
use crate::memory::Pressure;
use crate::nginx::Registry;
use crate::snapshot::Snapshot;

/// What one worker thread is started with.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) index: usize,
    config: WorkersConfig,
    stage: watch::Receiver<Stage>,
    /// Its sockets, with the count of their connections over all workers.
    doors: Vec<(TcpListener, Entrance, Arc<AtomicUsize>)>,
}

/// What all requests of one worker share. Lives on its thread only.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) admission: Arc<Admission>,
    /// Beside the admission, whose counters change with every connection of every worker.
    pub(super) pressure: Arc<Pressure>,
    pub(super) deadlines: Deadlines,
    pub(super) ids: RequestIds,
    pub(super) rejections: Arc<Rejections>,
    pub(super) mirrored: Arc<Mirrored>,
    /// Copies of requests that are under way.
    pub(super) mirrors: Cell<usize>,
    pub(super) exemplars: Arc<Exemplars>,
    /// Its end of the access log, if there is one.
    pub(super) access: Option<access::Seat>,
    /// Which requests are logged, and the identifiers of traces that begin here: from generators of their own, since one
    /// of the two is shown.
    pub(super) samples: RefCell<Random>,
    pub(super) traces: RefCell<Random>,
    /// Connections are to be closed as soon as they are idle.
    pub(super) draining: Cell<bool>,
    /// Empty copies of heads, with room.
    #[allow(
        clippy::vec_box,
        reason = "boxes go out and come back; unboxed, each way would be an allocation or a copy"
    )]
    pub(super) spare_heads: RefCell<Vec<Box<Kept>>>,
    index: usize,
    series: Arc<Registry>,
    snapshot: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    local: RefCell<Rc<Local>>,
    open: Cell<usize>,
    closed: Notify,
}

// === impl Seat ===

impl Seat {
    /// Gives every worker its socket of every port.
    pub(super) fn allot(listeners: Listeners, config: &WorkersConfig, stage: &watch::Receiver<Stage>) -> Vec<Self> {
        let mut seats: Vec<Self> = Vec::new();
        for (number, port) in listeners.ports.into_iter().enumerate() {
            let count = Arc::new(AtomicUsize::new(0));
            for (index, socket) in port.sockets.into_iter().enumerate() {
                if seats.len() <= index {
                    seats.push(Self { index, config: config.clone(), stage: stage.clone(), doors: Vec::new() });
                }
                let entrance = Entrance::new(&port.listener, config.terminators.of(number));
                seats[index].doors.push((socket, entrance, Arc::clone(&count)));
            }
        }
        seats
    }
}

/// The thread of a worker; tells `ready` once it accepts, or why it cannot.
pub(super) fn run(seat: Seat, ready: &Sender<io::Result<()>>) {
    let opened = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let opened = opened.and_then(|runtime| {
        let stage = seat.stage.clone();
        let worker = open(seat, &runtime)?;
        Ok((runtime, worker, stage))
    });
    match opened {
        Ok((runtime, worker, stage)) => {
            // Whoever started us waits for the answer, or has given up; then the stage channel is closed as well.
            let _ = ready.send(Ok(()));
            runtime.block_on(serve(worker, stage));
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

/// Registers the sockets and starts the tasks that accept on them.
fn open(seat: Seat, runtime: &LocalRuntime) -> io::Result<Rc<Worker>> {
    let worker = Rc::new(Worker::new(seat.index, &seat.config));
    let _context = runtime.enter();
    for (socket, entrance, count) in seat.doors {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let door = Door { socket, entrance: Rc::new(entrance), count, stage: seat.stage.clone() };
        // Ends by itself when the stage changes, and with the runtime at the latest.
        runtime.spawn_local(accept(door, Rc::clone(&worker)));
    }
    Ok(worker)
}

/// Sweeps until the stage changes, then drains.
async fn serve(worker: Rc<Worker>, mut stage: watch::Receiver<Stage>) {
    loop {
        tokio::select! {
            // A sweep is never urgent, the end is.
            biased;
            changed = stage.changed() => {
                let Ok(()) = changed else { return };
                break;
            }
            () = worker.deadlines.due(|| worker.clock.now_us()) => worker.sweep(),
        }
    }
    let Stage::Draining(deadline) = *stage.borrow() else { return };
    worker.draining.set(true);
    worker.deadlines.wake_all();
    let _ = tokio::time::timeout_at(deadline.into(), worker.all_closed()).await;
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(index: usize, config: &WorkersConfig) -> Self {
        let mut snapshot = Cache::new(Arc::clone(&config.snapshot));
        let local = Local::build(Arc::clone(snapshot.load()), index, &config.series, None);
        Self {
            clock: config.clock,
            limits: config.limits.clone(),
            admission: Arc::clone(&config.admission),
            pressure: config.admission.pressure(),
            deadlines: Deadlines::new(),
            ids: RequestIds::new(),
            rejections: Arc::clone(&config.rejections),
            mirrored: Arc::clone(&config.mirrored),
            mirrors: Cell::new(0),
            exemplars: Arc::clone(&config.exemplars),
            access: config.access.as_ref().and_then(|access| access.seat(index)),
            samples: RefCell::new(Random::from_system()),
            traces: RefCell::new(Random::from_system()),
            draining: Cell::new(false),
            spare_heads: RefCell::default(),
            index,
            series: Arc::clone(&config.series),
            snapshot: RefCell::new(snapshot),
            local: RefCell::new(Rc::new(local)),
            open: Cell::new(0),
            closed: Notify::new(),
        }
    }

    /// The one snapshot load of a request.
    #[inline]
    pub(super) fn local(&self) -> Rc<Local> {
        let mut cache = self.snapshot.borrow_mut();
        let snapshot = cache.load();
        let mut local = self.local.borrow_mut();
        if !Arc::ptr_eq(snapshot, &local.snapshot) {
            *local = Rc::new(Local::build(Arc::clone(snapshot), self.index, &self.series, Some(&local)));
        }
        Rc::clone(&local)
    }

    fn sweep(&self) {
        let now_us = self.clock.now_us();
        self.deadlines.sweep(&self.limits, now_us);
        let local = self.local();
        let keep = Duration::from(local.snapshot.upstream.keepalive_timeout).as_micros() as u64;
        local.endpoints().for_each(|endpoint| endpoint.tidy(now_us.saturating_sub(keep)));
    }

    pub(super) fn opened(&self) {
        self.open.set(self.open.get() + 1);
    }

    pub(super) fn closed(&self) {
        self.open.set(self.open.get() - 1);
        self.closed.notify_waiters();
    }

    async fn all_closed(&self) {
        while self.open.get() > 0 {
            self.closed.notified().await;
        }
    }
}
