//! Lets in who knows a password.
//!
//! Hashing takes a tenth of a second by design, so that it is done on a blocking thread, a few at a time, and once for
//! each pair of name and password: a worker remembers what came of it, under a key that says nothing of either. Once a
//! second it is asked whether the file has changed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use ring::{hmac, rand};

use crate::data::error::Error;
use crate::data::reject::Rejection;
use crate::data::stop::Stop;
use crate::htpasswd::{PasswordFile, Users};

/// Between two looks at the file.
const LOOK_US: u64 = 1_000_000;

/// Remembered by a worker for one route; when there are more, all are forgotten.
const MAX_REMEMBERED: usize = 4_096;

/// Under which credentials are remembered. Of this process only.
static KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).ok());

/// What one worker knows of those who came to one route.
#[derive(Debug)]
pub(super) struct Doorman {
    file: Arc<PasswordFile>,
    /// None until the first look.
    users: RefCell<Option<Arc<Users>>>,
    looked_us: Cell<u64>,
    remembered: RefCell<HashMap<[u8; 32], bool>>,
}

// === impl Doorman ===

impl Doorman {
    pub(super) fn new(file: Arc<PasswordFile>) -> Self {
        Self { file, users: RefCell::default(), looked_us: Cell::new(0), remembered: RefCell::default() }
    }

    pub(super) fn is_for(&self, file: &Arc<PasswordFile>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// Whether these credentials are right.
    pub(super) async fn admit(&self, headers: &HeaderMap, challenge: &HeaderValue, now_us: u64) -> Result<(), Stop> {
        let unavailable = || Stop::from(Error::Refused(Rejection::AuthUnavailable));
        let Some(credentials) = credentials(headers) else { return Err(refusal(challenge)) };
        let users = self.look(now_us).await.ok_or_else(unavailable)?;
        let key = remembered_as(credentials).ok_or_else(unavailable)?;
        let known = self.remembered.borrow().get(&key).copied();
        let is_right = match known {
            Some(is_right) => is_right,
            None => self.verify(users, credentials, key).await.ok_or_else(unavailable)?,
        };
        if is_right { Ok(()) } else { Err(refusal(challenge)) }
    }

    /// The users as they were a second ago at most. What was known of others is forgotten.
    async fn look(&self, now_us: u64) -> Option<Arc<Users>> {
        let known = self.users.borrow().clone();
        if let Some(users) = known.filter(|_| now_us.saturating_sub(self.looked_us.get()) < LOOK_US) {
            return Some(users);
        }
        let file = Arc::clone(&self.file);
        let users = tokio::task::spawn_blocking(move || file.users()).await.ok()?;
        self.looked_us.set(now_us);
        let former = self.users.replace(Some(Arc::clone(&users)));
        if !former.is_some_and(|former| Arc::ptr_eq(&former, &users)) {
            self.remembered.borrow_mut().clear();
        }
        Some(users)
    }

    /// None if too many wait already.
    async fn verify(&self, users: Arc<Users>, credentials: &str, key: [u8; 32]) -> Option<bool> {
        let _place = self.file.places.try_acquire().ok()?;
        let _turn = self.file.turns.acquire().await.ok()?;
        let (asked, pair) = (Arc::clone(&users), credentials.to_owned());
        let is_right = tokio::task::spawn_blocking(move || is_right(&users, &pair)).await.ok()?;
        let is_current = self.users.borrow().as_ref().is_some_and(|users| Arc::ptr_eq(users, &asked));
        if is_current {
            let mut remembered = self.remembered.borrow_mut();
            if remembered.len() >= MAX_REMEMBERED {
                remembered.clear();
            }
            remembered.insert(key, is_right);
        }
        Some(is_right)
    }
}

/// What follows `Basic`, if there is one such line.
fn credentials(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?;
    let (scheme, credentials) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| credentials.trim())
}

fn remembered_as(credentials: &str) -> Option<[u8; 32]> {
    KEY.as_ref().and_then(|key| hmac::sign(key, credentials.as_bytes()).as_ref().try_into().ok())
}

fn is_right(users: &Users, credentials: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(credentials) else { return false };
    let pair = std::str::from_utf8(&bytes).ok().and_then(|pair| pair.split_once(':'));
    pair.is_some_and(|(name, password)| users.verify(name, password))
}

fn refusal(challenge: &HeaderValue) -> Stop {
    let error = Error::Refused(Rejection::Unauthorized);
    let mut answer = error.into_answer();
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
    Stop::Told(error, Box::new(answer))
}
