//! Who is called, and with which token.
//!
//! A token that somebody names goes wherever it is told to go. A token that is merely *found* in a state directory
//! belongs to the proxy of this machine, so it is sent to this machine only, whatever `--server` says.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sluice_api::client::{Client, Server, Token};

use crate::args::Global;
use crate::exit::Failure;

/// Name of the token's file in a state directory.
const TOKEN_FILE: &str = "admin.token";

/// The state directory of a proxy that was started here with the usual configuration.
const USUAL_STATE_DIR: &str = "./state";

/// A token is some tens of bytes; a file much larger is something else.
const TOKEN_LIMIT: u64 = 4_096;

/// Variable that holds a token.
const TOKEN_VARIABLE: &str = "SLUICE_TOKEN";

/// Where the token came from, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Somebody named it.
    Given,
    /// It was found in this file.
    Found(PathBuf),
    /// There is none in this file.
    Missing(PathBuf),
    /// This file can't be used.
    Unreadable(PathBuf, String),
    /// The server is another machine, so nothing was looked for.
    Elsewhere,
}

/// A client, and what is known of its token.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
}

// === impl Credentials ===

impl Credentials {
    /// What is known before anything was looked for.
    pub(crate) fn none() -> Self {
        Self::Missing(Path::new(USUAL_STATE_DIR).join(TOKEN_FILE))
    }

    /// What to do when the server wants a token, or another one.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Given => {
                "is it the token of this server? It stands in admin.token in the server's state directory".to_owned()
            }
            Self::Found(path) => {
                format!("{} is not the token of this server: use --state-dir or --token-file", path.display())
            }
            Self::Missing(path) => {
                format!("there is none in {}: use --state-dir, --token-file or SLUICE_TOKEN", path.display())
            }
            Self::Unreadable(path, why) => {
                format!("{} can't be read ({why}): run as the proxy's user, or use --token-file", path.display())
            }
            Self::Elsewhere => {
                "use --token-file or SLUICE_TOKEN: a token found on this machine is not sent to another one".to_owned()
            }
        }
    }
}

// === impl Access ===

impl Access {
    /// The access that the command line and the environment ask for.
    pub(crate) fn try_new(global: &Global) -> Result<Self, Failure> {
        let server = Server::try_new(&global.server)?;
        let from_environment = std::env::var(TOKEN_VARIABLE).ok();
        let (token, credentials) = find_token(global, from_environment, server.is_loopback())?;
        Ok(Self { client: Client::new(server, token), credentials })
    }
}

/// The first of `--token`, `--token-file`, `SLUICE_TOKEN`, and a state directory.
fn find_token(
    global: &Global,
    from_environment: Option<String>,
    is_loopback: bool,
) -> Result<(Option<Token>, Credentials), Failure> {
    if let Some(token) = &global.token {
        return Ok((Some(Token::try_new(token)?), Credentials::Given));
    }
    if let Some(path) = &global.token_file {
        let unusable = |why| Failure::File { path: path.display().to_string(), why };
        let token = read_token(path).map_err(|why| unusable(why.unwrap_or_else(|| "no such file".to_owned())))?;
        return Ok((Some(token), Credentials::Given));
    }
    if let Some(token) = from_environment.filter(|token| !token.is_empty()) {
        return Ok((Some(Token::try_new(&token)?), Credentials::Given));
    }
    if !is_loopback {
        return Ok((None, Credentials::Elsewhere));
    }
    let path = global.state_dir.as_deref().unwrap_or_else(|| Path::new(USUAL_STATE_DIR)).join(TOKEN_FILE);
    // Reading needs no token, so that none is found is no failure yet.
    Ok(match read_token(&path) {
        Ok(token) => (Some(token), Credentials::Found(path)),
        Err(None) => (None, Credentials::Missing(path)),
        Err(Some(why)) => (None, Credentials::Unreadable(path, why)),
    })
}

/// The token in a file; the error is `None` if there is no such file.
fn read_token(path: &Path) -> Result<Token, Option<String>> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(TOKEN_LIMIT).read_to_string(&mut text).map(|_| text)
    };
    match read() {
        Ok(text) => Token::try_new(&text).map_err(|error| Some(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(None),
        Err(error) => Err(Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn global(more: &[&str]) -> Global {
        let usual: &[&str] = if more.contains(&"--state-dir") { &[] } else { &["--state-dir", "/nonexistent"] };
        let line = ["sluice"].iter().chain(usual).chain(more).chain(&["get"]);
        Args::try_parse_from(line).unwrap().global
    }

    fn found(more: &[&str], variable: Option<&str>, is_loopback: bool) -> (bool, Credentials) {
        let (token, credentials) = find_token(&global(more), variable.map(str::to_owned), is_loopback).unwrap();
        (token.is_some(), credentials)
    }

    #[test]
    fn a_token_of_the_state_directory_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        std::fs::write(&path, "secret\n").unwrap();
        let folder = folder.path().display().to_string();
        assert_eq!(found(&["--state-dir", &folder], None, true), (true, Credentials::Found(path)));
    }

    #[test]
    fn a_found_token_is_never_sent_to_another_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("admin.token"), "secret\n").unwrap();
        let folder = folder.path().display().to_string();
        assert_eq!(found(&["--state-dir", &folder], None, false), (false, Credentials::Elsewhere));
    }

    #[test]
    fn a_named_token_comes_before_a_found_one_and_goes_anywhere() {
        assert_eq!(found(&["--token", "secret"], None, false), (true, Credentials::Given));
        assert_eq!(found(&[], Some("secret"), false), (true, Credentials::Given));
        assert!(!found(&[], Some(""), true).0);
    }

    #[test]
    fn a_named_file_must_be_there_and_hold_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        for (path, why) in
            [("/nonexistent/token".to_owned(), "no such file"), (empty.display().to_string(), "it is empty")]
        {
            let failure = find_token(&global(&["--token-file", &path]), None, true).unwrap_err();
            let sentence = failure.sentence(&Credentials::none());
            assert!(sentence.contains(why) && sentence.contains(&path), "{sentence}");
        }
    }

    #[test]
    fn without_a_file_reading_goes_on_without_a_token() {
        assert_eq!(found(&[], None, true), (false, Credentials::Missing("/nonexistent/admin.token".into())));
    }
}
