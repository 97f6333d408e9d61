//! Reads `text/event-stream` piece by piece, as the HTML standard describes it, as far as the admin API uses it.
//!
//! Pure: bytes in, messages out. Identifiers and reconnection times are skipped; a message larger than the limit is
//! an error, because whatever sends it is not our server.

use std::collections::VecDeque;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its kind; `message` if the server gave none.
    pub(super) event: String,
    /// The data lines, joined by line feeds.
    pub(super) data: String,
}

/// What was read but not yet handed on.
#[derive(Debug)]
pub(super) struct Parser {
    limit: usize,
    line: Vec<u8>,
    after_cr: bool,
    event: String,
    data: Vec<String>,
    size: usize,
    ready: VecDeque<Message>,
}

impl Parser {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            event: String::new(),
            data: Vec::new(),
            size: 0,
            ready: VecDeque::new(),
        }
    }

    /// The oldest complete message.
    pub(super) fn take_message(&mut self) -> Option<Message> {
        self.ready.pop_front()
    }

    /// Reads on; lines end with LF, CR or CRLF, also when the two bytes come in different pieces.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), String> {
        for &byte in piece {
            match byte {
                b'\n' if self.after_cr => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
            self.after_cr = byte == b'\r';
            if self.size + self.line.len() > self.limit {
                return Err(format!("an event is larger than {} bytes", self.limit));
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            return self.end_message();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.size += value.len() + 1;
                self.data.push(value.to_owned());
            }
            _ => {} // a comment, an identifier, or something newer
        }
    }

    fn end_message(&mut self) {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        self.size = 0;
        if data.is_empty() {
            return;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.ready.push_back(Message { event, data: data.join("\n") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Vec<(String, String)> {
        let mut parser = Parser::new(100);
        for piece in pieces {
            parser.push(piece.as_bytes()).unwrap();
        }
        std::iter::from_fn(|| parser.take_message()).map(|message| (message.event, message.data)).collect()
    }

    fn message(event: &str, data: &str) -> (String, String) {
        (event.to_owned(), data.to_owned())
    }

    #[test]
    fn a_message_has_a_kind_and_data() {
        assert_eq!(read(&["event: status\ndata: {}\n\n"]), [message("status", "{}")]);
        assert_eq!(read(&["data:a\ndata: b\n\n"]), [message("message", "a\nb")]);
    }

    #[test]
    fn it_does_not_matter_where_the_pieces_are_cut_or_how_lines_end() {
        let text = "event: a\r\ndata: 1\r\n\r\n: keep-alive\n\nevent: b\rid: 7\rdata: 2\r\r";
        let whole = read(&[text]);
        assert_eq!(whole, [message("a", "1"), message("b", "2")]);
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(read(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_message_without_data_or_without_its_end_is_none() {
        assert_eq!(read(&["event: a\n\n", "data: cut off\n"]), []);
    }

    #[test]
    fn a_message_over_the_limit_is_an_error_in_one_line_or_many() {
        assert!(Parser::new(100).push(&[b'x'; 101]).is_err());
        assert!(Parser::new(100).push("data: 0123456789\n".repeat(12).as_bytes()).is_err());
    }
}
