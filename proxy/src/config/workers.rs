//! `workers:`, the number of worker threads.

use super::scope::Scope;

/// More threads than any machine we know has cores is a slip of the finger.
const MAX_WORKERS: usize = 256;

/// `auto` (one per core, the default) or a number.
pub(super) fn from_raw(scope: &Scope<'_>) -> Option<usize> {
    let text = if scope.is_written() { scope.read::<String>()? } else { "auto".to_owned() };
    if text == "auto" {
        return Some(std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS));
    }
    match text.parse() {
        Ok(workers @ 1..=MAX_WORKERS) => Some(workers),
        _ => scope.refuse(format!("{text}: auto or a number from 1 to {MAX_WORKERS} is expected")),
    }
}
