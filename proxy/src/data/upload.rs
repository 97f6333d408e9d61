//! The body of a request on its way to the upstream: streamed, never kept.
//!
//! Trailers end here. No upstream of ours is promised any, and one that takes them for fields of the head would trust
//! what was not checked as such (RFC 9110, 6.5.1).

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deadlines::{Phase, Slot};

/// What follows a request's head.
#[derive(Debug)]
pub(super) enum Upload {
    /// Nothing.
    Empty,
    /// What the client sends.
    Streamed {
        /// The client's half.
        body: Incoming,
        /// Of the client's connection.
        slot: Rc<Slot>,
    },
}

impl Upload {
    pub(super) fn new(body: Incoming, slot: &Rc<Slot>) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Streamed { body, slot: Rc::clone(slot) } }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self::Streamed { body, slot } = self.get_mut() else { return Poll::Ready(None) };
        let polled = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            polled => polled,
        };
        if let Poll::Ready(frame) = &polled {
            slot.progressed();
            if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                slot.add_uploaded(bytes.len());
            }
            let is_last = frame.is_none() || body.is_end_stream();
            if is_last && slot.phase() == Phase::Uploading {
                slot.uploaded();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed { body, .. } => body.size_hint(),
        }
    }
}
