//! Which protocol a client speaks on a port without TLS: it may begin HTTP/2 without asking (RFC 9113, 3.3).

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// No method of HTTP/1.1 begins like the preface of HTTP/2.
const BEGIN: &[u8] = b"PRI ";

/// Between looks at a beginning that came in pieces. The socket says that it is readable all the while.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at the first bytes and leaves them where they are. How long that may take is the caller's business.
pub(in super::super) async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    loop {
        let mut begin = [0; BEGIN.len()];
        let seen = stream.peek(&mut begin).await?;
        let is_open = 0 < seen && seen < BEGIN.len() && BEGIN.starts_with(&begin[..seen]);
        if !is_open {
            return Ok(begin == *BEGIN);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
