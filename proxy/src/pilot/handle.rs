//! How others talk to the pilot: they look at its boards and send it orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, ArcSwapOption};
use sluice_api::{History, ReleaseRequest, RolloutList, RolloutStatus, Series, ServerStatus};
use sluice_engine::rollout::{Command, Refusal};
use tokio::sync::{mpsc, oneshot, watch};

use super::board::{Board, Limits, Subscription, Tally};
use super::ledger::Sums;
use super::questions::{Answered, OpenQuestion};
use crate::clock::Clock;
use crate::config::Config;
use crate::gates::Said;
use crate::notify::Notifier;
use crate::snapshot::Snapshot;

/// Orders that may wait; more means that the pilot does not keep up, and senders wait too.
const ORDERS: usize = 64;

/// Shows and commands the pilot; clones reach the same one.
#[derive(Clone, Debug)]
pub struct PilotHandle {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such rollout.
    #[error("there is no rollout {0:?}")]
    NotFound(String),
    /// The request can't be meant.
    #[error("{0}")]
    Invalid(String),
    /// Not in this state, or meant for another generation.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The release can't be started now.
    #[error("{0}")]
    Conflict(String),
    /// The process is ending.
    #[error("the proxy is shutting down")]
    Stopped,
}

/// What one rollout has counted since the process started.
#[derive(Clone, Debug)]
pub struct RolloutTotals {
    /// The rollout as it is now.
    pub status: Arc<RolloutStatus>,
    /// Requests.
    pub sums: Sums,
    /// Decisions.
    pub tally: Tally,
    /// The latency limit of the present plan.
    pub limit_ms: Option<u64>,
    /// What the present plan allows.
    pub limits: Limits,
}

/// How many configurations were taken and refused, and how old the present one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadTotals {
    /// Accepted.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Seconds since the last one was accepted.
    pub age_seconds: u64,
}

/// Whoever gave an order waits for this.
pub(super) type Reply = oneshot::Sender<Result<Arc<RolloutStatus>, CommandError>>;

/// What the pilot is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Command { name: String, generation: Option<u64>, command: Command, reply: Reply },
    Release { name: String, request: ReleaseRequest, reply: Reply },
    Apply { config: Box<Config>, reply: oneshot::Sender<()> },
    Answer(Answered),
}

