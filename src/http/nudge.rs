//! Genuine callbacks become wake-ups of an account's payouts: each delivery once. A callback that names a payout wakes this one. Others
//! wake all that are open, and not more often than every few seconds, the longer the more come. No wake-up is lost by the limit:
//! the last callback is always followed by one. Everything is in memory, because payouts are looked at without callbacks too.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use crate::domain::id::{AccountId, PayoutId};
use crate::inbound::callback::{CallbackProvider, DeliveryId, Genuine, News};
use crate::sampled::Sampled;

/// How long a delivery is recognised.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// How many deliveries are recognised.
const REMEMBERED_MAX: u64 = 20_000;

/// How many payouts of an account are woken one by one. More are woken all.
const NAMED_MAX: usize = 500;

/// The time between two wake-ups. It doubles as long as callbacks wake all, because that looks at many payouts.
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

/// The payouts that are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// All that the provider has.
    Open,
    /// Also those that wait for money.
    Funded,
    /// One, also if it was paid.
    One(PayoutId),
}

/// Wakes payouts.
pub trait Waker: Send + Sync {
    /// Makes payouts of the account at the provider due.
    fn wake(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
        wake: Wake,
    ) -> BoxFuture<'_, Result<(), NotWoken>>;
}

/// What callbacks have told since the last wake-up.
#[derive(Default)]
struct Told {
    is_payment: bool,
    is_funds: bool,
    named: BTreeSet<PayoutId>,
}

impl Told {
    fn add(&mut self, news: News) {
        match news {
            News::Payment(key) => match payout_id(&key) {
                Some(payout_id) if self.named.len() < NAMED_MAX => _ = self.named.insert(payout_id),
                // More than can be kept, or a payment that somebody has made by hand.
                Some(_) => self.is_payment = true,
                None => {}
            },
            News::SomePayment => self.is_payment = true,
            News::Funds => self.is_funds = true,
            News::Other => {}
        }
    }

    fn is_nothing(&self) -> bool {
        !self.wakes_all() && self.named.is_empty()
    }

    fn wakes_all(&self) -> bool {
        self.is_payment || self.is_funds
    }

    fn wakes(self) -> impl Iterator<Item = Wake> {
        let all = match (self.is_funds, self.is_payment) {
            (true, _) => Some(Wake::Funded),
            (false, true) => Some(Wake::Open),
            (false, false) => None,
        };
        self.named.into_iter().map(Wake::One).chain(all)
    }
}

/// The payout of a key, which is its id, or its id and the number of the attempt.
fn payout_id(key: &str) -> Option<PayoutId> {
    key.rsplit_once("-a").map_or(key, |(payout_id, _)| payout_id).parse().ok()
}

/// Whose payouts are woken.
type Target = (AccountId, CallbackProvider);

/// See the head of the file.
#[derive(Clone)]
pub struct Nudges(Arc<Shared>);

struct Shared {
    waker: Arc<dyn Waker>,
    seen: Cache<DeliveryId, ()>,
    /// The targets that have a task, with what it has not seen yet.
    told: Mutex<HashMap<Target, Told>>,
    stopping: CancellationToken,
}

impl Nudges {
    /// Wakes with this, until `stopping` is cancelled.
    pub fn new(waker: Arc<dyn Waker>, stopping: CancellationToken) -> Self {
        let seen = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        Self(Arc::new(Shared { waker, seen, told: Mutex::default(), stopping }))
    }

    /// Takes a callback to an account. Returns at once.
    pub(super) fn take(&self, account_id: AccountId, provider: CallbackProvider, genuine: Genuine) {
        let mut told = Told::default();
        told.add(genuine.news.clone());
        if told.is_nothing() || !self.0.seen.entry(genuine.delivery_id).or_insert(()).is_fresh() {
            return;
        }
        let target = (account_id, provider);
        match self.0.told().entry(target) {
            // Its task looks at this before it ends.
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().add(genuine.news);
                return;
            }
            Entry::Vacant(place) => place.insert(told),
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
        while let Some(told) = self.next(target) {
            interval = if told.wakes_all() { interval } else { INTERVAL };
            for wake in told.wakes() {
                self.wake(target, wake).await;
            }
            tokio::time::sleep(interval).await;
            interval = (interval * 2).min(INTERVAL_MAX);
        }
    }

    /// What was told since the last time. `None` ends the task.
    fn next(&self, target: Target) -> Option<Told> {
        let mut all = self.told();
        let told = std::mem::take(all.get_mut(&target)?);
        if told.is_nothing() {
            all.remove(&target);
            return None;
        }
        Some(told)
    }

    async fn wake(&self, (account_id, provider): Target, wake: Wake) {
        for retry in 0..=RETRIES_MAX {
            match self.waker.wake(account_id, provider, wake).await {
                Ok(()) => return,
                Err(problem) => FAILED.note(&format!("{} of {account_id}: {problem}", provider.name())),
            }
            tokio::time::sleep(INTERVAL * 2_u32.pow(retry)).await;
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Target, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
