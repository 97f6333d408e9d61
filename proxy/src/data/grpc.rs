//! What a gRPC answer means to the judge: its status stands in the trailers, not in the head.

use http::{HeaderMap, HeaderName, header};

use super::head::begins;

/// What the media type of a call or its answer begins with.
pub(super) const MEDIA_TYPE: &[u8] = b"application/grpc";

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Whether a request is a call.
pub(super) fn is_call(fields: &HeaderMap) -> bool {
    fields.get(header::CONTENT_TYPE).is_some_and(|kind| begins(kind, MEDIA_TYPE))
}

/// What an HTTP answer of the same meaning would have as status. None if the client has cancelled the call, which says
/// nothing of the upstream. An answer without a status has failed.
pub(super) fn as_http(fields: Option<&HeaderMap>) -> Option<u16> {
    let Some(status) = fields.and_then(|fields| fields.get(GRPC_STATUS)) else { return Some(500) };
    match status.as_bytes() {
        b"1" => None,
        b"2" | b"4" | b"13" | b"14" | b"15" => Some(500),
        b"3" | b"5" | b"6" | b"7" | b"9" | b"11" | b"12" | b"16" => Some(400),
        status if !status.is_empty() && status.iter().all(u8::is_ascii_digit) => Some(200),
        _ => Some(500),
    }
}

/// Whether a head says already how the call ended.
pub(super) fn has_status(head: &HeaderMap) -> bool {
    head.contains_key(GRPC_STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: &'static str) -> Option<u16> {
        let mut fields = HeaderMap::new();
        fields.insert(GRPC_STATUS, http::HeaderValue::from_static(status));
        as_http(Some(&fields))
    }

    #[test]
    fn each_status_means_what_the_judge_expects() {
        let of =
            |wanted| (0..=16).filter(|status: &u8| meaning(status.to_string().leak()) == wanted).collect::<Vec<_>>();
        assert_eq!(of(Some(500)), [2, 4, 13, 14, 15]);
        assert_eq!(of(Some(400)), [3, 5, 6, 7, 9, 11, 12, 16]);
        assert_eq!(of(None), [1]);
        assert_eq!(of(Some(200)), [0, 8, 10]);
        assert_eq!((meaning(""), meaning("x"), as_http(None)), (Some(500), Some(500), Some(500)));
    }
}
