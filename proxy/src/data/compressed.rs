//! A body that is compressed while it passes.
//!
//! Bytes are taken as they come and written out when there are enough of them, when the upstream pauses, and at the end. The
//! passage below keeps the account: an answer that breaks off is one that broke off.

use std::io::{self, Write};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::answer::{BrokenOff, Passage};
use crate::config::filters::Encoding;

/// Written out at once.
const PIECE: usize = 16 * 1024;

/// Levels that compress faster than a gigabit line takes it.
const GZIP: u32 = 5;
const BROTLI: u32 = 4;
const ZSTD: i32 = 3;

/// How far back Brotli and Zstandard look, as a power of two: 256 KiB. More compresses little better, and every answer
/// under way needs so much memory a few times over.
const WINDOW: u32 = 18;

/// A compressed answer on its way through.
pub(super) struct Compressed {
    passage: Passage,
    /// None once the end is written.
    encoder: Option<Encoder>,
    /// Something was taken that is not written out.
    is_behind: bool,
    trailers: Option<Frame<Bytes>>,
}

enum Encoder {
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

// === impl Compressed ===

impl Compressed {
    pub(super) fn new(passage: Passage, encoding: Encoding) -> Option<Self> {
        let encoder = Encoder::new(encoding).ok()?;
        Some(Self { passage, encoder: Some(encoder), is_behind: false, trailers: None })
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Some(encoder) = &mut self.encoder else {
            return Poll::Ready(self.trailers.take().map(Ok));
        };
        loop {
            match self.passage.poll_passed(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        if encoder.write(&data).is_err() {
                            return Poll::Ready(Some(Err(BrokenOff::here())));
                        }
                        self.is_behind = true;
                        if encoder.written().len() >= PIECE {
                            return piece(encoder);
                        }
                    }
                    Err(trailers) => self.trailers = Some(trailers),
                },
                Poll::Ready(Some(Err(broken))) => return Poll::Ready(Some(Err(broken))),
                Poll::Ready(None) => {
                    let finished = self.encoder.take().map(Encoder::finish);
                    return match finished {
                        Some(Ok(rest)) => Poll::Ready(Some(Ok(Frame::data(rest.into())))),
                        _ => Poll::Ready(Some(Err(BrokenOff::here()))),
                    };
                }
                Poll::Pending if self.is_behind => {
                    self.is_behind = false;
                    if encoder.flush().is_err() {
                        return Poll::Ready(Some(Err(BrokenOff::here())));
                    }
                    return piece(encoder);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }
}

fn piece(encoder: &mut Encoder) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
    Poll::Ready(Some(Ok(Frame::data(std::mem::take(encoder.written()).into()))))
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressed").field("passage", &self.passage).finish_non_exhaustive()
    }
}

// === impl Encoder ===

impl Encoder {
    fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => {
                let level = flate2::Compression::new(GZIP);
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
            }
            Encoding::Br => Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), PIECE, BROTLI, WINDOW))),
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD)?;
                encoder.window_log(WINDOW)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// What has come out so far.
    fn written(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// The rest, with the end.
    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}
