//! `errorPages`: what people see in place of a line of text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use http::HeaderValue;

use crate::config::raw::RawErrorPages;
use crate::config::scope::Scope;

/// A page, not a site.
const MAX_BYTES: u64 = 1024 * 1024;

/// Pages by status, read with the configuration.
#[derive(Clone, Debug, Default)]
pub struct ErrorPages {
    pages: BTreeMap<u16, Page>,
    /// Also in place of what an upstream sends with a 5xx.
    pub upstream: bool,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// By the file's ending.
    pub content_type: HeaderValue,
    /// Its content.
    pub body: Bytes,
}

// === impl ErrorPages ===

impl ErrorPages {
    pub(super) fn from_raw(raw: &RawErrorPages, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let files = scope.key("files");
        let mut pages = Some(BTreeMap::new());
        for (status, file) in &raw.files {
            let at = files.key(status);
            let page = Page::from_raw(&directory.join(file), &at);
            let status = match status.parse() {
                Ok(status @ 400..=599) => Some(status),
                _ => at.refuse(format!("{status:?}: a status from 400 to 599 is expected")),
            };
            pages = pages.zip(status.zip(page)).map(|(mut pages, (status, page))| {
                pages.insert(status, page);
                pages
            });
        }
        if raw.files.is_empty() {
            return scope.refuse("at least one page is needed, such as `files: { 503: 503.html }`");
        }
        Some(Self { pages: pages?, upstream: raw.upstream })
    }

    /// The page for a status.
    pub fn get(&self, status: u16) -> Option<&Page> {
        self.pages.get(&status)
    }
}

// === impl Page ===

impl Page {
    fn from_raw(file: &Path, scope: &Scope<'_>) -> Option<Self> {
        let content_type = match file.extension().and_then(|ending| ending.to_str()) {
            Some("html" | "htm") => "text/html; charset=utf-8",
            Some("json") => "application/json",
            Some("txt") => "text/plain; charset=utf-8",
            _ => return scope.refuse(format!("{}: a file .html, .json or .txt is expected", file.display())),
        };
        match read(file) {
            Ok(body) => Some(Self { content_type: HeaderValue::from_static(content_type), body }),
            Err(error) => scope.refuse(format!("{}: {error}", file.display())),
        }
    }
}

fn read(file: &Path) -> Result<Bytes, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut content = Vec::new();
    File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(unreadable)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes, which are allowed"));
    }
    Ok(content.into())
}
