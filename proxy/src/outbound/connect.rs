//! From a host to a connection. Every address is judged after the look-up, right before it is connected to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::address::refused_address;
use super::{OutboundError, Url};

/// For one address; a name may have several, and the request's own deadline ends them all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So many addresses of a name are tried.
const MAX_ADDRESSES: usize = 4;

/// Connects to the first address of the host that answers and is allowed.
pub(super) async fn to(url: &Url) -> Result<TcpStream, OutboundError> {
    // Notations that only the system's resolver knows (`2852039166`, `fe80::1%eth0`) are looked up and judged as well.
    let found = tokio::net::lookup_host((url.host(), url.port())).await.map_err(OutboundError::Resolve)?;
    to_first(found.collect()).await
}

async fn to_first(found: Vec<SocketAddr>) -> Result<TcpStream, OutboundError> {
    let mut failure = OutboundError::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for address in found.into_iter().take(MAX_ADDRESSES) {
        if refused_address(address.ip()) {
            failure = OutboundError::RefusedAddress(address.ip());
            continue;
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = OutboundError::Connect(error),
            Err(_) => failure = OutboundError::Connect(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_a_link_local_address_is_refused_at_connect_time() {
        // What the system's resolver makes of these is 169.254.169.254; no check of the text sees it.
        for host in ["2852039166", "0xa9fea9fe", "169.16689662"] {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            let refused = to(&url).await.unwrap_err();
            assert!(matches!(refused, OutboundError::RefusedAddress(_)), "{host}: {refused}");
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_the_first_is_refused_or_closed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
        let link_local = SocketAddr::from(([169, 254, 169, 254], 80));
        assert!(to_first(vec![link_local, closed, good]).await.is_ok());
        assert!(matches!(to_first(vec![closed]).await, Err(OutboundError::Connect(_))));
        assert!(matches!(to_first(Vec::new()).await, Err(OutboundError::Resolve(_))));
    }
}
