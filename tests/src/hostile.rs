//! Hostile and broken messages: what is sent, and what a careful proxy makes of it.
//!
//! One table, used twice: the integration tests hold Sluice to it, and the program `hostile` shows beside it what other
//! proxies do. A case has a stable id (H001 …); one id may have several cases. Everything goes over raw sockets.

pub mod answers;
mod chunks;
mod fields;
mod framing;
mod hosts;
mod lines;
pub mod observe;
pub mod peers;
pub mod raw;

pub use self::answers::AnswerCase;
pub use self::observe::Observation;

/// A message that a client sends.
#[derive(Clone, Debug)]
pub struct Case {
    /// Stable name.
    pub id: &'static str,
    /// What is sent, in a few words.
    pub what: String,
    /// The same as bytes.
    pub sent: Vec<u8>,
    /// What has to become of it.
    pub expected: Expected,
}

/// What has to become of a message.
#[derive(Clone, Debug)]
pub enum Expected {
    /// One answer with one of these statuses, the connection ends, and no upstream has it as a request; Sluice counts it
    /// under this reason.
    Refused(&'static [u16], &'static str),
    /// So many requests are forwarded and answered, and the connection goes on.
    Served(usize, Arrives),
    /// Answered with this status by the proxy itself.
    Local(u16),
}

/// What the upstream has to see of the first request, line by line in lower case.
#[derive(Clone, Debug, Default)]
pub struct Arrives {
    /// There.
    pub with: &'static [&'static str],
    /// Nowhere in the head or the body.
    pub without: &'static [&'static str],
}

/// Cases that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The cases.
    pub cases: fn() -> Vec<Case>,
}

/// All groups.
pub const GROUPS: [Group; 5] = [
    Group { title: "Where a request ends", cases: framing::cases },
    Group { title: "Chunked bodies", cases: chunks::cases },
    Group { title: "Request line and limits", cases: lines::cases },
    Group { title: "Host", cases: hosts::cases },
    Group { title: "Fields", cases: fields::cases },
];

/// The group with this title.
///
/// # Panics
/// If there is none.
pub fn group(title: &str) -> Vec<Case> {
    let group = GROUPS.iter().find(|group| group.title == title).expect("a title of the table");
    (group.cases)()
}

// === impl Expected ===

impl Expected {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::Refused(statuses, _) => {
                let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
                format!("{}, closed", statuses.join(" or "))
            }
            Self::Served(1, Arrives { with: [], without: [] }) => "forwarded".to_owned(),
            Self::Served(1, arrives) => format!("forwarded {}", arrives.describe()),
            Self::Served(requests, _) => format!("forwarded, {requests} answers"),
            Self::Local(status) => format!("{status} by itself"),
        }
    }
}

impl Arrives {
    fn describe(&self) -> String {
        let list = |word: &str, lines: &[&str]| {
            let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
            if lines.is_empty() { String::new() } else { format!("{word} `{}`", lines.join("`, `")) }
        };
        format!("{} {}", list("with", self.with), list("without", self.without)).trim().to_owned()
    }
}

/// A refused message.
fn refused(
    id: &'static str,
    what: impl Into<String>,
    sent: impl Into<Vec<u8>>,
    statuses: &'static [u16],
    reason: &'static str,
) -> Case {
    Case { id, what: what.into(), sent: sent.into(), expected: Expected::Refused(statuses, reason) }
}

/// A message that is good enough.
fn served(id: &'static str, what: impl Into<String>, sent: impl Into<Vec<u8>>, requests: usize) -> Case {
    let expected = Expected::Served(requests, Arrives::default());
    Case { id, what: what.into(), sent: sent.into(), expected }
}

/// A message that arrives changed.
fn changed(
    id: &'static str,
    what: impl Into<String>,
    sent: impl Into<Vec<u8>>,
    with: &'static [&'static str],
    without: &'static [&'static str],
) -> Case {
    let expected = Expected::Served(1, Arrives { with, without });
    Case { id, what: what.into(), sent: sent.into(), expected }
}

/// A GET with these lines behind its `Host`.
fn get(fields: &str) -> String {
    format!("GET /case HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n")
}

/// A POST with these lines behind its `Host`, and a body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /case HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n{body}")
}
