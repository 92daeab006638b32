//! Genuine callbacks become wake-ups of an account's payouts: each delivery once, and not more often than every few seconds, the
//! longer the more come. No wake-up is lost by the limit: the last callback is always followed by one. Everything is in memory,
//! because payouts are looked at without callbacks too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use crate::domain::id::AccountId;
use crate::inbound::callback::{CallbackProvider, DeliveryId, Genuine};
use crate::sampled::Sampled;

/// How long a delivery is recognised.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// How many deliveries are recognised.
const REMEMBERED_MAX: u64 = 20_000;

/// The time between two wake-ups. It doubles as long as callbacks go on, because one wake-up looks at many payouts.
const INTERVAL: Duration = Duration::from_secs(2);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// How often a wake-up that failed is tried again.
const RETRIES_MAX: u32 = 5;

static FAILED: Sampled = Sampled::new(|times, last| {
    tracing::warn!(times, last, "payouts were not woken by callbacks; they are looked at later");
});

/// The payouts were not woken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotWoken(pub String);

/// Wakes payouts.
pub trait Waker: Send + Sync {
    /// Makes the account's open payouts at the provider due.
    fn wake(&self, account_id: AccountId, provider: CallbackProvider) -> BoxFuture<'_, Result<(), NotWoken>>;
}

/// Whose payouts are woken.
type Target = (AccountId, CallbackProvider);

/// See the head of the file.
#[derive(Clone)]
pub struct Nudges(Arc<Shared>);

struct Shared {
    waker: Arc<dyn Waker>,
    seen: Cache<DeliveryId, ()>,
    /// The targets that were woken a moment ago, and whether another callback has come since.
    recent: Mutex<HashMap<Target, bool>>,
    stopping: CancellationToken,
}

impl Nudges {
    /// Wakes with this, until `stopping` is cancelled.
    pub fn new(waker: Arc<dyn Waker>, stopping: CancellationToken) -> Self {
        let seen = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        Self(Arc::new(Shared { waker, seen, recent: Mutex::default(), stopping }))
    }

    /// Takes a callback to an account. Returns at once.
    pub(super) fn take(&self, account_id: AccountId, provider: CallbackProvider, genuine: Genuine) {
        if !genuine.is_about_payouts || !self.0.seen.entry(genuine.delivery_id).or_insert(()).is_fresh() {
            return;
        }
        let target = (account_id, provider);
        match self.0.recent().entry(target) {
            // Its task looks at this before it ends.
            Entry::Occupied(mut recent) => {
                recent.insert(true);
                return;
            }
            Entry::Vacant(recent) => recent.insert(false),
        };
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let stopping = shared.stopping.clone();
            stopping.run_until_cancelled(shared.wake_while_callbacks_come(target)).await;
        });
    }
}

impl Shared {
    async fn wake_while_callbacks_come(&self, target: Target) {
        let mut interval = INTERVAL;
        loop {
            self.wake(target).await;
            tokio::time::sleep(interval).await;
            let mut recent = self.recent();
            match recent.get_mut(&target) {
                Some(has_more) if *has_more => *has_more = false,
                _ => {
                    recent.remove(&target);
                    return;
                }
            }
            drop(recent);
            interval = (interval * 2).min(INTERVAL_MAX);
        }
    }

    async fn wake(&self, (account_id, provider): Target) {
        for retry in 0..=RETRIES_MAX {
            match self.waker.wake(account_id, provider).await {
                Ok(()) => return,
                Err(problem) => FAILED.note(&format!("{} of {account_id}: {problem}", provider.name())),
            }
            tokio::time::sleep(INTERVAL * 2_u32.pow(retry)).await;
        }
    }

    fn recent(&self) -> MutexGuard<'_, HashMap<Target, bool>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
