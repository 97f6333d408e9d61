//! Accepts the admin API's connections: few, and none that may take its time with a request's head.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tower::ServiceExt;

use super::entry::Ends;
use crate::linger::Linger;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 50;

/// Longest time for the head of a request, the wait for the next one included.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// A client that does not read for so long is gone.
const UNREAD_WITHIN: Duration = Duration::from_secs(30);

/// How long a client may take to close after its last answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Largest head.
const MAX_HEAD: usize = 16 << 10;

/// After an error of `accept` (no file descriptors, say) there is no point in asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest time for answers that are under way when the server ends.
const END_WITHIN: Duration = Duration::from_secs(1);

const FULL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: 72\r\nconnection: close\r\n\r\n\
{\"error\":{\"code\":\"tooMany\",\"message\":\"too many connections: 50 are ok\"}}";

/// A socket that is closed only after its client has had the time to read the last answer.
struct Patient {
    stream: TcpStream,
    linger: Linger,
    closing: Option<Pin<Box<Sleep>>>,
}

/// Serves until `shutdown` resolves.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= MAX_CONNECTIONS => refuse(&stream),
                Ok((stream, peer)) => {
                    let ends = Ends { peer, local: stream.local_addr().ok() };
                    connections.spawn(connection(stream, router.clone(), ends));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin API can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Streams of events never end by themselves, so there is a limit.
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_WITHIN, all).await;
}

async fn connection(stream: TcpStream, router: Router, ends: Ends) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a connection of the admin API can't be set up");
        return;
    }
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ends);
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, peer = %ends.peer, "a connection of the admin API broke off");
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNREAD_WITHIN))?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(UNREAD_WITHIN))
}

/// One over the limit: told why, as far as that works without waiting.
fn refuse(stream: &TcpStream) {
    // The client may be gone already; it is sent away in any case.
    let _ = stream.try_write(FULL);
}

// === impl Patient ===

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, linger: Linger::default(), closing: None }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() && buf.filled().len() == before {
            self.linger.saw_end();
        }
        polled
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, closing } = &mut *self;
        let limit = closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLOSE_WITHIN)));
        if limit.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        linger.poll_close(Pin::new(stream), cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_connection_too_many_is_a_whole_answer() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<sluice_api::ErrorBody>(body).is_ok());
    }
}
