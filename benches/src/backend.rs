//! The upstream of every measurement: one thread, two arms or more, answers that were built beforehand.
//!
//! Each arm is a port of its own that can be told to fail a share of its requests, to answer late, or not to answer,
//! and that notes when it failed first and when it was last asked: so the reaction of a proxy is measured where its
//! traffic arrives, not where it says it stopped. Control is HTTP on the same port, under `/-/`.

mod arm;
mod client;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::interrupt::{Interrupt, LOOK};
use crate::loopback::Loopback;
use arm::{Arm, Reply};
use client::Client;

/// A backend that listens and waits to be run.
#[derive(Debug)]
pub struct Backend {
    poll: Poll,
    listeners: Vec<TcpListener>,
    arms: Vec<Arm>,
    /// By token, less the listeners.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    /// Answers that are held back, by when they are due.
    late: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    served: u64,
    scratch: Vec<u8>,
}

// === impl Backend ===

impl Backend {
    /// Listens on each address: the first is arm 0 (stable), the second arm 1 (canary), and so on.
    pub fn listen(addresses: &[Loopback]) -> anyhow::Result<Self> {
        Self::listen_seeded(addresses, 0)
    }

    /// Likewise; `seed` decides which requests fail, so that backends of one run don't all draw the same.
    pub fn listen_seeded(addresses: &[Loopback], seed: u64) -> anyhow::Result<Self> {
        let poll = Poll::new().context("create a poll")?;
        let mut listeners = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let mut listener = TcpListener::bind(address.address()).with_context(|| format!("listen on {address}"))?;
            poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Self {
            poll,
            arms: (0..listeners.len()).map(|index| Arm::new(index, seed)).collect(),
            listeners,
            clients: Vec::new(),
            free: Vec::new(),
            late: BinaryHeap::new(),
            served: 0,
            scratch: vec![0; 16 * 1024],
        })
    }

    /// Answers until interrupted.
    pub fn run(&mut self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        while !interrupt.is_set() {
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled.context("wait for requests")?,
            }
            for event in &events {
                match event.token().0.checked_sub(self.listeners.len()) {
                    None => self.accept(event.token().0)?,
                    Some(index) => self.serve(index),
                }
            }
            self.answer_late();
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        let next = self.late.peek().map(|Reverse((due, ..))| *due);
        next.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK))
    }

    fn accept(&mut self, listener: usize) -> anyhow::Result<()> {
        loop {
            let mut stream = match self.listeners[listener].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client went away while it waited.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("accept a connection"),
            };
            stream.set_nodelay(true).context("set TCP_NODELAY")?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            let token = Token(self.listeners.len() + index);
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            self.served += 1;
            self.clients[index] = Some(Client::new(stream, listener, self.served));
        }
    }

    /// Goes on with a client; one that ended or sent nonsense is dropped.
    fn serve(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) else { return };
        let arm = &mut self.arms[client.arm];
        let late = &mut self.late;
        let serial = client.serial;
        let result = client.advance(&mut self.scratch, |path| {
            let reply = arm.reply(path);
            if let Reply::Later(due) = reply {
                late.push(Reverse((due, index, serial)));
            }
            reply
        });
        self.drop_if_ended(index, &result);
    }

    fn answer_late(&mut self) {
        while let Some(&Reverse((due, index, serial))) = self.late.peek() {
            if due > Instant::now() {
                return;
            }
            self.late.pop();
            // The place may have a new client by now.
            if let Some(client) = self.clients[index].as_mut().filter(|client| client.serial == serial) {
                let result = client.answer(self.arms[client.arm].late());
                self.drop_if_ended(index, &result);
                self.serve(index);
            }
        }
    }

    fn drop_if_ended(&mut self, index: usize, result: &io::Result<()>) {
        if result.is_err() {
            self.clients[index] = None;
            self.free.push(index);
        }
    }
}
