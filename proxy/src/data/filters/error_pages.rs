//! Pages in place of lines of text, or of what a failing upstream sends. Status and account stay as they are.

use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};

use crate::config::filters::ErrorPages;
use crate::data::answer::Body;

/// The page for an answer of our own, or for the upstream's failure if that is asked for.
pub(super) fn finish(pages: &ErrorPages, answer: Response<Body>) -> Response<Body> {
    let status = answer.status();
    let is_ours = matches!(answer.body(), Body::Text(_));
    let Some(page) = pages.get(status.as_u16()).filter(|_| is_ours || (pages.upstream && status.is_server_error()))
    else {
        return answer;
    };
    let (mut head, body) = answer.into_parts();
    if let Body::Passed(passage) = body {
        passage.abandon();
    }
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, ETAG, LAST_MODIFIED] {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_TYPE, page.content_type.clone());
    Response::from_parts(head, Body::Text(Some(page.body.clone())))
}
