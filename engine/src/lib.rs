//! The decisions of Sluice, pure: which arm a request goes to, what the counts of both arms prove, and which step a
//! rollout takes next.
//!
//! Nothing here knows the time, opens a socket, starts a thread or draws a random number: time arrives as
//! milliseconds, randomness as an argument, traffic as counts. So every decision can be replayed from its record, and
//! the same code runs in a proxy that stands alone and in a controller that watches many.
//!
//! The door is [`rollout::Rollout::step`]; everything else is what stands behind it.

pub mod evidence;
pub mod histogram;
pub mod judge;
pub mod merge;
pub mod plan;
pub mod replay;
pub mod rollout;
pub mod split;
pub mod units;
