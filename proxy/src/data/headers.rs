//! Fields that are for one hop go, lines that tell the upstream who asks come.
//!
//! What a client says about itself is replaced, unless the peer is a trusted proxy: then its word is kept and its own
//! address appended. The lines are collected as bytes (`lines`) and never enter the header map.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::connection::Client;
use super::error::Error;
use super::head::Marks;
use super::ids::is_sane;
use super::reject::Rejection;

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Addresses of a trusted proxy's list that are passed on; whoever reads a longer one has more to do than we.
const MOST_HOPS: usize = 50;
/// What the upstream is told about where a request comes from.
#[derive(Debug)]
pub(super) struct Hop<'a> {
    pub(super) client: &'a Client,
    pub(super) host: &'a HeaderValue,
    /// The peer is a trusted proxy.
    pub(super) is_trusted: bool,
    /// By `Forwarded` too.
    pub(super) is_told_twice: bool,
}

/// Prepares a request's fields for the upstream.
#[inline]
pub(super) fn prepare_request(headers: &mut HeaderMap, marks: Marks, hop: &Hop<'_>) -> Result<(), Error> {
    let Hop { client, host, .. } = *hop;
    if marks.has(Marks::CONNECTION) {
        remove_named_by_connection(headers)?;
    }
    if marks.has(Marks::ONE_HOP) {
        remove_one_hop(headers);
    }
    if marks.has(Marks::UNDERSCORE) {
        remove_underscored(headers);
    }
    if marks.has(Marks::PADDED_LENGTH) {
        rewrite_length(headers);
    }
    let mut lines = client.lines.borrow_mut();
    lines.clear();
    if hop.is_trusted {
        append_forwarded(headers, host, client, &mut lines);
    } else {
        if marks.has(Marks::FORWARDED) {
            remove_forwarded(headers);
        }
        lines.extend_from_slice(&client.peer_lines);
        add_line(&mut lines, b"x-forwarded-host: ", host.as_bytes());
    }
    if hop.is_told_twice {
        add_standard(headers, hop, &mut lines);
    }
    if marks.has(Marks::REQUEST_ID) && has_one_sane_id(headers) {
        return Ok(());
    }
    if marks.has(Marks::REQUEST_ID) {
        headers.remove(X_REQUEST_ID);
    }
    add_line(&mut lines, b"x-request-id: ", &client.worker.ids.next());
    Ok(())
}

/// Prepares an answer's fields for the client. Its framing is hyper's business.
#[inline]
pub(super) fn prepare_answer(headers: &mut HeaderMap, marks: Marks) {
    if marks.has(Marks::CONNECTION) {
        // The upstream harms only itself by naming more than it should.
        let _ = remove_named_by_connection(headers);
    }
    if marks.has(Marks::ONE_HOP) {
        remove_one_hop(headers);
    }
    if marks.has(Marks::TRANSFER_ENCODING) {
        headers.remove(header::TRANSFER_ENCODING);
    }
}

#[inline]
fn add_line(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    lines.extend_from_slice(name);
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}

#[cold]
fn remove_forwarded(headers: &mut HeaderMap) {
    for name in [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_REAL_IP] {
        headers.remove(name);
    }
}

/// The trusted proxy's list with its own address at the end, as one line: many readers look at the first line only.
/// What else it says stays; what it does not say is added.
#[cold]
fn append_forwarded(headers: &mut HeaderMap, host: &HeaderValue, client: &Client, lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"x-forwarded-for: ");
    let begin = lines.len();
    for list in headers.get_all(X_FORWARDED_FOR).iter().filter(|list| !list.is_empty()) {
        lines.extend_from_slice(list.as_bytes());
        lines.extend_from_slice(b", ");
    }
    // The nearest hops are at the end, and what is far off is what the client says.
    if let Some(cut) = memchr::memrchr_iter(b',', &lines[begin..]).nth(MOST_HOPS) {
        let blanks = lines[begin + cut + 1..].iter().take_while(|&&byte| byte == b' ').count();
        lines.drain(begin..=begin + cut + blanks);
    }
    add_line(lines, b"", client.peer_text.as_bytes());
    headers.remove(X_FORWARDED_FOR);
    if !headers.contains_key(X_REAL_IP) {
        add_line(lines, b"x-real-ip: ", client.peer_text.as_bytes());
    }
    if !headers.contains_key(X_FORWARDED_PROTO) {
        add_line(lines, b"x-forwarded-proto: ", client.scheme.as_str().as_bytes());
    }
    if !headers.contains_key(X_FORWARDED_HOST) {
        add_line(lines, b"x-forwarded-host: ", host.as_bytes());
    }
}

