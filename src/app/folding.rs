//! Which accounts' lists a writer folds next. The writer folds between batches, when callers have their answers.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::id::AccountId;

/// The most accounts that are folded after one batch, so that the next batch does not wait long.
pub(super) const ACCOUNTS_MAX: usize = 4;

/// How long a writer has nothing to do before it folds short tails.
pub(super) const REST: Duration = Duration::from_secs(1);

/// How long no account is folded after a fold failed. It doubles with each further failure.
const PAUSE_LEAST: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// About how many entries one fold takes: more than make a fold due. After a failure it takes fewer.
const ENTRIES_MOST: i64 = 8_192;
const ENTRIES_LEAST: i64 = 256;

/// The same while a light account is at work beside a busy one, whose next command waits for the fold. It takes about as long as a short batch.
const ENTRIES_BESIDE_LIGHT: i64 = 512;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Folding {
    due: BTreeSet<AccountId>,
    /// Accounts whose tails are folded when the writer has nothing else to do.
    short: BTreeSet<AccountId>,
    /// The account that was folded last. The next one is the one after it, so that each has its turn.
    last: Option<AccountId>,
    pause: Pause,
    /// About how many entries the next fold may take.
    entries_max: i64,
}

impl Default for Folding {
    fn default() -> Self {
        Self {
            due: BTreeSet::new(),
            short: BTreeSet::new(),
            last: None,
            pause: Pause::default(),
            entries_max: ENTRIES_MOST,
        }
    }
}

impl Folding {
    /// About how many entries the next fold takes.
    pub(super) fn entries_max(&self, is_short: bool) -> i64 {
        if is_short { self.entries_max.min(ENTRIES_BESIDE_LIGHT) } else { self.entries_max }
    }

    /// Notes that the account's tail is long.
    pub(super) fn note(&mut self, account_id: AccountId) {
        self.due.insert(account_id);
    }

    /// Notes that the account has a tail that is worth a fold when the writer has nothing else to do.
    pub(super) fn note_short_tail(&mut self, account_id: AccountId) {
        self.short.insert(account_id);
    }

    /// Whether some account has such a tail.
    pub(super) fn has_short_tails(&self) -> bool {
        !self.short.is_empty()
    }

    /// Notes that the writer has nothing else to do: a few short tails are to be folded.
    pub(super) fn note_rest(&mut self) {
        self.due.extend((0..ACCOUNTS_MAX).map_while(|_| self.short.pop_first()));
    }

    /// The next account to fold. `None`: no tail is long, or folds rest after a failure.
    pub(super) fn take(&mut self, now: Instant) -> Option<AccountId> {
        if self.pause.lasts(now) {
            return None;
        }
        let after = self.last.and_then(|last| self.due.range(last..).find(|account_id| **account_id != last));
        let next = after.or(self.due.first()).copied()?;
        self.due.remove(&next);
        self.last = Some(next);
        Some(next)
    }

    /// Notes that a fold succeeded.
    pub(super) fn succeeded(&mut self) {
        self.pause.end();
        self.entries_max = (2 * self.entries_max).min(ENTRIES_MOST);
    }

    /// Notes that the account could not be folded. Returns how long folds rest.
    pub(super) fn failed(&mut self, account_id: AccountId, now: Instant) -> Duration {
        self.due.insert(account_id);
        self.entries_max = (self.entries_max / 2).max(ENTRIES_LEAST);
        self.pause.begin(now)
    }
}

/// The pause after a failed fold, and its end. `None` after one that succeeded.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<(Duration, Instant)>);

impl Pause {
    /// Whether folds rest.
    pub(super) fn lasts(&self, now: Instant) -> bool {
        self.0.is_some_and(|(_, end)| now < end)
    }

    /// Begins a pause, twice as long as the one before. Returns its length.
    pub(super) fn begin(&mut self, now: Instant) -> Duration {
        let pause = self.0.map_or(PAUSE_LEAST, |(pause, _)| (2 * pause).min(PAUSE_MOST));
        self.0 = Some((pause, now + pause));
        pause
    }

    /// Notes that a fold succeeded.
    pub(super) const fn end(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn accounts_are_folded_in_turn() {
        let mut folding = Folding::default();
        let now = crate::clock::monotonic_now();
        [1, 2, 3].into_iter().for_each(|number| folding.note(account(number)));
        assert_eq!(folding.take(now), Some(account(1)));
        folding.note(account(1));
        assert_eq!([folding.take(now), folding.take(now)], [Some(account(2)), Some(account(3))]);
        assert_eq!([folding.take(now), folding.take(now)], [Some(account(1)), None]);
    }

    #[test]
    fn short_tails_wait_until_the_writer_rests() {
        let mut folding = Folding::default();
        let now = crate::clock::monotonic_now();
        (1..=6).for_each(|number| folding.note_short_tail(account(number)));
        assert_eq!(folding.take(now), None);
        folding.note_rest();
        assert_eq!([1, 2, 3, 4].map(|_| folding.take(now)), [1, 2, 3, 4].map(|number| Some(account(number))));
        assert_eq!((folding.take(now), folding.has_short_tails()), (None, true));
        folding.note_rest();
        assert_eq!([5, 6].map(|_| folding.take(now)), [5, 6].map(|number| Some(account(number))));
        assert!(!folding.has_short_tails());
    }

    #[test]
    fn folds_rest_longer_and_longer_after_failures() {
        let mut folding = Folding::default();
        let mut now = crate::clock::monotonic_now();
        folding.note(account(1));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let account_id = folding.take(now).unwrap();
            let pause = folding.failed(account_id, now);
            assert_eq!(folding.take(now), None, "folds rest");
            now += pause;
            pauses.push(pause);
        }
        assert_eq!(pauses[..3], [PAUSE_LEAST, 2 * PAUSE_LEAST, 4 * PAUSE_LEAST]);
        assert_eq!((pauses[9], folding.entries_max), (PAUSE_MOST, ENTRIES_LEAST));
        assert!(folding.take(now).is_some());
        folding.succeeded();
        assert_eq!(folding.entries_max, 2 * ENTRIES_LEAST);
        folding.succeeded();
        assert_eq!([true, false].map(|is_short| folding.entries_max(is_short)), [ENTRIES_BESIDE_LIGHT, 1_024]);
        folding.note(account(1));
        assert!(folding.take(now).is_some(), "a success ends the rest");
    }
}
