//! Why a request goes no further, and what its client is told.

use http::Response;

use super::answer::Body;
use super::error::Error;

/// The end of a request that no upstream answers.
#[derive(Debug)]
pub(super) enum Stop {
    /// With the answer that belongs to the error.
    Failed(Error),
    /// The same, where the route has its own way to say it.
    Told(Error, Box<Response<Body>>),
    /// Nothing went wrong: the answer is known here.
    Answered(Box<Response<Body>>),
}

// === impl Stop ===

impl Stop {
    /// What went wrong, if anything did, and the answer.
    pub(super) fn into_parts(self) -> (Option<Error>, Box<Response<Body>>) {
        match self {
            Self::Failed(error) => (Some(error), Box::new(error.into_answer())),
            Self::Told(error, answer) => (Some(error), answer),
            Self::Answered(answer) => (None, answer),
        }
    }

    /// The same with another answer.
    pub(super) fn map(self, change: impl FnOnce(Response<Body>) -> Response<Body>) -> Self {
        let (error, answer) = self.into_parts();
        let answer = Box::new(change(*answer));
        match error {
            Some(error) => Self::Told(error, answer),
            None => Self::Answered(answer),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
