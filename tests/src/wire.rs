//! HTTP/1.1 by hand, for both ends of the proxy.
//!
//! A library would tidy up exactly what the tests want to see or to send: the order and number of header fields, pieces
//! of a body as they arrive, a connection cut at a chosen byte. So this reads and writes plain messages and nothing
//! more; it is no model of how to do HTTP.

mod message;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub use self::message::{Request, Response};

/// No single exchange of a test takes longer unless something hangs.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(20);

/// The first line and the fields of a message, in their order.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Request or status line.
    pub first: String,
    /// Names as they came, values trimmed.
    pub fields: Vec<(String, String)>,
}

/// What is left to read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    Done,
    /// So many bytes.
    Length(u64),
    /// A chunk's size comes next.
    Chunked,
    /// So many bytes of the present chunk.
    Chunk(u64),
    /// All that comes.
    UntilClose,
}

/// A connection that speaks messages.
#[derive(Debug)]
pub struct Wire<S = TcpStream> {
    stream: S,
    ahead: Vec<u8>,
}

// === impl Head ===

impl Head {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Word `n` of the first line.
    pub fn word(&self, n: usize) -> &str {
        self.first.split(' ').nth(n).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self { first, fields: fields.collect() }
    }

    /// How the body behind this head is framed; `without` is what a message without length means.
    pub fn framing(&self, without: Framing) -> Framing {
        if self.all("transfer-encoding").any(|value| value.to_ascii_lowercase().contains("chunked")) {
            return Framing::Chunked;
        }
        match self.field("content-length").and_then(|value| value.parse().ok()) {
            Some(0) => Framing::Done,
            Some(length) => Framing::Length(length),
            None => without,
        }
    }
}

// === impl Wire ===

impl Wire {
    /// Speaks over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        // Small messages back and forth: waiting to fill a segment would measure the kernel, not the proxy.
        stream.set_nodelay(true).ok();
        Self::over(stream)
    }

    /// A new connection.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Speaks over `stream`, whatever that is.
    pub fn over(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The connection below, given up.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// The connection below.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next head; `None` when the other end closed between messages.
    pub async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let head = Head::parse(&self.ahead[..end]);
                self.ahead.drain(..end + 4);
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(cut("in a head")) };
            }
        }
    }

    /// The next piece of a body, as it arrives; `None` at its end.
    pub async fn next_piece(&mut self, body: &mut Framing) -> io::Result<Option<Vec<u8>>> {
        loop {
            match *body {
                Framing::Done => return Ok(None),
                Framing::Length(left) => {
                    let piece = self.take(left).await?;
                    let left = left - piece.len() as u64;
                    *body = if left == 0 { Framing::Done } else { Framing::Length(left) };
                    return Ok(Some(piece));
                }
                Framing::Chunked => *body = self.read_chunk_size().await?,
                Framing::Chunk(left) => {
                    let piece = self.take(left).await?;
                    let left = left - piece.len() as u64;
                    *body = Framing::Chunk(left);
                    if left == 0 {
                        self.read_line().await?;
                        *body = Framing::Chunked;
                    }
                    return Ok(Some(piece));
                }
                Framing::UntilClose => {
                    if self.ahead.is_empty() && self.fill().await? == 0 {
                        *body = Framing::Done;
                        continue;
                    }
                    return Ok(Some(std::mem::take(&mut self.ahead)));
                }
            }
        }
    }

    /// The rest of a body.
    pub async fn read_body(&mut self, mut body: Framing) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next_piece(&mut body).await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// Sends a request and reads the whole answer.
    pub async fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        let exchanged = async {
            self.write(&request.to_bytes()).await?;
            self.read_response(request.method == "HEAD").await
        };
        tokio::time::timeout(EXCHANGE_DEADLINE, exchanged).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads a whole answer.
    pub async fn read_response(&mut self, without_body: bool) -> io::Result<Response> {
        let head = loop {
            let head = self.read_head().await?.ok_or_else(|| cut("before an answer"))?;
            if !head.word(1).starts_with('1') || head.word(1) == "101" {
                break head;
            }
        };
        let status = head.word(1).parse().map_err(|_| cut("with a bad status line"))?;
        let bodiless = without_body || matches!(status, 101 | 204 | 304);
        let framing = if bodiless { Framing::Done } else { head.framing(Framing::UntilClose) };
        let body = self.read_body(framing).await?;
        Ok(Response { status, head, body })
    }

    /// Waits for the other end to close; what comes before is thrown away.
    pub async fn closed(&mut self) {
        while matches!(self.fill().await, Ok(1..)) {
            self.ahead.clear();
        }
    }

    async fn read_chunk_size(&mut self) -> io::Result<Framing> {
        let line = self.read_line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        match u64::from_str_radix(digits, 16).map_err(|_| cut("with a bad chunk size"))? {
            0 => {
                while !self.read_line().await?.is_empty() {}
                Ok(Framing::Done)
            }
            size => Ok(Framing::Chunk(size)),
        }
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
                self.ahead.drain(..end + 2);
                return Ok(line);
            }
            if self.fill().await? == 0 {
                return Err(cut("in a line"));
            }
        }
    }

    async fn take(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() && self.fill().await? == 0 {
            return Err(cut("in a body"));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.ahead.len());
        Ok(self.ahead.drain(..most).collect())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece).await?;
        self.ahead.extend_from_slice(&piece[..read]);
        Ok(read)
    }
}

/// Where `needle` first begins.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn cut(place: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection ended {place}"))
}
