//! One client's HTTP/2 connection: many requests at a time, each on a task of its own.
//!
//! hyper speaks the protocol and bounds what a client may do with it: streams, windows, lists of fields, resets. To a
//! request its stream is what a connection is in HTTP/1.1: it has a slot for its time limits and a task that drives its
//! upstream connection, and when that task ends early the stream is reset. The connection itself is limited here: in the
//! time to its first settings, and without a stream.

mod io;
mod request;
mod sniff;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use self::io::Setup;
use super::connection::Client;
use super::deadlines::Phase;
use super::handle::handle;
use super::reject::Rejection;

pub(super) use self::request::check;
pub(super) use self::sniff::is_http2;

/// Requests of one connection at a time.
const STREAMS: u32 = 100;

/// Bytes of a body that a client may send before they were passed on: of one request, and of all.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes of one answer that may wait for a client's window.
const SEND_BUFFER: usize = 64 << 10;

/// Requests that a client may reset before they were looked at.
const RESETS: usize = 20;

/// A client that is asked whether it is there, and says nothing for so long, is gone.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What the streams of one connection share with it.
#[derive(Clone)]
struct Streams(Rc<Shared>);

struct Shared {
    connection: Rc<Client>,
    open: Cell<usize>,
    /// Whose request hyper has just shown to the service: the future that it makes of it comes to the executor next.
    newest: Cell<Option<Rc<Client>>>,
}

/// A stream's place among the open ones.
struct Place(Rc<Shared>);

/// Serves one connection until either side has had enough.
pub(super) async fn serve<S>(stream: S, client: Rc<Client>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let streams = Streams::new(&client);
    let service = service_fn(|request| handle(streams.begin(), request));
    let io = TokioIo::new(Setup::new(stream, &client.slot));
    let mut served = builder(&streams, client.worker.limits.head).serve_connection(io, service);
    let mut told = false;
    std::future::poll_fn(|cx| {
        client.slot.gate.attach(cx.waker());
        let has_expired = client.slot.take_expired().is_some();
        if has_expired && client.slot.phase() != Phase::Idle {
            count_overdue(&client);
            return Poll::Ready(());
        }
        if (has_expired || client.worker.draining.get()) && !told {
            told = true;
            if has_expired {
                client.slot.enter(Phase::Closing);
            }
            Pin::new(&mut served).graceful_shutdown();
        }
        // What goes wrong on a connection is between the client and h2; each of its requests has learnt of it.
        poll(&mut served, cx)
    })
    .await;
}

fn poll<C: Future + Unpin>(served: &mut C, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(served).poll(cx).map(drop)
}

fn count_overdue(client: &Client) {
    if client.slot.phase() == Phase::Head {
        client.worker.rejections.count(Rejection::HeadTimeout);
    }
}

fn builder(streams: &Streams, head: usize) -> Builder<Streams> {
    let mut builder = Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(ASK_AFTER)
        .keep_alive_timeout(ANSWER_WITHIN);
    builder
}

// === impl Streams ===

impl Streams {
    fn new(connection: &Rc<Client>) -> Self {
        Self(Rc::new(Shared { connection: Rc::clone(connection), open: Cell::new(0), newest: Cell::default() }))
    }

    /// A request begins.
    fn begin(&self) -> Rc<Client> {
        let client = Rc::new(Client::stream_of(&self.0.connection));
        self.0.newest.set(Some(Rc::clone(&client)));
        client
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        // There is always one; without, there would be nobody whose limits could pass.
        let Some(client) = self.0.newest.take() else { return };
        let place = Place::take(&self.0);
        // Nobody awaits it: it ends with its answer, with its time, or with its connection.
        tokio::task::spawn_local(async move {
            run(&client, future).await;
            drop(place);
        });
    }
}

/// Runs a stream to its end. One whose limit passed and took no notice is dropped, which resets it: its client does not
/// take the answer.
async fn run(client: &Client, future: impl Future<Output = ()>) {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        client.slot.gate.attach(cx.waker());
        match future.as_mut().poll(cx) {
            Poll::Pending if client.slot.take_expired().is_some() => Poll::Ready(()),
            polled => polled,
        }
    })
    .await;
}

// === impl Place ===

impl Place {
    fn take(shared: &Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        shared.connection.slot.enter(Phase::Streaming);
        Self(Rc::clone(shared))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Shared { open, connection, .. } = &*self.0;
        open.set(open.get() - 1);
        if open.get() == 0 && connection.slot.phase() == Phase::Streaming {
            connection.slot.enter(Phase::Idle);
        }
    }
}
