//! One connection to the backend.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;

use super::arm::Reply;
use crate::http::parse_request;

/// More than any head and body that the load sends.
const MAX_REQUEST: usize = 256 * 1024;

/// A connection, what was read of the next request, and what is still to be written.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    /// The arm that it asks.
    pub(super) arm: usize,
    /// Tells it from others that had the same place.
    pub(super) serial: u64,
    read: Vec<u8>,
    answer: Option<(Arc<[u8]>, usize)>,
    /// An answer is held back: nothing more is read until it was given.
    held: bool,
}

impl Client {
    pub(super) fn new(stream: TcpStream, arm: usize, serial: u64) -> Self {
        Self { stream, arm, serial, read: Vec::new(), answer: None, held: false }
    }

    /// Writes what is left, reads what there is, and asks `reply` for the answer of each request. An error means that
    /// the connection is over.
    pub(super) fn advance(&mut self, scratch: &mut [u8], mut reply: impl FnMut(&str) -> Reply) -> io::Result<()> {
        self.flush()?;
        let mut len = scratch.len();
        // A short read emptied the socket: the next event says when there is more.
        while len == scratch.len() {
            len = match self.stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.read.extend_from_slice(&scratch[..len]);
            if self.read.len() > MAX_REQUEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            while !self.held && self.answer.is_none() && self.next(&mut reply)? {}
        }
        Ok(())
    }

    /// Answers the request at the front, if it is whole.
    fn next(&mut self, reply: &mut impl FnMut(&str) -> Reply) -> io::Result<bool> {
        if self.read.is_empty() {
            return Ok(false);
        }
        let parsed = parse_request(&self.read).map_err(|_| io::ErrorKind::InvalidData)?;
        let Some((path, head)) = parsed else { return Ok(false) };
        let len = head.len + head.body;
        if self.read.len() < len {
            return Ok(false);
        }
        let reply = reply(path);
        self.read.drain(..len);
        match reply {
            Reply::Now(answer) => self.answer(answer)?,
            Reply::Later(_) | Reply::Never => self.held = true,
        }
        Ok(true)
    }

    /// Gives an answer, also one that was held back.
    pub(super) fn answer(&mut self, answer: Arc<[u8]>) -> io::Result<()> {
        self.held = false;
        self.answer = Some((answer, 0));
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some((answer, written)) = &mut self.answer {
            match self.stream.write(&answer[*written..]) {
                Ok(len) => *written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if *written == answer.len() {
                self.answer = None;
            }
        }
        Ok(())
    }
}
