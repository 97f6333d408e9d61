//! The service of a trial: a stable and a canary arm of its own, in threads, that follow the fault's script.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use sluice_benches::backend::Backend;
use sluice_benches::control::{self, Stats};
use sluice_benches::faults::{Change, Script, Side, healthy};
use sluice_benches::interrupt::Interrupt;
use sluice_benches::loopback::Loopback;

/// One arm: a port that answers, until it is closed.
#[derive(Debug)]
struct Arm {
    address: Loopback,
    stop: Interrupt,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Both arms.
#[derive(Debug)]
pub(crate) struct Service {
    stable: Arm,
    canary: Arm,
}

// === impl Arm ===

impl Arm {
    fn start(address: Loopback, seed: u64, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let mut backend = Backend::listen_seeded(&[address], seed)?;
        let stop = interrupt.child();
        let running = stop.clone();
        let thread = thread::spawn(move || backend.run(&running));
        control::set(address, healthy())?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Ends its connections and frees its port.
    fn close(&mut self) -> anyhow::Result<()> {
        self.stop.set();
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow::anyhow!("a backend panicked"))?
    }
}

impl Drop for Arm {
    fn drop(&mut self) {
        // What went wrong with it was seen by the trial, which asked it for its stats.
        let _ = self.close();
    }
}

// === impl Service ===

impl Service {
    pub(crate) fn start(seed: u64, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let ports = Loopback::free(2)?;
        Ok(Self { stable: Arm::start(ports[0], seed, interrupt)?, canary: Arm::start(ports[1], seed ^ 1, interrupt)? })
    }

    pub(crate) fn stable(&self) -> Loopback {
        self.stable.address
    }

    pub(crate) fn canary(&self) -> Loopback {
        self.canary.address
    }

    /// Forgets what the canary noted so far.
    pub(crate) fn reset(&self) -> anyhow::Result<()> {
        control::reset(self.canary.address)
    }

    /// What the canary noted.
    pub(crate) fn stats(&self) -> anyhow::Result<Stats> {
        control::stats(self.canary.address)
    }

    /// Does what of `script` is due by `now`, and takes it out.
    pub(crate) fn follow(&mut self, script: &mut Script, begun: Instant, now: Instant) -> anyhow::Result<()> {
        while script.first().is_some_and(|&(at, ..)| begun + at <= now) {
            let (_, side, change) = script.remove(0);
            let arm = match side {
                Side::Stable => &mut self.stable,
                Side::Canary => &mut self.canary,
            };
            match change {
                Change::Behave(behaviour) => control::set(arm.address, behaviour)?,
                Change::Close => arm.close()?,
            }
        }
        Ok(())
    }
}
