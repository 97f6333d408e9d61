//! Users and what their passwords look like once hashed: a file as `htpasswd -B` writes it.
//!
//! bcrypt and SHA-crypt are known. The rest of what such files may hold (MD5, SHA-1, DES, plain text) can be guessed by the
//! million and is refused where the file is read, not where somebody logs in.

mod file;

use std::collections::HashMap;
use std::fmt;

use sha_crypt::{PasswordHashRef, PasswordVerifier, ShaCrypt};

pub use self::file::PasswordFile;

/// Longer passwords are wrong: hashing takes time with each byte, and whoever asks chooses how many there are.
const LONGEST_PASSWORD: usize = 256;

/// Dearer bcrypt hashes take seconds each.
const DEAREST: u32 = 14;

/// Users by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users(HashMap<String, Hash>);

#[derive(Clone, PartialEq, Eq)]
enum Hash {
    Bcrypt(String),
    Sha(String),
}

// === impl Users ===

impl Users {
    /// Reads a file: `name:hash`, one user a line, `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is none. Hashes are never shown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut users = HashMap::new();
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':').filter(|(name, _)| !name.is_empty()) else {
                return Err(format!("line {number}: name:hash is expected"));
            };
            let hash = Hash::parse(hash).map_err(|why| format!("line {number}: {name}: {why}"))?;
            if users.insert(name.to_owned(), hash).is_some() {
                return Err(format!("line {number}: {name} stands here twice"));
            }
        }
        if users.is_empty() { Err("at least one user is expected".to_owned()) } else { Ok(Self(users)) }
    }

    /// Whether this is the user's password. Takes as long for a user who is not there.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        if password.len() > LONGEST_PASSWORD {
            return false;
        }
        match self.0.get(name) {
            Some(hash) => hash.verify(password),
            None => {
                let _ = self.0.values().next().is_some_and(|hash| hash.verify(password));
                false
            }
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

// === impl Hash ===

impl Hash {
    fn parse(text: &str) -> Result<Self, String> {
        if ["$2y$", "$2b$", "$2a$"].iter().any(|kind| text.starts_with(kind)) {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| "is no bcrypt hash".to_owned())?;
            if parts.get_cost() > DEAREST {
                return Err(format!("a cost of {DEAREST} at most is allowed, not {}", parts.get_cost()));
            }
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        if text.starts_with("$5$") || text.starts_with("$6$") {
            PasswordHashRef::new(text).map_err(|_| "is no SHA-crypt hash".to_owned())?;
            return Ok(Self::Sha(text.to_owned()));
        }
        Err("only bcrypt (htpasswd -B) and SHA-crypt (mkpasswd -m sha512crypt) are allowed".to_owned())
    }

    fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Sha(hash) => {
                let hash = PasswordHashRef::new(hash);
                hash.is_ok_and(|hash| ShaCrypt::default().verify_password(password.as_bytes(), hash).is_ok())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // openssl passwd -6 and -5, and crypt(3) with bcrypt; the password is s3cret.
    const FILE: &str = "\
# three users
ann:$6$abcdefgh$Z7KfoKnKTSZrzo5VZ0YubGLQOj9ov6sHo9TmE3zIU/LHKhpE30zCnZ0mcIXYf9r9rQ4DYaXoxAFSPFlcWdxjB.
ben:$5$abcdefgh$OcHWp0Vj4l19dnE2g4tHD4hbItEZgO0bjRV6LjwCLoA

eve:$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG
";

    #[test]
    fn a_password_is_right_for_its_user_only() {
        let users = Users::parse(FILE).unwrap();
        for name in ["ann", "ben", "eve"] {
            assert!(users.verify(name, "s3cret"), "{name}");
            assert!(!users.verify(name, "S3cret") && !users.verify(name, ""), "{name}");
        }
        assert!(!users.verify("bob", "s3cret"));
        assert!(!users.verify("ann", &"s3cret".repeat(100)));
    }

    #[test]
    fn weak_hashes_and_other_lines_are_refused_and_no_hash_is_shown() {
        for (text, expected) in [
            ("", "at least one user is expected"),
            ("ann", "line 1: name:hash is expected"),
            ("\nann:$apr1$SECRET$SECRET", "line 2: ann: only bcrypt"),
            ("ann:{SHA}SECRET", "line 1: ann: only bcrypt"),
            ("ann:$2y$SECRET", "line 1: ann: is no bcrypt hash"),
            ("eve:$2b$20$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG", "line 1: eve: a cost of 14 at most"),
        ] {
            let error = Users::parse(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("SECRET"), "{error}");
        }
        assert!(
            Users::parse(&format!("{FILE}ann:{}", &FILE.lines().nth(2).unwrap()[4..])).unwrap_err().contains("twice")
        );
        assert!(!format!("{:?}", Users::parse(FILE).unwrap()).contains('$'));
    }
}
