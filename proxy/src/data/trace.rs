//! W3C trace context: whose trace a request belongs to, and what of it is passed on.
//!
//! By default both fields pass as they came, and are only read. With `tracing.propagate: always` a request without a
//! valid `traceparent` begins a trace; what came with an invalid one goes, as the standard wants it. We take no part in
//! the trace: no span of ours comes between.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::choose::UserId;
use super::connection::Client;
use super::head::Marks;
use crate::config::{Propagate, Tracing};
use crate::exemplars::TraceId;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    /// Whoever began it has it recorded.
    pub(super) is_sampled: bool,
}

/// Reads the trace of a request, and does what the settings say: keeps, drops or begins it.
#[inline]
pub(super) fn prepare(headers: &mut HeaderMap, marks: Marks, client: &Client, settings: Tracing) {
    if !marks.has(Marks::TRACE) && settings.propagate != Propagate::Always {
        client.trace.set(None);
        return;
    }
    apply(headers, client, settings);
}

fn apply(headers: &mut HeaderMap, client: &Client, settings: Tracing) {
    let present = only(headers).and_then(|value| parse(value.as_bytes()));
    let trace = match settings.propagate {
        Propagate::Present => present,
        Propagate::Off => {
            remove(headers);
            None
        }
        Propagate::Always => present.or_else(|| {
            remove(headers);
            Some(begin(client, settings))
        }),
    };
    client.trace.set(trace);
}

fn remove(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
}

/// The value of the only line.
fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// Begins a trace: its line goes the way of our own lines.
fn begin(client: &Client, settings: Tracing) -> Trace {
    let mut random = client.worker.traces.borrow_mut();
    // Odd numbers are not zero, which the standard forbids.
    let (high, low, parent) = (random.next_u64(), random.next_u64() | 1, random.next_u64() | 1);
    let is_sampled = settings.sample.takes(random.next_u64());
    let mut digits = [0; 32];
    digits[..16].copy_from_slice(UserId::new(high).as_str().as_bytes());
    digits[16..].copy_from_slice(UserId::new(low).as_str().as_bytes());
    let mut lines = client.lines.borrow_mut();
    lines.extend_from_slice(b"traceparent: 00-");
    lines.extend_from_slice(&digits);
    lines.extend_from_slice(b"-");
    lines.extend_from_slice(UserId::new(parent).as_str().as_bytes());
    lines.extend_from_slice(if is_sampled { b"-01\r\n" } else { b"-00\r\n" });
    Trace { id: TraceId::try_new(&digits).expect("they are hexadecimal and the last is odd"), is_sampled }
}

/// A `traceparent` (W3C Trace Context, section 3.2). Of a version to come, the part that is known counts.
fn parse(value: &[u8]) -> Option<Trace> {
    let hex = |part: &[u8]| part.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let known = value.get(..LENGTH)?;
    let (version, id, parent, flags) = (&known[..2], &known[3..35], &known[36..52], &known[53..]);
    let is_framed = [2, 35, 52].iter().all(|&at| known[at] == b'-');
    let fits = match value.get(LENGTH) {
        None => true,
        Some(next) => version != b"00" && *next == b'-',
    };
    let is_valid = is_framed && fits && hex(version) && version != b"ff" && hex(flags) && hex(parent);
    if !is_valid || parent.iter().all(|&digit| digit == b'0') {
        return None;
    }
    let last = flags[1];
    let is_odd = matches!(last, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f');
    Some(Trace { id: TraceId::try_new(id)?, is_sampled: is_odd })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn valid_parents_are_read_also_of_versions_to_come() {
        for (text, is_sampled) in [
            (format!("00-{ID}-{PARENT}-01"), true),
            (format!("00-{ID}-{PARENT}-00"), false),
            (format!("00-{ID}-{PARENT}-03"), true),
            (format!("cc-{ID}-{PARENT}-09"), true),
            (format!("cc-{ID}-{PARENT}-00-what-the-future-brings"), false),
        ] {
            let trace = Trace { id: TraceId::try_new(ID.as_bytes()).unwrap(), is_sampled };
            assert_eq!(parse(text.as_bytes()), Some(trace), "{text}");
        }
    }

    #[test]
    fn what_the_standard_forbids_is_no_parent() {
        let zeros = |count: usize| "0".repeat(count);
        for text in [
            String::new(),
            format!("ff-{ID}-{PARENT}-01"),
            format!("0-{ID}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", zeros(32)),
            format!("00-{ID}-{}-01", zeros(16)),
            format!("00-{}-{PARENT}-01", ID.to_uppercase()),
            format!("00-{ID}-{PARENT}-1"),
            format!("00-{ID}-{PARENT}-0x"),
            format!("00-{ID}-{PARENT}-01-more"),
            format!("00-{ID}-{PARENT}-01 "),
            format!("cc-{ID}-{PARENT}-01.more"),
            format!("00_{ID}_{PARENT}_01"),
            format!("00-{}-{PARENT}-01", &ID[1..]),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
