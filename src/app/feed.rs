//! The feed, read side: pages of table `event_segment` after a place, and a wake-up when there is more.
//!
//! The table is the truth; a wake-up only says "look". What this instance commits wakes at once; what other instances commit is
//! noticed by a short poll of the heads that somebody watches. A slow reader costs nothing here and loses nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;
use crate::store::event::Segment;
use crate::store::{self, Store, StoreError};

/// See the head of the file.
pub struct Feed {
    store: Arc<Store>,
    heads: Mutex<HashMap<AccountId, watch::Sender<i64>>>,
}

impl Feed {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, heads: Mutex::new(HashMap::new()) }
    }

    /// Says that the account's feed reaches to this sequence, committed.
    pub(super) fn publish(&self, account_id: AccountId, sequence: i64) {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads.get(&account_id) {
            head.send_if_modified(|known| {
                let is_news = *known < sequence;
                if is_news {
                    *known = sequence;
                }
                is_news
            });
        }
    }

    /// Follows the newest sequence of an account. The value starts at 0 and is a hint: read [`Feed::head`] for the truth.
    pub fn subscribe(&self, account_id: AccountId) -> watch::Receiver<i64> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(account_id).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The account's newest numbers.
    ///
    /// # Errors
    /// As the store's.
    pub async fn head(&self, account_id: AccountId) -> Result<AccountHead, StoreError> {
        store::event::head(&*self.store, account_id).await
    }

    /// The segments after a sequence, in order, with about `events_max` events. See [`store::event::read`].
    ///
    /// # Errors
    /// As the store's.
    pub async fn read(
        &self,
        account_id: AccountId,
        after_sequence: i64,
        events_max: u64,
    ) -> Result<Vec<Segment>, StoreError> {
        store::event::read(&self.store, account_id, after_sequence, events_max).await
    }

    /// The sequence before the first event that was committed at this time or later.
    ///
    /// # Errors
    /// As the store's.
    pub async fn sequence_before(&self, account_id: AccountId, time: Time) -> Result<i64, StoreError> {
        store::event::first_sequence_at(&self.store, account_id, time).await
    }

    /// Polls the heads that are watched, for what other instances commit and as a backstop for a wake-up that was missed.
    pub(super) async fn poll(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let watched = self.watched();
            if watched.is_empty() {
                continue;
            }
            match store::event::heads(&self.store, &watched).await {
                Ok(heads) => heads.into_iter().for_each(|(account_id, sequence)| self.publish(account_id, sequence)),
                Err(error) => tracing::warn!(%error, "could not poll the feed's heads"),
            }
        }
    }

    /// The accounts that somebody follows; forgets the others.
    fn watched(&self) -> Vec<AccountId> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.retain(|_, head| head.receiver_count() > 0);
        heads.keys().copied().collect()
    }
}
