//! The end of a connection on which the guard has refused a message.
//!
//! What came before the refused message is served first. Then one answer of ours goes out, the writing half ends, and
//! what the client still sends is thrown away until it has closed too, within the time that a closing connection has.
//! The HTTP library takes no part in it: to it the connection has nothing to read until then, and an error in the end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::deadlines::{Phase, Slot};
use super::error::Error;
use super::guard::Refused;
use super::reject::{Rejection, Rejections};
use crate::linger::Linger;

/// A refused message, and how far its connection has come.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: Rejection,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Answers to earlier requests are on their way.
    Waiting,
    /// Of our answer, this is left.
    Answering(Vec<u8>),
    Closing,
    /// It was the body of a request that has gone out already: who forwards it answers.
    Body,
}

// === impl Refusal ===

impl Refusal {
    /// A bad head is counted when it is answered, which may never come; a bad body is counted at once.
    #[cold]
    pub(super) fn new(refused: Refused, slot: &Slot, rejections: &Rejections) -> Self {
        let Refused { reason, in_body, .. } = refused;
        if !in_body {
            return Self { reason, step: Step::Waiting };
        }
        rejections.count(reason);
        slot.spoil_upload();
        Self { reason, step: Step::Body }
    }

    /// Whether it waits for nothing any more.
    pub(super) fn is_due(&self, slot: &Slot) -> bool {
        matches!(self.step, Step::Waiting) && is_at_rest(slot)
    }

    /// Answers and closes, as soon as nothing is in flight: `is_flushed` says that all former answers are written. In the
    /// meantime, whoever flushes the last of them has to ask again.
    #[cold]
    pub(super) fn poll_read<S>(
        &mut self,
        (stream, linger): (&mut S, &mut Linger),
        (slot, rejections): (&Slot, &Rejections),
        is_flushed: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match &mut self.step {
                Step::Waiting => {
                    if !is_flushed || !is_at_rest(slot) {
                        return Poll::Pending;
                    }
                    rejections.count(self.reason);
                    slot.enter(Phase::Closing);
                    self.step = Step::Answering(Error::Refused(self.reason).to_bytes());
                }
                Step::Answering(answer) => {
                    // A client that is gone needs no answer.
                    match ready!(Pin::new(&mut *stream).poll_write(cx, answer)) {
                        Ok(written) if (1..answer.len()).contains(&written) => drop(answer.drain(..written)),
                        Ok(_) | Err(_) => {
                            ready!(Pin::new(&mut *stream).poll_flush(cx)).ok();
                            self.step = Step::Closing;
                        }
                    }
                }
                Step::Closing => {
                    ready!(linger.poll_close(Pin::new(stream), cx));
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Step::Body => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
    }
}

/// No request is in flight.
fn is_at_rest(slot: &Slot) -> bool {
    matches!(slot.phase(), Phase::Idle | Phase::Head)
}
