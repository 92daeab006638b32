//! What the server does by itself: approve rewards whose hold period is over, forget old request ids, remove old events. All of
//! it through the write path.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::writer::Upkeep;
use super::{App, SubmitError};
use crate::clock;
use crate::domain::id::{AccountId, RewardId};
use crate::domain::rule::{ApproveRewards, Envelope};
use crate::store::{self, StoreError};

/// How many rewards are approved in one command: a batch that commits in well under a second.
const REWARDS_PER_COMMAND: usize = 500;

/// How many rows are removed in one transaction, so that no write waits long behind it.
const ROWS_REMOVED_MAX: u64 = 5_000;

/// The same of segments of the feed, which are long rows.
const SEGMENTS_REMOVED_MAX: u64 = 100;

/// Works until told to stop. Several server instances may do this at once: rewards that another one has approved are passed
/// over.
pub(super) async fn run(app: Arc<App>, interval: Duration, retention_days: Option<i32>, stop: CancellationToken) {
    loop {
        if let Err(error) = approve_due_rewards(&app).await {
            tracing::warn!(%error, "could not approve due rewards; trying again");
        }
        if let Err(error) = remove_all(&app, Upkeep::ForgetRequests(ROWS_REMOVED_MAX), ROWS_REMOVED_MAX).await {
            tracing::warn!(%error, "could not forget old request ids; trying again");
        }
        if let Some(days) = retention_days
            && let Err(error) = prune_events(&app, days).await
        {
            tracing::warn!(%error, "could not remove old events; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(clock::jitter(interval, 10)) => {}
        }
    }
}

/// Approves every reward whose hold period is over, and says how many. An account whose rewards cannot be approved holds up no
/// other; the error is told in the end.
pub(super) async fn approve_due_rewards(app: &App) -> Result<usize, UpkeepError> {
    let mut approved = 0;
    let mut broken = BTreeMap::new();
    loop {
        let left_out: Vec<AccountId> = broken.keys().copied().collect();
        let due = store::reward::due(app.store(), app.clock().now(), &left_out, REWARDS_PER_COMMAND as u64).await?;
        let is_last = due.len() < REWARDS_PER_COMMAND;
        let mut by_account: BTreeMap<AccountId, Vec<RewardId>> = BTreeMap::new();
        for (account_id, id) in due {
            by_account.entry(account_id).or_default().push(id);
        }
        for (account_id, ids) in by_account {
            failpoint!(BeforeApproval);
            let count = ids.len();
            let command = ApproveRewards { ids, skip_others: true }.into();
            match app.submit(Envelope { account_id, fingerprint: None, command }, None).await {
                Ok(_) => approved += count,
                Err(error @ (SubmitError::Refused(_) | SubmitError::Internal(_))) => {
                    tracing::error!(%account_id, %error, "the due rewards of an account cannot be approved");
                    broken.insert(account_id, error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if is_last {
            return broken.into_values().next().map_or(Ok(approved), |error| Err(error.into()));
        }
    }
}

async fn prune_events(app: &App, retention_days: i32) -> Result<(), UpkeepError> {
    let before = app.clock().now().plus_days(-retention_days);
    for account_id in store::event::accounts_with_events_before(app.store(), before).await? {
        let prune = Upkeep::PruneEvents(account_id, before, SEGMENTS_REMOVED_MAX);
        remove_all(app, prune, SEGMENTS_REMOVED_MAX).await?;
    }
    Ok(())
}

/// In as many transactions as it takes; other writes go in between.
async fn remove_all(app: &App, upkeep: Upkeep, rows_max: u64) -> Result<(), SubmitError> {
    loop {
        failpoint!(BeforeRemoval);
        if app.keep_up(upkeep).await? < rows_max {
            return Ok(());
        }
    }
}

/// Why the upkeep could not be done now.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A command was not carried out.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}
