//! Looks keys up in the database. Calls with the same key share one look-up, and only so many may be in progress. Knows nothing of
//! what a key may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, WeakShared};
use moka::sync::Cache;

use crate::error::Error;
use crate::outage::Access;
use crate::store::account::Credential;
use crate::store::{self, Store};

/// How many keys are looked up at once. More calls with other keys are refused, because look-ups that wait hold up good keys too. Keys that were found lately are always looked up.
const LOOKUPS_MAX: usize = 256;

/// How many keys that were found are remembered, and for how long after their last look-up.
const FOUND_MAX: u64 = 10_000;
const FOUND_FOR: Duration = Duration::from_secs(3_600);

/// How long a refused caller should wait before a retry.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A look-up. Its callers drive it, and it ends when all of them have gone.
type Lookup = BoxFuture<'static, Result<Option<Credential>, Error>>;

/// See the head of the file.
#[derive(Clone)]
pub(super) struct Lookups {
    store: Arc<Store>,
    /// By prefix.
    running: Arc<Mutex<HashMap<String, WeakShared<Lookup>>>>,
    /// The prefixes of keys that were found. They are looked up however many others are, so that nobody who guesses keeps good
    /// keys out.
    found: Cache<String, ()>,
}

impl Lookups {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let found = Cache::builder().max_capacity(FOUND_MAX).time_to_idle(FOUND_FOR).build();
        Self { store, running: Arc::default(), found }
    }

    /// The key with this public beginning, as it is at some time after the first of the calls that share the look-up.
    pub(super) async fn find(&self, prefix: &str) -> Result<Option<Credential>, Error> {
        let (lookup, is_shared) = {
            let mut running = self.running();
            match running.get(prefix).and_then(WeakShared::upgrade) {
                Some(lookup) => (lookup, true),
                None => {
                    if running.len() >= LOOKUPS_MAX {
                        running.retain(|_, lookup| lookup.upgrade().is_some());
                    }
                    if running.len() >= LOOKUPS_MAX && !self.found.contains_key(prefix) {
                        return Err(Error::Overloaded { retry_after: RETRY_AFTER });
                    }
                    let lookup = self.clone().read(prefix.to_owned()).boxed().shared();
                    running.extend(lookup.downgrade().map(|weak| (prefix.to_owned(), weak)));
                    (lookup, false)
                }
            }
        };
        let found = lookup.await;
        if is_shared && matches!(found, Err(Error::Unavailable)) {
            // The connection counts the call that began the look-up, and knows nothing of the others.
            self.store.outage().count_failed_calls(Access::Read, 1);
        }
        found
    }

    async fn read(self, prefix: String) -> Result<Option<Credential>, Error> {
        let key = store::account::find_key_by_prefix(&self.store, &prefix).await;
        // Calls that come from now on look again.
        self.running().remove(&prefix);
        if let Ok(Some(_)) = &key {
            self.found.insert(prefix, ());
        }
        Ok(key?)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, WeakShared<Lookup>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