/// What pilot and handles share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) boards: ArcSwap<Vec<Arc<Board>>>,
    pub(super) snapshots: Arc<ArcSwap<Snapshot>>,
    pub(super) clock: Clock,
    pub(super) state_error: ArcSwapOption<String>,
    notifier: Notifier,
    pub(super) questions: watch::Sender<Vec<OpenQuestion>>,
    config_error: ArcSwapOption<String>,
    config_since_us: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(clock: Clock, snapshots: Arc<ArcSwap<Snapshot>>, notifier: Notifier) -> Self {
        Self {
            boards: ArcSwap::default(),
            snapshots,
            clock,
            state_error: ArcSwapOption::empty(),
            notifier,
            questions: watch::Sender::default(),
            config_error: ArcSwapOption::empty(),
            config_since_us: AtomicU64::new(clock.now_us()),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// A configuration is in force from now on.
    pub(super) fn config_accepted(&self) {
        self.config_error.store(None);
        self.config_since_us.store(self.clock.now_us(), Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }

    fn config_age_seconds(&self) -> u64 {
        self.clock.now_us().saturating_sub(self.config_since_us.load(Relaxed)) / 1_000_000
    }
}

// === impl PilotHandle ===

impl PilotHandle {
    pub(super) fn new(shared: Arc<Shared>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, inbox) = mpsc::channel(ORDERS);
        (Self { shared, orders }, inbox)
    }

    /// What workers route by.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.shared.snapshots)
    }

    /// Every rollout, in the order of the configuration, and the server.
    pub fn list(&self) -> RolloutList {
        let rollouts = self.shared.boards.load().iter().map(|board| board.status().as_ref().clone()).collect();
        RolloutList { rollouts, server: self.server() }
    }

    /// The names of every rollout, in the order of the configuration.
    pub fn names(&self) -> Vec<String> {
        self.shared.boards.load().iter().map(|board| board.name.as_ref().to_owned()).collect()
    }

    /// One rollout.
    pub fn status(&self, name: &str) -> Option<Arc<RolloutStatus>> {
        self.board(name).map(|board| board.status())
    }

    /// Its past generations.
    pub fn history(&self, name: &str) -> Option<History> {
        let status = self.status(name)?;
        Some(History { name: status.name.clone(), generations: status.history.clone() })
    }

    /// Its last minutes: the samples that were taken after `after_ms`.
    pub fn series(&self, name: &str, after_ms: u64) -> Option<Series> {
        self.board(name).map(|board| board.series(after_ms))
    }

    /// Its events from now on.
    pub fn subscribe(&self, name: &str) -> Option<Subscription> {
        self.board(name).map(|board| board.subscribe())
    }

    /// What the server says of itself.
    pub fn server(&self) -> ServerStatus {
        let text = |error: &ArcSwapOption<String>| error.load().as_deref().cloned();
        ServerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.shared.clock.now_us() / 1_000_000,
            config_age_seconds: self.shared.config_age_seconds(),
            config_error: text(&self.shared.config_error),
            state_error: text(&self.shared.state_error),
            notifications: self.shared.notifier.status(),
        }
    }

    /// Who tells people what happens.
    pub fn notifier(&self) -> &Notifier {
        &self.shared.notifier
    }

    /// Totals of every rollout, read now.
    pub fn totals(&self) -> Vec<RolloutTotals> {
        let boards = self.shared.boards.load_full();
        let of = |board: &Arc<Board>| RolloutTotals {
            sums: board.totals(),
            tally: board.tally(),
            limit_ms: board.limit_ms(),
            limits: board.limits(),
            status: board.status(),
        };
        boards.iter().map(of).collect()
    }

    /// Totals of the configuration.
    pub fn reloads(&self) -> ReloadTotals {
        let Shared { accepted, refused, .. } = &*self.shared;
        ReloadTotals {
            accepted: accepted.load(Relaxed),
            refused: refused.load(Relaxed),
            age_seconds: self.shared.config_age_seconds(),
        }
    }

    /// Gives a command; `generation` must be the present one when given. Answers when the decision is stored, or
    /// when it is known that it can't be.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn command(
        &self,
        name: &str,
        generation: Option<u64>,
        command: Command,
    ) -> Result<Arc<RolloutStatus>, CommandError> {
        let name = name.to_owned();
        self.order(|reply| Order::Command { name, generation, command, reply }).await
    }

    /// Starts a release.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn release(&self, name: &str, request: ReleaseRequest) -> Result<Arc<RolloutStatus>, CommandError> {
        let name = name.to_owned();
        self.order(|reply| Order::Release { name, request, reply }).await
    }

    /// Puts a configuration in force, in one swap of the snapshot. Listeners, admin address, state directory and number
    /// of workers are none of the pilot's business.
    ///
    /// # Errors
    /// The process is ending.
    pub async fn apply(&self, config: Config) -> Result<(), CommandError> {
        let (reply, done) = oneshot::channel();
        let order = Order::Apply { config: Box::new(config), reply };
        self.orders.send(order).await.map_err(|_| CommandError::Stopped)?;
        done.await.map_err(|_| CommandError::Stopped)
    }

    /// The gates that have to be asked, whenever they change.
    pub fn questions(&self) -> watch::Receiver<Vec<OpenQuestion>> {
        self.shared.questions.subscribe()
    }

    /// A gate's answer, or why there is none. One to a question that is no longer open changes nothing.
    ///
    /// # Errors
    /// The process is ending.
    pub async fn answer(&self, question: &OpenQuestion, said: Said) -> Result<(), CommandError> {
        let order = Order::Answer(Answered::new(question, said));
        self.orders.send(order).await.map_err(|_| CommandError::Stopped)
    }

    /// Says why a configuration was refused; the one in force stays.
    pub fn report_config_error(&self, text: &str) {
        self.shared.config_error.store(Some(Arc::new(text.to_owned())));
        self.shared.refused.fetch_add(1, Relaxed);
        self.shared.notifier.tell_refused(text);
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<Arc<RolloutStatus>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| CommandError::Stopped)?;
        answer.await.map_err(|_| CommandError::Stopped)?
    }

    fn board(&self, name: &str) -> Option<Arc<Board>> {
        self.shared.boards.load().iter().find(|board| &*board.name == name).map(Arc::clone)
    }
}
