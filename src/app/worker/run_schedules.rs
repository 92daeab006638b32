//! Creates the payout runs of schedules whose time has come. Several servers may do so at once, because a command does nothing if another one
//! has moved the schedule to its next time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::approve_due::UpkeepError;
use super::driver::{Run, Worker};
use super::report::Failure;
use crate::app::{App, SubmitError};
use crate::domain::id::AccountId;
use crate::domain::payout_schedule::PayoutSchedule;
use crate::domain::rule::{Envelope, RunPayoutSchedule};
use crate::store;

/// The worker's name.
pub const NAME: &str = "run_schedules";

/// See the head of the file.
pub(super) struct RunSchedules(pub(super) Arc<App>);

impl Worker for RunSchedules {
    const NAME: &'static str = NAME;

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        Ok(create_runs(&self.0, run).await?)
    }
}

/// Creates the runs that are due now, outside of the worker's own runs, and returns how many schedules were due.
pub(in crate::app) async fn run_now(app: &App) -> Result<u64, UpkeepError> {
    let mut run = Run::detached();
    create_runs(app, &mut run).await?;
    Ok(run.total())
}

/// An account that fails does not delay the others; the first error is returned at the end.
async fn create_runs(app: &App, run: &mut Run) -> Result<(), UpkeepError> {
    let mut broken = BTreeMap::new();
    while !run.is_stopping() {
        let left_out: Vec<AccountId> = broken.keys().copied().collect();
        let due = store::payout_schedule::longest_due(app.store(), app.clock().now(), &left_out).await?;
        let Some(due) = due else { break };
        match create_run(app, &due).await {
            Ok(()) => run.count("payout schedules carried out", 1),
            Err(UpkeepError::Submit(error @ (SubmitError::Refused(_) | SubmitError::Internal(_)))) => {
                tracing::error!(account_id = %due.account_id, payout_schedule = %due.id, %error, "a planned payout run cannot be created");
                broken.insert(due.account_id, error);
            }
            Err(error) => return Err(error),
        }
    }
    if run.total() > 0 {
        app.wake_payout_runs();
    }
    broken.into_values().next().map_or(Ok(()), |error| Err(error.into()))
}

/// Creates the run of a schedule that is due.
async fn create_run(app: &App, due: &PayoutSchedule) -> Result<(), UpkeepError> {
    let (account_id, affiliate_ids) = (due.account_id, due.affiliate_ids.as_deref());
    let is_anybody_owed =
        store::payout_schedule::is_anybody_owed(app.store(), account_id, due.currency, affiliate_ids).await?;
    let Some(next_run_at) = due.next_run_at else { return Ok(()) };
    let command = RunPayoutSchedule { id: due.id, next_run_at, is_anybody_owed }.into();
    app.submit(Envelope { account_id, fingerprint: None, actor: None, command }, None).await?;
    Ok(())
}
