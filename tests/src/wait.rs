//! Waiting for a condition, with a deadline: the only way in which a test lets time pass.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than anything here should take, also on a machine that does something else meanwhile.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it answers `Ok`.
///
/// # Panics
/// After 30 seconds, with what was seen last.
pub async fn eventually<T, P: AsyncFnMut() -> Result<T, String>>(what: &str, probe: P) -> T {
    within(DEADLINE, what, probe).await
}

/// The same with another deadline.
///
/// # Panics
/// At the deadline, with what was seen last.
pub async fn within<T, P: AsyncFnMut() -> Result<T, String>>(deadline: Duration, what: &str, mut probe: P) -> T {
    let end = Instant::now() + deadline;
    let mut last = String::from("nothing, the first look did not end");
    loop {
        match tokio::time::timeout_at(end, probe()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(seen)) => last = seen,
            Err(_) => {}
        }
        assert!(Instant::now() < end, "{what}: not within {} s; last seen: {last}", deadline.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

/// `Ok` if it holds, else what to say.
///
/// # Errors
/// With the description, if `holds` is false.
pub fn holds(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}
