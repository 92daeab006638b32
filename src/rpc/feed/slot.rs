//! The number of open feed streams, and the limits of each stream. Knows nothing of the content of a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::id::ApiKeyId;
use crate::error::Error;

/// The limits of streams.
#[derive(Debug, Clone)]
pub struct FeedLimits {
    /// The maximum number of open streams of one key.
    pub streams_per_key_max: usize,
    /// The maximum age of a stream, give or take 10 %.
    pub stream_age: Duration,
    /// How long to wait for a reader that takes no messages.
    pub stall: Duration,
    /// How long events are kept; `None` for ever. Readers are told.
    pub retention: Option<Duration>,
}

/// The open streams of each key.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Mutex<HashMap<ApiKeyId, usize>>>);

impl Slots {
    /// Takes a slot among the streams of a key. Fails when `limit` streams of the key are open.
    pub(super) fn take(&self, key_id: ApiKeyId, limit: usize) -> Result<Slot, Error> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key_id).or_insert(0);
        if *count >= limit {
            return Err(Error::TooManyStreams { limit });
        }
        *count += 1;
        Ok(Slot { key_id, slots: self.clone() })
    }
}

/// One open stream of a key. Dropping it releases the slot.
pub(super) struct Slot {
    key_id: ApiKeyId,
    slots: Slots,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key_id);
            }
        }
    }
}
