//! What is known of one request at its end, copied so that nothing of the worker's is held.

use std::net::IpAddr;

use http::Version;
use sluice_engine::evidence::Arm;

use crate::data::record::Reason;

/// One request.
#[derive(Debug)]
pub struct Entry {
    /// Process clock at its head, microseconds.
    pub start_us: u64,
    /// To the last byte of the answer, microseconds.
    pub duration_us: u64,
    /// To the head of the upstream's answer, microseconds, if one came.
    pub upstream_us: Option<u64>,
    /// Of the answer; 499 if the client left before there was one.
    pub status: u16,
    /// Of the request's body.
    pub bytes_in: u64,
    /// Of the answer's body.
    pub bytes_out: u64,
    /// Who is connected to us.
    pub peer: IpAddr,
    /// The request's.
    pub protocol: Version,
    /// The arm that it was assigned to, and why; none for plain routes and refused requests.
    pub course: Option<(Arm, Reason)>,
    /// Stable answered what the canary had failed.
    pub is_shielded: bool,
    /// Why it failed or was refused.
    pub failure: Option<&'static str>,
    /// All texts.
    pub texts: Texts,
}

/// A text of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `X-Request-Id` as the upstream got it.
    RequestId,
    /// `X-Forwarded-For` of a trusted proxy, with its own address at the end.
    ForwardedFor,
    /// Method.
    Method,
    /// `Host` as the client sent it.
    Host,
    /// Path and query.
    Target,
    /// Name of the rollout.
    Rollout,
    /// Version of the arm.
    Version,
    /// The endpoint that was asked last.
    Endpoint,
    /// The trace that it belongs to.
    TraceId,
    /// `User-Agent`.
    UserAgent,
    /// `Referer`.
    Referer,
}

/// The texts of an entry in one piece; what is longer than its field allows is cut.
#[derive(Debug)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: [u16; Field::COUNT],
}

// === impl Field ===

impl Field {
    const COUNT: usize = 11;

    /// Longest text, bytes. All together fit into 16 bits.
    const fn limit(self) -> usize {
        match self {
            Self::Target => 2_048,
            Self::Referer => 1_024,
            Self::UserAgent | Self::ForwardedFor => 512,
            Self::RequestId | Self::Host | Self::Rollout | Self::Version | Self::Endpoint => 256,
            Self::Method | Self::TraceId => 32,
        }
    }
}

// === impl Texts ===

impl Texts {
    /// No text yet. Fields are to be added in their order.
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(384), ends: [0; Field::COUNT] }
    }

    /// Adds a text.
    pub fn add(&mut self, field: Field, text: &[u8]) {
        debug_assert!(
            self.ends[field as usize..].iter().all(|&end| usize::from(end) <= self.bytes.len()),
            "fields come in their order"
        );
        self.bytes.extend_from_slice(&text[..text.len().min(field.limit())]);
        self.ends[field as usize..].fill(u16::try_from(self.bytes.len()).unwrap_or(u16::MAX));
    }

    /// A text; empty if there is none.
    pub fn get(&self, field: Field) -> &[u8] {
        let start = match field as usize {
            0 => 0,
            index => self.ends[index - 1].into(),
        };
        self.bytes.get(start..self.ends[field as usize].into()).unwrap_or_default()
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_again_and_cut_at_their_limit() {
        let mut texts = Texts::new();
        texts.add(Field::Method, b"GET");
        texts.add(Field::Target, &[b'a'; 9_000]);
        texts.add(Field::Referer, b"here");
        assert_eq!(texts.get(Field::Method), b"GET");
        assert_eq!(texts.get(Field::Target).len(), 2_048);
        assert_eq!(texts.get(Field::Referer), b"here");
        assert_eq!((texts.get(Field::Host), texts.get(Field::RequestId)), (&b""[..], &b""[..]));
    }
}
