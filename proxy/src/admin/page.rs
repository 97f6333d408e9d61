//! The page: the files of `dashboard/`, part of the program, so that it works without any other file or network.
//!
//! They are sent as they are. A browser may keep them but asks each time whether they are still right, so that a page
//! never runs on files of two versions of the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::routes::Sources;

/// One file of the page.
#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    kind: &'static str,
    body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// `file!("/app.js", SCRIPT, "app.js")`: a path needs a literal to be included.
macro_rules! file {
    ($path:literal, $kind:expr, $name:literal) => {
        File { path: $path, kind: $kind, body: include_str!(concat!("../../../dashboard/", $name)) }
    };
}

const FILES: &[File] = &[
    file!("/", HTML, "index.html"),
    file!("/api.js", SCRIPT, "api.js"),
    file!("/app.js", SCRIPT, "app.js"),
    file!("/base.css", STYLE, "base.css"),
    file!("/detail.js", SCRIPT, "detail.js"),
    file!("/dom.js", SCRIPT, "dom.js"),
    file!("/icon.svg", PICTURE, "icon.svg"),
    file!("/link.js", SCRIPT, "link.js"),
    file!("/list.js", SCRIPT, "list.js"),
    file!("/numbers.js", SCRIPT, "numbers.js"),
    file!("/parts.css", STYLE, "parts.css"),
    file!("/past.js", SCRIPT, "past.js"),
    file!("/stream.js", SCRIPT, "stream.js"),
    file!("/token.js", SCRIPT, "token.js"),
    file!("/words.js", SCRIPT, "words.js"),
    file!("/parts/actions.js", SCRIPT, "parts/actions.js"),
    file!("/parts/arms.js", SCRIPT, "parts/arms.js"),
    file!("/parts/charts.js", SCRIPT, "parts/charts.js"),
    file!("/parts/compare.js", SCRIPT, "parts/compare.js"),
    file!("/parts/dialog.js", SCRIPT, "parts/dialog.js"),
    file!("/parts/events.js", SCRIPT, "parts/events.js"),
    file!("/parts/evidence.js", SCRIPT, "parts/evidence.js"),
    file!("/parts/headline.js", SCRIPT, "parts/headline.js"),
    file!("/parts/history.js", SCRIPT, "parts/history.js"),
    file!("/parts/judge.js", SCRIPT, "parts/judge.js"),
    file!("/parts/split.js", SCRIPT, "parts/split.js"),
    file!("/parts/token.js", SCRIPT, "parts/token.js"),
    file!("/vendor/uplot/LICENSE", TEXT, "vendor/uplot/LICENSE"),
    file!("/vendor/uplot/uPlot.esm.js", SCRIPT, "vendor/uplot/uPlot.esm.js"),
    file!("/vendor/uplot/uPlot.min.css", STYLE, "vendor/uplot/uPlot.min.css"),
];

/// The routes of the page.
pub(super) fn routes() -> Router<Sources> {
    FILES.iter().fold(Router::new(), |router, file| {
        let tag = tag(file.body);
        router.route(file.path, get(async move |headers: HeaderMap| answer(*file, &tag, &headers)))
    })
}

/// Whether this path is a file of the page.
pub(super) fn holds(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

fn answer(file: File, tag: &HeaderValue, headers: &HeaderMap) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag.clone()),
    ];
    match headers.get(header::IF_NONE_MATCH) {
        Some(known) if known == tag => (StatusCode::NOT_MODIFIED, fields).into_response(),
        _ => (StatusCode::OK, fields, file.body).into_response(),
    }
}

/// Changes whenever the file does.
fn tag(body: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("hexadecimal digits in quotes")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn files_in(folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names.extend(files_in(&path));
            } else {
                names.push(path.to_str().unwrap().to_owned());
            }
        }
        names
    }

    #[test]
    fn every_file_of_the_folder_is_served_except_what_is_for_developers() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboard"));
        for file in files_in(folder) {
            let path = file.strip_prefix(folder.to_str().unwrap()).unwrap();
            let is_for_developers = path.ends_with(".md");
            assert_eq!(holds(path) || path == "/index.html", !is_for_developers, "{path}");
        }
    }

    #[test]
    fn an_unchanged_file_is_not_sent_again() {
        let file = FILES[0];
        let tag = tag(file.body);
        let first = answer(file, &tag, &HeaderMap::new());
        assert_eq!(
            (first.status(), first.headers()[header::CACHE_CONTROL].as_bytes()),
            (StatusCode::OK, &b"no-cache"[..])
        );
        let again = answer(file, &tag, &HeaderMap::from_iter([(header::IF_NONE_MATCH, tag.clone())]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"0\""))]);
        assert_eq!(answer(file, &tag, &other).status(), StatusCode::OK);
    }
}
