//! When API keys were last used. A call only notes it in memory; a worker writes the notes of many keys together. A crash loses the
//! notes since the last write. Knows no store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::time::Time;

/// The last use of a key is rounded down to this many microseconds, so that a busy key is written every ten minutes.
const STEP_MICROS: i64 = 10 * 60 * 1_000_000;

/// A key and the time of its last use.
pub type LastUse = (AccountId, ApiKeyId, Time);

/// The last use of one key.
#[derive(Debug, Default)]
pub struct KeyUse {
    /// In microseconds, rounded down; 0 for none yet.
    used_at: AtomicI64,
    /// The last use that was written.
    written_at: AtomicI64,
}

impl KeyUse {
    /// Notes that the key was used. Costs a load, and a store every ten minutes.
    pub fn note(&self, now: Time) {
        let used_at = now.micros() - now.micros().rem_euclid(STEP_MICROS);
        if self.used_at.load(Ordering::Relaxed) < used_at {
            self.used_at.store(used_at, Ordering::Relaxed);
        }
    }

    fn unwritten(&self) -> Option<i64> {
        let used_at = self.used_at.load(Ordering::Relaxed);
        (used_at > self.written_at.load(Ordering::Relaxed)).then_some(used_at)
    }
}

/// The keys that were used lately.
#[derive(Debug, Default)]
pub struct KeyUses(Mutex<HashMap<(AccountId, ApiKeyId), Arc<KeyUse>>>);

impl KeyUses {
    /// The use of this key, to be kept by who checks the key.
    pub fn of(&self, account_id: AccountId, id: ApiKeyId) -> Arc<KeyUse> {
        Arc::clone(self.uses().entry((account_id, id)).or_default())
    }

    /// The uses that are not written yet, at most this many. Forgets the keys that nobody keeps and that were not used in the last ten
    /// minutes.
    pub(super) fn unwritten(&self, now: Time, limit: usize) -> Vec<LastUse> {
        let mut uses = self.uses();
        uses.retain(|_, key_use| {
            let is_recent = key_use.used_at.load(Ordering::Relaxed) > now.micros() - 2 * STEP_MICROS;
            is_recent || Arc::strong_count(key_use) > 1 || key_use.unwritten().is_some()
        });
        let unwritten = |(&(account_id, id), key_use): (&(AccountId, ApiKeyId), &Arc<KeyUse>)| {
            key_use.unwritten().map(|used_at| (account_id, id, Time::from_micros(used_at)))
        };
        uses.iter().filter_map(unwritten).take(limit).collect()
    }

    /// Notes that these uses were written.
    pub(super) fn written(&self, written: &[LastUse]) {
        let uses = self.uses();
        for (account_id, id, used_at) in written {
            if let Some(key_use) = uses.get(&(*account_id, *id)) {
                key_use.written_at.fetch_max(used_at.micros(), Ordering::Relaxed);
            }
        }
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<(AccountId, ApiKeyId), Arc<KeyUse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn minutes(minutes: i64) -> Time {
        Time::from_micros(minutes * 60_000_000)
    }

    #[test]
    fn a_use_is_written_once_in_ten_minutes_and_then_forgotten() {
        let uses = KeyUses::default();
        let (account_id, id) = (AccountId::from_uuid(Uuid::from_u128(1)), ApiKeyId::from_uuid(Uuid::from_u128(2)));
        let kept = uses.of(account_id, id);
        assert_eq!(uses.unwritten(minutes(100), 10), [], "it was not used yet");
        kept.note(minutes(105));
        kept.note(minutes(109));
        let unwritten = uses.unwritten(minutes(109), 10);
        assert_eq!(unwritten, [(account_id, id, minutes(100))]);
        assert_eq!(uses.unwritten(minutes(109), 10), unwritten, "a write that failed is repeated");
        uses.written(&unwritten);
        assert_eq!(uses.unwritten(minutes(109), 10), []);
        kept.note(minutes(111));
        kept.note(minutes(50));
        assert_eq!(uses.unwritten(minutes(111), 10), [(account_id, id, minutes(110))], "a clock that goes back");
        uses.written(&[(account_id, id, minutes(110))]);
        drop(kept);
        assert_eq!((uses.unwritten(minutes(120), 10), uses.uses().len()), (vec![], 1), "it would be written again");
        assert_eq!((uses.unwritten(minutes(140), 10), uses.uses().len()), (vec![], 0));
    }
}
