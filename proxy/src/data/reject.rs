//! Requests that were refused before an arm was chosen, by reason: the label of `sluice_rejected_requests_total`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a request was refused. What a client causes by itself is here and never in an arm's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No HTTP, or not as the standard wants it.
    Malformed,
    /// The head is larger than the limit or has too many fields.
    HeadTooLarge,
    /// The target is longer than the limit.
    TargetTooLong,
    /// CONNECT, TRACE.
    Method,
    /// No `Host`, two of them, or one that is none.
    Host,
    /// A transfer coding that we do not know.
    TransferCoding,
    /// `Connection` names a field that must not be removed.
    Connection,
    /// No route for host and path.
    NoRoute,
    /// The head did not come in time.
    HeadTimeout,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// The route does not let this address in.
    Address,
    /// Without credentials, or with wrong ones.
    Unauthorized,
    /// Whether the client may pass can't be found out.
    AuthUnavailable,
    /// The client asks faster than the route allows.
    RateLimited,
    /// The client has more under way than the route allows.
    TooMany,
}

/// Counters of refused requests, shared by all workers.
#[derive(Debug, Default)]
pub struct Rejections([AtomicU64; Rejection::COUNT]);

// === impl Rejection ===

impl Rejection {
    /// How many there are.
    pub const COUNT: usize = 15;
    /// Every reason, by index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Malformed,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::Method,
        Self::Host,
        Self::TransferCoding,
        Self::Connection,
        Self::NoRoute,
        Self::HeadTimeout,
        Self::BodyTooLarge,
        Self::Address,
        Self::Unauthorized,
        Self::AuthUnavailable,
        Self::RateLimited,
        Self::TooMany,
    ];

    /// A good request that the configuration does not let pass: the next one on its connection may.
    pub(super) fn is_policy(self) -> bool {
        match self {
            Self::NoRoute
            | Self::Address
            | Self::Unauthorized
            | Self::AuthUnavailable
            | Self::RateLimited
            | Self::TooMany => true,
            Self::Malformed
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::Method
            | Self::Host
            | Self::TransferCoding
            | Self::Connection
            | Self::HeadTimeout
            | Self::BodyTooLarge => false,
        }
    }

    /// Value of the metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::Method => "method",
            Self::Host => "host",
            Self::TransferCoding => "transfer_coding",
            Self::Connection => "connection",
            Self::NoRoute => "no_route",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::Address => "address",
            Self::Unauthorized => "unauthorized",
            Self::AuthUnavailable => "auth_unavailable",
            Self::RateLimited => "rate_limited",
            Self::TooMany => "too_many",
        }
    }
}

// === impl Rejections ===

impl Rejections {
    /// How many were refused for this reason.
    pub fn get(&self, reason: Rejection) -> u64 {
        self.0[reason as usize].load(Relaxed)
    }

    pub(super) fn count(&self, reason: Rejection) {
        self.0[reason as usize].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let rejections = Rejections::default();
        for (index, reason) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            rejections.count(reason);
            assert_eq!(rejections.get(reason), 1);
        }
    }
}
