//! Folds the figures of accounts, when callers have their answers. Like the lists, but the tail's length is not in the head, because clicks
//! do not write the head: each writer counts what it has written since its last fold. What an earlier process left in a tail is folded
//! together with it.

use std::time::Duration;

use hashbrown::HashMap;

use super::{UPKEEP_SECONDS_MAX, Writer};
use crate::app::folding::{self, Folding};
use crate::clock;
use crate::domain::id::AccountId;
use crate::domain::set::WorkingSet;
use crate::sampled::Sampled;
use crate::store::statistic::ROWS_BEFORE_FOLD;
use crate::store::{self, StoreError};

static FOLD_FAILED: Sampled =
    Sampled::new(|failures, error| tracing::warn!(failures, error, "the figures of an account could not be folded"));

/// Which accounts' figures are folded next.
#[derive(Debug, Default)]
pub(in crate::app) struct Counting {
    /// How many rows that count were written since the last fold.
    rows: HashMap<AccountId, usize>,
    folding: Folding,
}

impl Counting {
    /// Notes what a batch has written.
    pub(super) fn note(&mut self, set: &WorkingSet) {
        for (account_id, count) in set.counted_rows() {
            let rows = self.rows.entry(account_id).or_default();
            *rows += count;
            if *rows >= ROWS_BEFORE_FOLD {
                self.rows.remove(&account_id);
                self.folding.note(account_id);
            }
        }
    }
}

impl Writer {
    /// Folds the figures of a few accounts whose tails are long. A tail that is not folded costs only time, so a failure is only logged.
    pub(super) async fn fold_figures(&mut self) {
        let end = clock::monotonic_now() + Duration::from_secs(UPKEEP_SECONDS_MAX);
        for _ in 0..folding::ACCOUNTS_MAX {
            let Some(account_id) = self.counting.folding.take(clock::monotonic_now()) else { break };
            let folded = tokio::time::timeout_at(end, self.fold_figures_of(account_id)).await;
            let Err(error) = folded.unwrap_or(Err(StoreError::Unavailable)) else {
                self.counting.folding.succeeded();
                continue;
            };
            let rest = self.counting.folding.failed(account_id, clock::monotonic_now());
            FOLD_FAILED.note(&format!("{error}; account {}, next try in {rest:?}", account_id.uuid()));
            break;
        }
    }

    async fn fold_figures_of(&mut self, account_id: AccountId) -> Result<(), StoreError> {
        let transaction = self.store.begin_in(self.lane).await?;
        // If another server writes for the account at this moment, a later batch of the account notes it again.
        if store::account_head::try_lock(&transaction, account_id).await?.is_none() {
            return Ok(());
        }
        let has_more = store::statistic::fold(&transaction, account_id).await?;
        transaction.commit().await?;
        failpoint!(AfterFold);
        if has_more {
            self.counting.folding.note(account_id);
        }
        Ok(())
    }
}
