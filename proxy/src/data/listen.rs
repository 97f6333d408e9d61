//! Sockets to accept on: one per worker and address, so that the kernel spreads connections and workers share nothing.
//!
//! Binding is apart from serving: a bad address is reported by name before anything starts, and sockets that another
//! process has bound can be taken over. It refuses to bind only some of the addresses.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listener;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// Every data port, bound once for each worker.
#[derive(Debug)]
pub struct Listeners {
    pub(super) ports: Vec<Port>,
}

/// One address and its sockets, one for each worker.
#[derive(Debug)]
pub struct Port {
    /// As configured; a port 0 is replaced by the one the system gave.
    pub listener: Listener,
    /// Indexed by worker.
    pub sockets: Vec<TcpListener>,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

// === impl Listeners ===

impl Listeners {
    /// Binds every address for `workers` workers. Nothing is accepted before [`super::Workers::start`].
    pub fn bind(listeners: &[Listener], workers: usize) -> Result<Self, BindError> {
        let ports = listeners.iter().map(|listener| Port::bind(listener, workers)).collect::<Result<_, _>>()?;
        Ok(Self { ports })
    }

    /// Takes sockets that are bound and listening already, for example from the process before this one. Workers
    /// beyond the number of sockets do not accept on that port.
    pub fn from_ports(ports: Vec<Port>) -> Self {
        Self { ports }
    }

    /// The ports, to hand their sockets on.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The addresses bound, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|port| port.listener.address).collect()
    }
}

// === impl Port ===

impl Port {
    fn bind(listener: &Listener, workers: usize) -> Result<Self, BindError> {
        let mut listener = listener.clone();
        let sockets = (0..workers.max(1))
            .map(|_| {
                let socket = bind(listener.address)?;
                // The first socket turns a port 0 into a real one, which the others share.
                listener.address = socket.local_addr()?;
                Ok(socket)
            })
            .collect::<io::Result<_>>();
        let address = listener.address;
        Ok(Self { sockets: sockets.map_err(|source| BindError { address, source })?, listener })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str) -> Listener {
        Listener::plain(address.parse().unwrap())
    }

    #[test]
    fn all_workers_listen_on_the_same_port_even_if_the_system_chose_it() {
        let listeners = Listeners::bind(&[listener("127.0.0.1:0")], 3).unwrap();
        let ports: Vec<_> = listeners.ports()[0].sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        assert_eq!(ports, vec![listeners.addresses()[0]; 3]);
    }

    #[test]
    fn an_address_that_cannot_be_bound_is_named() {
        let error = Listeners::bind(&[listener("192.0.2.1:80")], 1).unwrap_err().to_string();
        assert!(error.contains("192.0.2.1:80"), "{error}");
    }
}
