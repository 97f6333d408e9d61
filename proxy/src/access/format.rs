//! An entry as a line.
//!
//! What clients send can't break a line or a terminal: control characters, quotes and what is no UTF-8 are escaped or
//! replaced.

use std::borrow::Cow;
use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use http::Version;
use serde::Serialize;
use sluice_engine::evidence::Arm;

use super::entry::{Entry, Field};
use crate::config::LogFormat;
use crate::data::record::Reason;

/// An entry as JSON. The names are the format: they are documented in `docs/logs.md`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonLine<'a> {
    time: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
    client: std::net::IpAddr,
    #[serde(skip_serializing_if = "str::is_empty")]
    forwarded_for: Cow<'a, str>,
    method: Cow<'a, str>,
    host: Cow<'a, str>,
    target: Cow<'a, str>,
    protocol: &'static str,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    rollout: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    endpoint: Cow<'a, str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shielded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    referer: Cow<'a, str>,
}

/// Appends the line of an entry that began at `unix_us`.
pub(super) fn write_line(out: &mut Vec<u8>, format: LogFormat, entry: &Entry, unix_us: i64) {
    let time = DateTime::from_timestamp_micros(unix_us).unwrap_or_default();
    // Neither can fail: the output is memory, and the keys are texts.
    match format {
        LogFormat::Json => {
            let _ = serde_json::to_writer(&mut *out, &JsonLine::new(entry, time));
            out.push(b'\n');
        }
        LogFormat::Combined => combined(out, entry, time),
    }
}

// === impl JsonLine ===

impl<'a> JsonLine<'a> {
    fn new(entry: &'a Entry, time: DateTime<Utc>) -> Self {
        let text = |field| plain(entry.texts.get(field));
        Self {
            time: time.to_rfc3339_opts(SecondsFormat::Millis, true),
            request_id: text(Field::RequestId),
            client: entry.peer,
            forwarded_for: text(Field::ForwardedFor),
            method: text(Field::Method),
            host: text(Field::Host),
            target: text(Field::Target),
            protocol: protocol(entry.protocol),
            status: entry.status,
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            duration_ms: millis(entry.duration_us),
            upstream_ms: entry.upstream_us.map(millis),
            rollout: text(Field::Rollout),
            arm: entry.course.map(|(arm, _)| Arm::label(arm)),
            version: text(Field::Version),
            reason: entry.course.map(|(_, reason)| reason_label(reason)),
            endpoint: text(Field::Endpoint),
            shielded: entry.is_shielded,
            failure: entry.failure,
            trace_id: text(Field::TraceId),
            user_agent: text(Field::UserAgent),
            referer: text(Field::Referer),
        }
    }
}

fn combined(out: &mut Vec<u8>, entry: &Entry, time: DateTime<Utc>) {
    let _ = write!(out, "{} - - [{}] \"", entry.peer, time.format("%d/%b/%Y:%H:%M:%S +0000"));
    escape(out, entry.texts.get(Field::Method), b"-");
    out.push(b' ');
    escape(out, entry.texts.get(Field::Target), b"-");
    let _ = write!(out, " {}\" {} {} \"", protocol(entry.protocol), entry.status, entry.bytes_out);
    escape(out, entry.texts.get(Field::Referer), b"-");
    out.extend_from_slice(b"\" \"");
    escape(out, entry.texts.get(Field::UserAgent), b"-");
    out.extend_from_slice(b"\"\n");
}

/// As nginx does it: quotes, backslashes and all but printable ASCII as `\xHH`.
fn escape(out: &mut Vec<u8>, text: &[u8], if_empty: &[u8]) {
    for &byte in if text.is_empty() { if_empty } else { text } {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => {
                let _ = write!(out, "\\x{byte:02X}");
            }
            _ => out.push(byte),
        }
    }
}

/// Text without what the serialiser lets pass though a terminal would act on it. Lower control characters it escapes.
fn plain(bytes: &[u8]) -> Cow<'_, str> {
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return String::from_utf8_lossy(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c >= '\u{7f}' && c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn millis(us: u64) -> f64 {
    us as f64 / 1e3
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

fn reason_label(reason: Reason) -> &'static str {
    match reason {
        Reason::Directed => "directed",
        Reason::Drawn => "drawn",
        Reason::Sticky => "sticky",
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Texts;
    use super::*;

    const AT: i64 = 1_700_000_000_123_456;

    fn mk_entry(target: &[u8], agent: &[u8]) -> Entry {
        let mut texts = Texts::new();
        texts.add(Field::RequestId, b"a1");
        texts.add(Field::Method, b"GET");
        texts.add(Field::Host, b"shop.example");
        texts.add(Field::Target, target);
        texts.add(Field::Rollout, b"shop");
        texts.add(Field::Version, b"v2");
        texts.add(Field::Endpoint, b"127.0.0.1:9001");
        texts.add(Field::UserAgent, agent);
        Entry {
            start_us: 0,
            duration_us: 12_345,
            upstream_us: Some(11_000),
            status: 200,
            bytes_in: 0,
            bytes_out: 42,
            peer: "10.1.2.3".parse().unwrap(),
            protocol: Version::HTTP_11,
            course: Some((Arm::Canary, Reason::Drawn)),
            is_shielded: true,
            failure: Some("status"),
            texts,
        }
    }

    fn line(format: LogFormat, entry: &Entry) -> String {
        let mut out = Vec::new();
        write_line(&mut out, format, entry, AT);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_json_line_has_every_known_field_and_leaves_the_others_out() {
        assert_eq!(
            line(LogFormat::Json, &mk_entry(b"/cart?id=7", b"curl/8")),
            concat!(
                r#"{"time":"2023-11-14T22:13:20.123Z","requestId":"a1","client":"10.1.2.3","method":"GET","#,
                r#""host":"shop.example","target":"/cart?id=7","protocol":"HTTP/1.1","status":200,"bytesIn":0,"bytesOut":42,"#,
                r#""durationMs":12.345,"upstreamMs":11.0,"rollout":"shop","arm":"canary","version":"v2","reason":"drawn","#,
                r#""endpoint":"127.0.0.1:9001","shielded":true,"failure":"status","userAgent":"curl/8"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_combined_line_is_what_nginx_would_write() {
        assert_eq!(
            line(LogFormat::Combined, &mk_entry(b"/cart?id=7", b"curl/8")),
            "10.1.2.3 - - [14/Nov/2023:22:13:20 +0000] \"GET /cart?id=7 HTTP/1.1\" 200 42 \"-\" \"curl/8\"\n"
        );
    }

    #[test]
    fn nothing_that_a_client_sends_breaks_the_line_or_a_terminal() {
        let hostile = b"a\"b\\c\x1b[2J\r\n\xc2\x9b31m\xff\x7f\t";
        let entry = mk_entry(b"/", hostile);
        for format in [LogFormat::Json, LogFormat::Combined] {
            let line = line(format, &entry);
            let inner = line.strip_suffix('\n').unwrap();
            assert!(!inner.chars().any(char::is_control), "{line:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, &entry)).unwrap();
        assert_eq!(json["userAgent"], "a\"b\\c\u{1b}[2J\r\n\u{fffd}31m\u{fffd}\u{fffd}\t");
        assert!(
            line(LogFormat::Combined, &entry)
                .ends_with("\"a\\x22b\\x5Cc\\x1B[2J\\x0D\\x0A\\xC2\\x9B31m\\xFF\\x7F\\x09\"\n")
        );
    }
}
