//! Approves the rewards whose hold period is over. Several servers may do so at once, because a reward that another one has
//! approved is skipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::{App, SubmitError};
use crate::domain::id::{AccountId, RewardId};
use crate::domain::rule::{ApproveRewards, Envelope};
use crate::store::{self, StoreError};

/// The worker's name.
pub const NAME: &str = "approve_due";

/// How many rewards are approved in one command: a batch that commits in well under a second.
const REWARDS_PER_COMMAND: usize = 500;

/// See the head of the file.
pub(super) struct ApproveDue(pub(super) Arc<App>);

impl Worker for ApproveDue {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        Ok(approve(&self.0, run).await?)
    }
}

/// Approves the due rewards now, outside of the worker's own runs, and returns how many.
pub(in crate::app) async fn approve_now(app: &App) -> Result<usize, UpkeepError> {
    let mut run = Run::detached();
    approve(app, &mut run).await?;
    Ok(usize::try_from(run.total()).unwrap_or(usize::MAX))
}

/// Approves every reward whose hold period is over. An account that fails does not delay the others; the first error is returned
/// at the end.
async fn approve(app: &App, run: &mut Run) -> Result<(), UpkeepError> {
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
            if run.is_stopping() {
                return Ok(());
            }
            failpoint!(BeforeApproval);
            let count = ids.len() as u64;
            let command = ApproveRewards { ids, skip_others: true }.into();
            match app.submit(Envelope { account_id, fingerprint: None, actor: None, command }, None).await {
                Ok(_) => run.count("rewards approved", count),
                Err(error @ (SubmitError::Refused(_) | SubmitError::Internal(_))) => {
                    tracing::error!(%account_id, %error, "the due rewards of an account cannot be approved");
                    broken.insert(account_id, error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if is_last {
            return broken.into_values().next().map_or(Ok(()), |error| Err(error.into()));
        }
    }
}

/// Why the due rewards could not be approved now.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A command was not carried out.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl From<UpkeepError> for Failure {
    fn from(error: UpkeepError) -> Self {
        match error {
            UpkeepError::Store(error) => error.into(),
            UpkeepError::Submit(error) => error.into(),
        }
    }
}
