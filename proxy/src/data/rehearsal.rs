//! A worker without sockets: everything that is decided about a request before it is sent, for benches and for the test
//! that counts allocations.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::Request;
use sluice_engine::evidence::Arm;

use super::connection::{Client, Scheme};
use super::entrance::Entrance;
use super::handle::{Bound, Decided, decide};
use super::worker::Worker;
use super::workers::WorkersConfig;
use crate::config::Listener;

/// One connection of one worker, on the thread that made it.
#[derive(Debug)]
pub struct Rehearsal {
    client: Client,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes to this arm of a rollout.
    Arm(Arm),
    /// It goes to a plain route.
    Plain,
    /// Somebody has to be asked first.
    Later,
    /// It is refused.
    Refused,
}

impl Rehearsal {
    /// A client at `peer` of worker 0.
    pub fn new(config: &WorkersConfig, peer: IpAddr) -> Self {
        let entrance = Rc::new(Entrance::new(&Listener::plain(SocketAddr::new(peer, 0)), None));
        Self { client: Client::new(Rc::new(Worker::new(0, config)), entrance, peer, Scheme::Http) }
    }

    /// Checks, routes and chooses, and leaves the request's head as the upstream would get it. The same code as in a
    /// running worker, from the snapshot load to just before the sending.
    pub fn decide<B>(&self, request: &mut Request<B>) -> Decision {
        let start_us = self.client.now_us();
        match decide(&self.client, request, start_us) {
            Ok(Decided { bound: Bound::Rollout(_, choice), .. }) => Decision::Arm(choice.arm),
            Ok(Decided { bound: Bound::Plain(_), .. }) => Decision::Plain,
            // No configuration of a rehearsal redirects.
            Ok(Decided { bound: Bound::Redirect(_), .. }) => Decision::Refused,
            Ok(Decided { bound: Bound::Later(_), .. }) => Decision::Later,
            Err(_) => Decision::Refused,
        }
    }
}
