//! Creates the payouts of payout runs, a few affiliates in each command. Several servers may do so at once, because a command does nothing
//! if another one has moved the run's cursor.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::approve_due::UpkeepError;
use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::{App, SubmitError};
use crate::domain::id::AccountId;
use crate::domain::payout_run::PayoutRun;
use crate::domain::rule::{ContinuePayoutRun, Envelope};
use crate::store;

/// The worker's name.
pub const NAME: &str = "create_payouts";

/// How many affiliates one command pays. Each may have a thousand rewards.
const AFFILIATES_PER_COMMAND: usize = 10;

/// See the head of the file.
pub(super) struct CreatePayouts(pub(super) Arc<App>);

impl Worker for CreatePayouts {
    const NAME: &'static str = NAME;

    /// An account that fails does not delay the others; the first error is returned at the end.
    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        let mut broken = BTreeMap::new();
        loop {
            let left_out: Vec<AccountId> = broken.keys().copied().collect();
            let unfinished = store::payout_run::unfinished(self.0.store(), &left_out).await?;
            let Some(payout_run) = unfinished.filter(|_| !run.is_stopping()) else { break };
            let account_id = payout_run.account_id;
            match advance(&self.0, &payout_run).await {
                Ok(count) => run.count("payouts created", count),
                Err(UpkeepError::Submit(error @ (SubmitError::Refused(_) | SubmitError::Internal(_)))) => {
                    tracing::error!(%account_id, payout_run = %payout_run.id, %error, "the payouts of a run cannot be created");
                    broken.insert(account_id, error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        broken.into_values().next().map_or(Ok(()), |error| Err(UpkeepError::from(error).into()))
    }
}

/// Creates the payouts of the next affiliates. Returns how many payouts the run has more than before.
async fn advance(app: &App, run: &PayoutRun) -> Result<u64, UpkeepError> {
    let affiliate_ids = match run.next_named(AFFILIATES_PER_COMMAND) {
        Some(ids) => ids,
        None => {
            let limit = AFFILIATES_PER_COMMAND as u64;
            store::payout_run::payees(app.store(), run.account_id, run.currency, run.cursor, false, limit).await?
        }
    };
    let is_last = affiliate_ids.len() < AFFILIATES_PER_COMMAND;
    let command = ContinuePayoutRun { id: run.id, after: run.cursor, affiliate_ids, is_last }.into();
    let envelope = Envelope { account_id: run.account_id, fingerprint: None, actor: None, command };
    app.submit(envelope, None).await?;
    let found = store::payout_run::find(app.store(), run.account_id, run.id).await?;
    let payout_count = found.map_or(0, |found| found.payout_count);
    Ok(u64::try_from(payout_count - run.payout_count).unwrap_or_default())
}
