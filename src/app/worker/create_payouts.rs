//! Creates the payouts of payout runs, a few affiliates in each command, and cancels those of cancelled runs. Several servers may do so at once,
//! because a command does nothing if another one has moved the run's cursor, and leaves payouts alone that are cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::approve_due::UpkeepError;
use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::{App, SubmitError};
use crate::domain::id::AccountId;
use crate::domain::payout::PayoutState;
use crate::domain::payout_run::{PayoutRun, PayoutRunState};
use crate::domain::rule::{CancelPayoutsOfRun, ContinuePayoutRun, Envelope};
use crate::store;
use crate::store::StoreError;
use crate::store::list::Walk;
use crate::store::payout::PayoutQuery;

/// The worker's name.
pub const NAME: &str = "create_payouts";

/// How many affiliates one command pays, and how many payouts one cancels. Each may have a thousand rewards.
const PAYOUTS_PER_COMMAND: usize = 10;

/// See the head of the file.
pub(super) struct CreatePayouts(pub(super) Arc<App>);

impl Worker for CreatePayouts {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        Ok(work(&self.0, run).await?)
    }
}

/// Creates and cancels all payouts of runs now, outside of the worker's own runs, and returns how many.
pub(in crate::app) async fn create_now(app: &App) -> Result<u64, UpkeepError> {
    let mut run = Run::detached();
    work(app, &mut run).await?;
    Ok(run.total())
}

/// An account that fails does not delay the others; the first error is returned at the end.
async fn work(app: &App, run: &mut Run) -> Result<(), UpkeepError> {
    let mut broken = BTreeMap::new();
    loop {
        let left_out: Vec<AccountId> = broken.keys().copied().collect();
        // What is cancelled comes first, because somebody may be about to pay it.
        let payout_run = match next(app, PayoutRunState::Cancelling, &left_out).await? {
            Some(cancelled) => Some(cancelled),
            None => next(app, PayoutRunState::Creating, &left_out).await?,
        };
        let Some(payout_run) = payout_run.filter(|_| !run.is_stopping()) else { break };
        let account_id = payout_run.account_id;
        let is_cancelled = payout_run.state == PayoutRunState::Cancelling;
        let advanced = match is_cancelled {
            true => cancel(app, &payout_run).await,
            false => advance(app, &payout_run).await,
        };
        match advanced {
            Ok(count) => run.count(if is_cancelled { "payouts cancelled" } else { "payouts created" }, count),
            Err(UpkeepError::Submit(error @ (SubmitError::Refused(_) | SubmitError::Internal(_)))) => {
                tracing::error!(%account_id, payout_run = %payout_run.id, %error, "the payouts of a run cannot be created or cancelled");
                broken.insert(account_id, error);
            }
            Err(error) => return Err(error),
        }
    }
    broken.into_values().next().map_or(Ok(()), |error| Err(error.into()))
}

/// Creates the payouts of the next affiliates. Returns how many payouts the run has more than before.
async fn advance(app: &App, run: &PayoutRun) -> Result<u64, UpkeepError> {
    let affiliate_ids = match run.next_named(PAYOUTS_PER_COMMAND) {
        Some(ids) => ids,
        None => {
            let limit = PAYOUTS_PER_COMMAND as u64;
            store::payout_run::payees(app.store(), run.account_id, run.currency, run.cursor, false, limit).await?
        }
    };
    let is_last = affiliate_ids.len() < PAYOUTS_PER_COMMAND;
    let command = ContinuePayoutRun { id: run.id, after: run.cursor, affiliate_ids, is_last }.into();
    let envelope = Envelope { account_id: run.account_id, fingerprint: None, actor: None, command };
    app.submit(envelope, None).await?;
    let found = store::payout_run::find(app.store(), run.account_id, run.id).await?;
    let payout_count = found.map_or(0, |found| found.payout_count);
    Ok(u64::try_from(payout_count - run.payout_count).unwrap_or_default())
}

async fn next(app: &App, state: PayoutRunState, left_out: &[AccountId]) -> Result<Option<PayoutRun>, StoreError> {
    store::payout_run::oldest(app.store(), state, left_out).await
}

/// Cancels the next payouts of a cancelled run. Returns how many it tried.
async fn cancel(app: &App, run: &PayoutRun) -> Result<u64, UpkeepError> {
    let wanted = PayoutQuery { run_id: Some(run.id), states: PayoutState::UNSENT.to_vec(), ..PayoutQuery::default() };
    let walk = Walk::first(PAYOUTS_PER_COMMAND as u64);
    // No payout of the run is created any more, so a page that is not full is the last one.
    let payouts = store::payout::list(app.store(), run.account_id, &wanted, walk).await?;
    let payout_ids: Vec<_> = payouts.iter().map(|payout| payout.id).collect();
    let is_last = payout_ids.len() < PAYOUTS_PER_COMMAND;
    let command = CancelPayoutsOfRun { id: run.id, payout_ids, is_last }.into();
    let envelope = Envelope { account_id: run.account_id, fingerprint: None, actor: None, command };
    app.submit(envelope, None).await?;
    Ok(u64::try_from(payouts.len()).unwrap_or_default())
}
