//! Folds the tail of figures, when callers have their answers. Most figures are folded with lists. What is here comes from clicks, which do
//! not write heads, so the tail's length is in no head: each writer counts the rows that it has written since its last fold. What an
//! earlier process left is folded together with them.

use std::time::Duration;

use super::{UPKEEP_SECONDS_MAX, Writer};
use crate::app::folding::Pause;
use crate::clock;
use crate::sampled::Sampled;
use crate::store::statistic::TAIL_BEFORE_FOLD;
use crate::store::{self, StoreError};

static FOLD_FAILED: Sampled =
    Sampled::new(|failures, error| tracing::warn!(failures, error, "the figures of accounts could not be folded"));

/// What a writer has added to the tail since its last fold.
#[derive(Debug, Default)]
pub(in crate::app) struct Counting {
    row_count: usize,
    pause: Pause,
}

impl Counting {
    /// Notes how many rows a batch has added.
    pub(super) const fn note(&mut self, row_count: usize) {
        self.row_count += row_count;
    }

    const fn is_due(&self) -> bool {
        self.row_count >= TAIL_BEFORE_FOLD
    }
}

impl Writer {
    /// Folds a part of the tail if it is long. A tail that is not folded costs only time, so a failure is only logged.
    pub(super) async fn fold_figures(&mut self) {
        if !self.counting.is_due() || self.counting.pause.lasts(clock::monotonic_now()) {
            return;
        }
        let limit = Duration::from_secs(UPKEEP_SECONDS_MAX);
        match tokio::time::timeout(limit, self.fold_oldest_figures()).await.unwrap_or(Err(StoreError::Unavailable)) {
            Ok(has_more) => {
                self.counting.pause.end();
                if !has_more {
                    self.counting.row_count = 0;
                }
            }
            Err(error) => {
                let rest = self.counting.pause.begin(clock::monotonic_now());
                FOLD_FAILED.note(&format!("{error}; next try in {rest:?}"));
            }
        }
    }

    /// Returns whether the tail may have more.
    async fn fold_oldest_figures(&self) -> Result<bool, StoreError> {
        let transaction = self.store.begin_in(self.lane).await?;
        let has_more = store::statistic::fold(&transaction).await?;
        transaction.commit().await?;
        failpoint!(AfterFold);
        Ok(has_more)
    }
}
