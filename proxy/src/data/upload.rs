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

use super::deadlines::Slot;

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
        /// Bytes that may still come.
        left: u64,
    },
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
    #[error("the body is larger than the route allows")]
    TooLarge,
}

impl Upload {
    /// The body of a request, of which at most `limit` bytes pass.
    pub(super) fn new(body: Incoming, slot: &Rc<Slot>, limit: u64) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Streamed { body, slot: Rc::clone(slot), left: limit } }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Self::Streamed { body, slot, left } = self.get_mut() else { return Poll::Ready(None) };
        let polled = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            polled => polled,
        };
        if polled.is_pending() {
            slot.await_bytes();
        }
        if let Poll::Ready(frame) = &polled {
            slot.received_body(frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len));
            if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                slot.add_uploaded(bytes.len());
                let Some(still) = left.checked_sub(bytes.len() as u64) else {
                    slot.cut_upload();
                    return Poll::Ready(Some(Err(UploadError::TooLarge)));
                };
                *left = still;
            }
            let is_last = frame.is_none() || body.is_end_stream();
            if is_last && slot.is_uploading() {
                slot.uploaded();
            }
        }
        polled.map_err(UploadError::Client)
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
