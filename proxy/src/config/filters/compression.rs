//! `compression`: which answers are compressed, and how.

use http::HeaderValue;

use crate::config::raw::RawCompression;
use crate::config::scope::Scope;

/// What becomes a third or less. Pictures, films and archives are compressed already.
const TYPES: [&str; 12] = [
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/plain",
    "text/xml",
];

/// Less fits into one packet whatever is done to it.
const MIN_SIZE: u64 = 1_024;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The first one that the client likes best is used; default br, zstd, gzip.
    pub encodings: Vec<Encoding>,
    /// Content types, without parameters, in lower case.
    pub types: Vec<String>,
    /// Answers that announce fewer bytes stay as they are.
    pub min_size: u64,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// RFC 1952.
    Gzip,
}

// === impl Compression ===

impl Compression {
    pub(super) fn from_raw(raw: &RawCompression, scope: &Scope<'_>) -> Option<Self> {
        let encodings = raw.encodings.clone().unwrap_or_else(|| vec![Encoding::Br, Encoding::Zstd, Encoding::Gzip]);
        if encodings.is_empty() {
            scope.key("encodings").report("at least one of br, zstd and gzip is needed");
        }
        let types = match &raw.types {
            Some(written) => scope.key("types").each_of(written, |text, item| content_type(text, &item)),
            None => Some(TYPES.map(str::to_owned).into()),
        };
        Some(Self { encodings, types: types?, min_size: raw.min_size.map_or(MIN_SIZE, |size| size.0) })
    }

    /// Whether an answer with this `Content-Type` is worth it.
    pub fn wants(&self, content_type: &HeaderValue) -> bool {
        let bytes = content_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        self.types.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(bytes))
    }
}

fn content_type(text: &str, scope: &Scope<'_>) -> Option<String> {
    let is_token = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"/;,*".contains(&b));
    match text.split_once('/') {
        Some((class, kind)) if is_token(class) && is_token(kind) => Some(text.to_ascii_lowercase()),
        _ => scope.refuse(format!("{text:?}: a content type such as text/html is expected, without parameters")),
    }
}

// === impl Encoding ===

impl Encoding {
    /// As `Accept-Encoding` and `Content-Encoding` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}
