//! How a client is told that it asks too much.

use http::header::RETRY_AFTER;

use crate::data::error::Error;
use crate::data::reject::Rejection;
use crate::data::stop::Stop;
use crate::limit::Excess;

/// The refusal, with the time after which it is worth another try.
pub(super) fn refusal(excess: Excess) -> Stop {
    let (reason, seconds) = match excess {
        Excess::Rate(seconds) => (Rejection::RateLimited, seconds),
        Excess::Concurrent => (Rejection::TooMany, 1),
    };
    let error = Error::Refused(reason);
    let mut answer = error.into_answer();
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    Stop::Told(error, Box::new(answer))
}
