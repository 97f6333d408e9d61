//! What one rollout has to tell and may not have told yet. Part of its stored state, so that a decision and the news of
//! it survive a crash together, or not at all.

use std::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize};

use super::notice::Notice;

/// So many are kept for receivers that are down; the state file has to stay small.
const LONGEST: usize = 200;

/// Notices of one rollout, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outbox {
    /// The sequence number of the next notice; 0 before the first.
    next: u64,
    /// How many were dropped because too many waited.
    dropped: u64,
    notices: VecDeque<Notice>,
}

// === impl Outbox ===

impl Outbox {
    /// Takes a notice and numbers it. Numbers begin at `at_least`, which has to be above every number that was given
    /// before this outbox was, were it lost: the time of day in milliseconds is.
    pub fn put(&mut self, mut notice: Notice, at_least: u64) -> Notice {
        self.next = if self.next == 0 { at_least.max(1) } else { self.next };
        notice.sequence = self.next;
        self.next += 1;
        if self.notices.len() == LONGEST {
            self.notices.pop_front();
            self.dropped += 1;
            tracing::warn!(
                rollout = notice.rollout,
                dropped = self.dropped,
                "more notifications wait than are kept over a restart: the oldest is not kept"
            );
        }
        self.notices.push_back(notice.clone());
        notice
    }

    /// Forgets what every destination has got.
    pub fn forget_up_to(&mut self, sequence: u64) {
        while self.notices.front().is_some_and(|notice| notice.sequence <= sequence) {
            self.notices.pop_front();
        }
    }

    /// What may not have been told yet, oldest first.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter()
    }

    /// The number of the last notice that was ever put in; 0 if there was none.
    pub fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Whether there is nothing that a file would have to keep.
    pub fn is_untouched(&self) -> bool {
        self.next == 0
    }

    /// Reads an outbox. One that can't be understood, for instance because a newer program wrote it, is empty: what was
    /// decided must not be lost because of what was to be told about it.
    ///
    /// # Errors
    /// Only if the whole document is broken.
    pub fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(serde_json::from_value(value).unwrap_or_else(|error| {
            tracing::error!(%error, "stored notifications can't be read: those that were not sent yet are lost");
            Self::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::Kind;
    use super::*;

    fn mk_notice() -> Notice {
        Notice::of_server(Kind::Test, 1, "m".to_owned())
    }

    #[test]
    fn numbers_grow_and_begin_above_those_of_a_lost_outbox() {
        let mut outbox = Outbox::default();
        assert!(outbox.is_untouched());
        assert_eq!([outbox.put(mk_notice(), 500).sequence, outbox.put(mk_notice(), 9_000).sequence], [500, 501]);
        outbox.forget_up_to(500);
        assert_eq!(outbox.notices().map(|notice| notice.sequence).collect::<Vec<_>>(), [501]);
        outbox.forget_up_to(u64::MAX);
        assert_eq!((outbox.last(), outbox.put(mk_notice(), 1).sequence), (501, 502));
    }

    #[test]
    fn the_oldest_is_dropped_and_counted_when_too_many_wait() {
        let mut outbox = Outbox::default();
        for _ in 0..LONGEST + 3 {
            outbox.put(mk_notice(), 1);
        }
        assert_eq!((outbox.dropped, outbox.notices.len(), outbox.notices[0].sequence), (3, LONGEST, 4));
    }

    #[test]
    fn what_can_not_be_understood_is_an_empty_outbox() {
        #[derive(Deserialize)]
        struct Around {
            #[serde(default, deserialize_with = "Outbox::or_empty")]
            outbox: Outbox,
        }
        for text in [r#"{"outbox":{"next":5,"notices":[{"kind":"ofTheFuture"}]}}"#, r#"{"outbox":7}"#, "{}"] {
            assert!(serde_json::from_str::<Around>(text).unwrap().outbox.is_untouched(), "{text}");
        }
    }
}
