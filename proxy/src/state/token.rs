//! The admin token: whoever can read its file may command the proxy.

use std::fmt;
use std::io;
use std::path::Path;

use super::{StateError, atomic};

/// 256 bits can't be guessed.
const RANDOM_BYTES: usize = 32;
/// A token that people choose must have some length too.
const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 1024;

/// A secret; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in `file`, or a new one that is written there.
    ///
    /// # Errors
    /// The file can't be read or made, or holds no token. A bad token is never replaced: somebody chose it.
    pub fn read_or_make(file: &Path) -> Result<Self, StateError> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::try_new(text.trim(), file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(file),
            Err(error) => Err(StateError::io("read", file)(error)),
        }
    }

    /// The secret itself. Compare in constant time.
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn try_new(text: &str, file: &Path) -> Result<Self, StateError> {
        let refused = |reason| Err(StateError::Token { path: file.to_owned(), reason });
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) {
            return refused("a token has 16 to 1024 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refused("a token has visible ASCII characters only");
        }
        Ok(Self(text.to_owned()))
    }

    fn make(file: &Path) -> Result<Self, StateError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| StateError::io("draw random bytes for", file)(error.into()))?;
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        atomic::replace(file, format!("{text}\n").as_bytes()).map_err(StateError::io("write", file))?;
        Ok(Self(text))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
