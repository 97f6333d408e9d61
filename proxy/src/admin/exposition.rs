//! `/metrics` in the format that the scraper asks for, compressed if it takes that.

use std::io::Write;

use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderValue};

use crate::metrics::{Exporter, Exposition};

/// The answer to a scrape.
pub(super) fn answer(exporter: &Exporter, headers: &HeaderMap) -> Response {
    let format = Exposition::choose(&list(headers, &header::ACCEPT));
    let body = exporter.expose(format);
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    let vary = (header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    let takes_gzip = takes_gzip(&list(headers, &header::ACCEPT_ENCODING));
    match Some(&body).filter(|_| takes_gzip).and_then(|body| compressed(body)) {
        Some(small) => {
            let coding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ([kind, vary, coding], small).into_response()
        }
        None => ([kind, vary], body).into_response(),
    }
}

/// All lines of a field as one.
fn list(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let lines: Vec<_> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
            && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

/// Quickly rather than well: the admin's thread serves other things as well.
fn compressed(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("*", false),
        ] {
            assert_eq!(takes_gzip(accepted), takes, "{accepted}");
        }
    }
}
