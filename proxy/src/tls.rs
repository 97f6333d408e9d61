//! TLS towards clients, and towards upstreams.
//!
//! Towards clients: certificates from files, chosen by the name that a client asks for, exchanged while in use.
//!
//! TLS 1.2 and 1.3 by rustls, session tickets with keys that change by themselves, no early data (it could be sent
//! again by anybody). What a listener presents is one pointer ([`Terminator`]); workers load it once for each
//! handshake, and whoever watches the files ([`CertificateWatcher`]) swaps it. A pair that is broken is never presented:
//! the one before it stays.

mod pair;
mod shelf;
mod terminator;
mod upstream;
mod watch;

pub use self::pair::{CertificateFiles, Pair, PairError};
pub use self::terminator::{Expiry, OpenError, PROTOCOLS, Terminator, Terminators};
pub use self::upstream::{UpstreamTls, UpstreamTlsSettings};
pub use self::watch::{CertificateHandle, CertificateWatcher};
