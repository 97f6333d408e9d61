//! The only addresses that load may be sent to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

/// Ports that this process gave away: who got one may not have bound it yet, so nobody else may find it free.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A socket address of this machine's loopback network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(SocketAddr);

// === impl Loopback ===

impl Loopback {
    /// `address`, if it is in 127.0.0.0/8 or `::1`.
    pub fn try_new(address: SocketAddr) -> anyhow::Result<Self> {
        anyhow::ensure!(
            address.ip().is_loopback(),
            "{address}: only loopback addresses are allowed, such as 127.0.0.1:8080"
        );
        Ok(Self(address))
    }

    /// `count` ports of 127.0.0.1 that are free at present; none is given twice.
    pub fn free(count: usize) -> anyhow::Result<Vec<Self>> {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that were given before are held meanwhile, so that the system offers another.
        let (mut found, mut held) = (Vec::new(), Vec::new());
        while found.len() < count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
            let address = listener.local_addr().context("read a free port")?;
            if given.insert(address.port()) {
                found.push(Self::try_new(address)?);
            }
            held.push(listener);
        }
        Ok(found)
    }

    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// Its port.
    pub fn port(self) -> u16 {
        self.0.port()
    }
}

impl FromStr for Loopback {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Self::try_new(text.parse().with_context(|| format!("{text}: an address such as 127.0.0.1:8080"))?)
    }
}

impl fmt::Display for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_accepted() {
        for good in ["127.0.0.1:80", "127.9.9.9:8080", "[::1]:80"] {
            assert!(good.parse::<Loopback>().is_ok(), "{good}");
        }
        for bad in ["10.0.0.1:80", "0.0.0.0:80", "[::]:80", "192.0.2.1:80", "localhost:80", "127.0.0.1"] {
            assert!(bad.parse::<Loopback>().is_err(), "{bad}");
        }
    }

    #[test]
    fn free_ports_differ_also_from_those_of_before() {
        let ports =
            [Loopback::free(4), Loopback::free(4)].map(|ports| ports.expect("a machine has free ports")).concat();
        let distinct: std::collections::BTreeSet<_> = ports.iter().map(|port| port.port()).collect();
        assert_eq!(distinct.len(), 8);
    }
}
