//! Requests that were refused before an arm was chosen, and connections that were closed before there was one, by reason: the label of `sluice_rejected_requests_total`.

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
    /// CONNECT, TRACE, TRACK.
    Method,
    /// No `Host`, two of them, or one that is none.
    Host,
    /// A transfer coding that we do not know.
    TransferCoding,
    /// Length and transfer coding are wrong or contradict each other: where the request ends is doubtful.
    Framing,
    /// A chunked body that is not as the standard wants it; its head was good.
    Body,
    /// Another version of HTTP than 1.0 and 1.1.
    Version,
    /// A target that leaves the path it names: `..`, or `*` for what has a path.
    Target,
    /// `Connection` names a field that must not be removed.
    Connection,
    /// A wrong WebSocket handshake, or bytes that came before the answer to it.
    Upgrade,
    /// Another version of WebSocket than 13.
    WebSocketVersion,
    /// No route for host and path.
    NoRoute,
    /// The head did not come in time.
    HeadTimeout,
    /// No TLS, or none that both sides accept, or not in time.
    Handshake,
    /// A peer that has to say by the PROXY protocol who its client is did not, or not in time.
    ProxyHeader,
    /// A connection beyond `limits.maxConnections`.
    Connections,
    /// A connection beyond `limits.maxConnectionsPerClient`.
    ClientConnections,
    /// A connection that would take one of the last file descriptors.
    Descriptors,
    /// A request or a connection while memory is short.
    Memory,
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
    pub const COUNT: usize = 27;
    /// Every reason, by index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Malformed,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::Method,
        Self::Host,
        Self::TransferCoding,
        Self::Framing,
        Self::Body,
        Self::Version,
        Self::Target,
        Self::Connection,
        Self::Upgrade,
        Self::WebSocketVersion,
        Self::NoRoute,
        Self::HeadTimeout,
        Self::Handshake,
        Self::ProxyHeader,
        Self::Connections,
        Self::ClientConnections,
        Self::Descriptors,
        Self::Memory,
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
            | Self::Connections
            | Self::ClientConnections
            | Self::Descriptors
            | Self::Memory
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
            | Self::Framing
            | Self::Body
            | Self::Version
            | Self::Target
            | Self::Connection
            | Self::Upgrade
            | Self::WebSocketVersion
            | Self::HeadTimeout
            | Self::Handshake
            | Self::ProxyHeader
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
            Self::Framing => "framing",
            Self::Body => "body",
            Self::Version => "version",
            Self::Target => "target",
            Self::Connection => "connection",
            Self::Upgrade => "upgrade",
            Self::WebSocketVersion => "websocket_version",
            Self::NoRoute => "no_route",
            Self::HeadTimeout => "head_timeout",
            Self::Handshake => "tls_handshake",
            Self::ProxyHeader => "proxy_header",
            Self::Connections => "connections",
            Self::ClientConnections => "client_connections",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
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
