//! How a run ends.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; `status`: healthy |
//! | 1 | `status`: degraded; `replay`: the file is invalid or can't be read |
//! | 2 | `status`: timed out before it was healthy or degraded |
//! | 3 | the server can't be reached, did not answer, or failed |
//! | 4 | the server refused: no such rollout, a stale generation, not possible in this phase, a value not allowed |
//! | 5 | the token is missing or wrong, or Host or Origin are not allowed |
//! | 6 | the answer is none of an admin API of this version, or the output can't be written |
//! | 64 | the command line is wrong |
//! | 130 | interrupted |
//!
//! A wrong command line is 64 and not 2, as it usually is, so that a script can tell it from a `status` that timed out.

use std::io;

use sluice_api::client::ClientError;

use crate::access::Credentials;

/// A run that ended as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Degraded,
    TimedOut,
    Interrupted,
}

/// A run that could not do what was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A call failed. `commanded` says that it could have changed something.
    Call { error: ClientError, commanded: bool },
    /// A file can't be read, or holds what it should not.
    File { path: String, why: String },
    /// Results can't be written.
    Output(io::Error),
    /// A fault of this program.
    Internal(String),
}

/// For `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done; `status`: healthy
  1    `status`: degraded; `replay`: the file is invalid or can't be read
  2    `status`: timed out before it was healthy or degraded
  3    the server can't be reached, did not answer, or failed
  4    the server refused: no such rollout, stale generation, not possible in this phase
  5    the token is missing or wrong
  6    the answer makes no sense to this version, or the output can't be written
  64   the command line is wrong
  130  interrupted";

/// Code of a wrong command line.
pub(crate) const USAGE: u8 = 64;

// === impl Exit ===

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Degraded => 1,
            Self::TimedOut => 2,
            Self::Interrupted => 130,
        }
    }
}

// === impl Failure ===

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Call { error, commanded: false }
    }
}

impl Failure {
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Call { error, .. } => call_code(error),
            Self::File { .. } => 1,
            Self::Output(_) | Self::Internal(_) => 6,
        }
    }

    /// Whether whoever read the output went away, which is no reason to complain.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// One line: what is wrong, and what to do about it.
    pub(crate) fn sentence(&self, credentials: &Credentials) -> String {
        match self {
            Self::Call { error, commanded } => call_sentence(error, *commanded, credentials),
            Self::File { path, why } => format!("{path}: {why}"),
            Self::Internal(why) => why.clone(),
            Self::Output(error) => format!("can't write the output: {error}"),
        }
    }
}

const fn call_code(error: &ClientError) -> u8 {
    match error {
        ClientError::BadServer { .. } | ClientError::BadToken(_) | ClientError::BadName(_) => USAGE,
        ClientError::Unreachable { .. }
        | ClientError::TimedOut { .. }
        | ClientError::Interrupted(_)
        | ClientError::ServerFault { .. } => 3,
        ClientError::NotFound(_) | ClientError::Conflict(_) | ClientError::Refused { .. } => 4,
        ClientError::Unauthorized(_) | ClientError::Forbidden(_) => 5,
        ClientError::BadAnswer(_) => 6,
    }
}

fn call_sentence(error: &ClientError, commanded: bool, credentials: &Credentials) -> String {
    let advice = match error {
        ClientError::Unreachable { .. } => {
            "start `sluice-proxy run`, or say where it listens with --server URL or SLUICE_SERVER".to_owned()
        }
        ClientError::TimedOut { .. } | ClientError::Interrupted(_) if commanded => {
            "it may have been carried out all the same: look with `sluice get` before you repeat it".to_owned()
        }
        ClientError::Unauthorized(_) => credentials.advice(),
        ClientError::NotFound(_) => "`sluice get` lists what there is".to_owned(),
        ClientError::BadAnswer(_) => {
            "is --server the admin address of a Sluice proxy, and of the version of this program?".to_owned()
        }
        ClientError::BadServer { .. }
        | ClientError::BadToken(_)
        | ClientError::BadName(_)
        | ClientError::TimedOut { .. }
        | ClientError::Interrupted(_)
        | ClientError::Forbidden(_)
        | ClientError::Conflict(_)
        | ClientError::Refused { .. }
        | ClientError::ServerFault { .. } => return error.to_string(),
    };
    let error = error.to_string();
    format!("{}; {advice}", error.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sentence(error: ClientError, commanded: bool) -> String {
        Failure::Call { error, commanded }.sentence(&Credentials::none())
    }

    #[test]
    fn a_server_that_is_not_there_is_one_sentence_with_what_to_do() {
        let error = ClientError::Unreachable {
            server: "http://127.0.0.1:9900".to_owned(),
            cause: "connection refused".to_owned(),
        };
        assert_eq!(
            sentence(error, false),
            "no connection to http://127.0.0.1:9900: connection refused; \
             start `sluice-proxy run`, or say where it listens with --server URL or SLUICE_SERVER"
        );
    }

    #[test]
    fn a_command_without_an_answer_may_have_been_carried_out() {
        let late =
            || ClientError::TimedOut { server: "http://127.0.0.1:9900".to_owned(), waited: Duration::from_secs(10) };
        assert!(sentence(late(), true).contains("may have been carried out"));
        assert_eq!(sentence(late(), false), "http://127.0.0.1:9900 did not answer within 10 s");
    }

    #[test]
    fn a_missing_token_says_where_it_was_looked_for() {
        let shown = sentence(ClientError::Unauthorized("a token is needed".to_owned()), true);
        assert!(shown.starts_with("a token is needed; ") && shown.contains("--token-file"), "{shown}");
    }

    #[test]
    fn exit_codes_of_the_help_are_those_of_the_program() {
        let listed: Vec<u8> =
            EXIT_CODES.lines().skip(1).filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!(listed, [0, 1, 2, 3, 4, 5, 6, USAGE, Exit::Interrupted.code()]);
    }
}
