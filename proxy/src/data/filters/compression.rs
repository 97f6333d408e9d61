//! Compresses answers on their way to the client.
//!
//! What the client accepts is read from the request, what is worth it from the answer's head. What has come is written out
//! whenever the upstream pauses: a page that streams its parts goes on doing so. Left alone is whatever is compressed
//! already, is a part of something, or says that it must not be changed.

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{content_length, cors};
use crate::config::filters::{Compression, Encoding};
use crate::data::answer::Body;
use crate::data::compressed::Compressed;

/// The encoding that the client likes best, among equals the first that is configured.
pub(super) fn negotiate(compression: &Compression, method: &Method, headers: &HeaderMap) -> Option<Encoding> {
    if *method == Method::HEAD {
        return None;
    }
    let mut best = None;
    for &encoding in &compression.encodings {
        let quality = quality(headers, encoding.as_str());
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, encoding));
        }
    }
    best.map(|(_, encoding)| encoding)
}

/// In thousandths; 0 if it is not accepted.
fn quality(headers: &HeaderMap, encoding: &str) -> u16 {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut any = 0;
    for entry in lines.flat_map(|line| line.split(',')) {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let written = parameters.trim().strip_prefix("q=").and_then(|text| text.trim().parse::<f32>().ok());
        let quality = written.map_or(1_000, |quality| (quality.clamp(0.0, 1.0) * 1_000.0) as u16);
        match name.trim() {
            name if name.eq_ignore_ascii_case(encoding) => return quality,
            "*" => any = quality,
            _ => {}
        }
    }
    any
}

/// The answer with a compressed body, if it is worth it.
pub(super) fn finish(
    compression: &Compression,
    encoding: Option<Encoding>,
    mut answer: Response<Body>,
) -> Response<Body> {
    if !is_worth_it(compression, &answer) {
        return answer;
    }
    cors::vary(answer.headers_mut(), "accept-encoding", HeaderValue::from_static("Accept-Encoding"));
    let Some(encoding) = encoding else { return answer };
    let (mut head, body) = answer.into_parts();
    let passage = match body {
        Body::Passed(passage) if !passage.is_over() => passage,
        body => return Response::from_parts(head, body),
    };
    let Some(compressed) = Compressed::new(passage, encoding) else {
        // No memory for an encoder: the head is still ours to give, but the body has gone with it.
        return crate::data::error::Error::Upstream(crate::counters::FailureKind::Protocol).into_answer();
    };
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    weaken(&mut head.headers);
    Response::from_parts(head, Body::Compressed(Box::new(compressed)))
}

fn is_worth_it(compression: &Compression, answer: &Response<Body>) -> bool {
    let headers = answer.headers();
    let must_stay = headers.get_all(CACHE_CONTROL).iter().any(|line| contains(line.as_bytes(), b"no-transform"));
    let has_body = matches!(answer.body(), Body::Passed(_))
        && !matches!(answer.status(), StatusCode::PARTIAL_CONTENT | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    has_body
        && !must_stay
        && !headers.contains_key(CONTENT_ENCODING)
        && headers.get(CONTENT_TYPE).is_some_and(|content_type| compression.wants(content_type))
        && (!headers.contains_key(CONTENT_LENGTH) || content_length(headers) >= compression.min_size)
        && !headers.get_all(VARY).iter().any(|line| line.as_bytes() == b"*")
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// Other bytes can't have the same strong name (RFC 9110, section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_s_wish_comes_first_and_among_equals_the_order_of_the_configuration() {
        let all = [Encoding::Br, Encoding::Zstd, Encoding::Gzip];
        let compression = Compression { encodings: all.into(), types: vec![], min_size: 0 };
        let chosen = |accepted: &'static str| {
            let headers = [(ACCEPT_ENCODING, HeaderValue::from_static(accepted))].into_iter().collect();
            negotiate(&compression, &Method::GET, &headers).map(Encoding::as_str)
        };
        for (accepted, expected) in [
            ("", None),
            ("identity", None),
            ("gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("br;q=0.5, gzip;q=0.8", Some("gzip")),
            ("br;q=0, *", Some("zstd")),
            ("*;q=0.1", Some("br")),
            ("GZIP ; q=1", Some("gzip")),
            ("br;q=0", None),
        ] {
            assert_eq!(chosen(accepted), expected, "{accepted:?}");
        }
    }
}