/// `Forwarded` (RFC 7239): the trusted proxy's list, if there is one, and its own part at the end. An address of IPv6
/// and a host are quoted; neither can have a quote in it.
fn add_standard(headers: &mut HeaderMap, hop: &Hop<'_>, lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"forwarded: ");
    for list in headers.get_all(header::FORWARDED).iter().filter(|list| !list.is_empty()) {
        lines.extend_from_slice(list.as_bytes());
        lines.extend_from_slice(b", ");
    }
    headers.remove(header::FORWARDED);
    let (before, after): (&[u8], &[u8]) = if hop.client.peer.is_ipv6() { (b"for=\"[", b"]\"") } else { (b"for=", b"") };
    lines.extend_from_slice(before);
    lines.extend_from_slice(hop.client.peer_text.as_bytes());
    lines.extend_from_slice(after);
    lines.extend_from_slice(b";host=\"");
    lines.extend_from_slice(hop.host.as_bytes());
    lines.extend_from_slice(b"\";proto=");
    add_line(lines, b"", hop.client.scheme.as_str().as_bytes());
}

#[cold]
fn remove_one_hop(headers: &mut HeaderMap) {
    for name in [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        HTTP2_SETTINGS,
        header::TE,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ] {
        headers.remove(name);
    }
}

/// Names with `_` go: to a server that turns both `-` and `_` into one, `X_Forwarded_For` says who the client is.
#[cold]
fn remove_underscored(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The length as everybody writes it.
#[cold]
fn rewrite_length(headers: &mut HeaderMap) {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Removes `Connection` and what it names. A message that names what the other side relies on is refused.
#[inline]
fn remove_named_by_connection(headers: &mut HeaderMap) -> Result<(), Error> {
    let mut lines = headers.get_all(header::CONNECTION).iter();
    let is_plain = lines.next().is_some_and(|line| is_option(line.as_bytes())) && lines.next().is_none();
    if is_plain {
        headers.remove(header::CONNECTION);
        return Ok(());
    }
    remove_all_named(headers)
}

#[cold]
fn remove_all_named(headers: &mut HeaderMap) -> Result<(), Error> {
    let mut result = Ok(());
    if let header::Entry::Occupied(entry) = headers.entry(header::CONNECTION) {
        let (_, lines) = entry.remove_entry_mult();
        // Collected only if a line names something; `close` and `keep-alive` are all there is as a rule.
        let named: Vec<HeaderName> = lines.flat_map(|line| named_by(&line)).collect();
        for name in named {
            if is_protected(&name) {
                result = Err(Error::Refused(Rejection::Connection));
            } else {
                headers.remove(name);
            }
        }
    }
    result
}

fn named_by(line: &HeaderValue) -> Vec<HeaderName> {
    let tokens = line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tokens.filter(|token| !is_option(token)).filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
}

/// An option that names no field.
fn is_option(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close")
}

/// Fields that routing, framing or the upstream's trust rest on.
fn is_protected(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::AUTHORIZATION
            | header::COOKIE
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::FORWARDED
    ) || name.as_str().starts_with("x-forwarded-")
        || matches!(name.as_str(), "x-real-ip" | "x-request-id" | "x-canary")
}

fn has_one_sane_id(headers: &HeaderMap) -> bool {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    ids.next().is_some_and(is_sane) && ids.next().is_none()
}
