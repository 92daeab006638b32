//! The number of open feed streams, and the limits of each stream. Knows nothing of the content of a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::auth::Principal;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::error::Error;
use crate::shares::{Share, Shares};

/// The limits of streams.
#[derive(Debug, Clone)]
pub struct FeedLimits {
    /// The maximum number of open streams of one key.
    pub streams_per_key_max: usize,
    /// The maximum number of open streams of all accounts, which share them.
    pub streams_max: usize,
    /// The maximum age of a stream, give or take 10 %.
    pub stream_age: Duration,
    /// How long to wait for a reader that takes no messages.
    pub stall: Duration,
    /// How long events are kept; `None` for ever. Readers are told.
    pub retention: Option<Duration>,
}

/// The open streams of each key and of each account.
#[derive(Clone)]
pub(super) struct Slots {
    keys: Arc<Mutex<HashMap<ApiKeyId, usize>>>,
    accounts: Shares<AccountId>,
}

impl Slots {
    /// Slots for so many streams in all.
    pub(super) fn new(streams_max: usize) -> Self {
        Self { keys: Arc::default(), accounts: Shares::new(streams_max as u64) }
    }

    /// Takes a slot among the streams of a key and of its account. Fails when `limit` streams of the key are open, or when the
    /// account has its share of all streams.
    pub(super) fn take(&self, principal: &Principal, limit: usize) -> Result<Slot, Error> {
        let key_id = principal.key_id;
        let share = self.accounts.take(principal.account_id, 1).ok_or(Error::StreamsTaken)?;
        let mut open = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key_id).or_insert(0);
        if *count >= limit {
            return Err(Error::TooManyStreams { limit });
        }
        *count += 1;
        Ok(Slot { key_id, slots: self.clone(), _share: share })
    }
}

/// One open stream. Dropping it releases the slot.
pub(super) struct Slot {
    key_id: ApiKeyId,
    slots: Slots,
    _share: Share<AccountId>,
}

impl Slot {
    /// How many streams of all accounts are open.
    pub(super) fn open_count(&self) -> usize {
        usize::try_from(self.slots.accounts.used()).unwrap_or(usize::MAX)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key_id);
            }
        }
    }
}
