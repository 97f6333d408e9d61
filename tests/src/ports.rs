//! Free ports for processes that must be told theirs in advance.
//!
//! They are taken from below the range from which the kernel gives ports to outgoing connections, so a connection of a
//! load can't take a port between its choice and its use; a counter keeps tests of one run apart, and the first number
//! comes from the process id to keep runs apart. A port that is in use anyway is skipped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// An address of this machine on which nothing listens.
///
/// # Panics
/// If every port is in use.
pub fn free_address() -> SocketAddr {
    let start = std::process::id().wrapping_mul(97) % COUNT;
    for _ in 0..COUNT {
        let n = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + (start + n) % COUNT).expect("below 32,000");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
