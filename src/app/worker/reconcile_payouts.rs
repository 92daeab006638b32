//! Compares payouts with the payments at their providers: each day for each connection, and when a person asks. Several servers may do so at
//! once, because a reading begins with a lease that only one of them gets. A reading that is broken off begins anew.

mod reader;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::approve_due::UpkeepError;
use super::driver::{Run, Stopping, Worker};
use super::report::Failure;
use super::send_payouts::ProviderSource;
use crate::app::{App, SubmitError};
use crate::clock::RandomIds;
use crate::domain::id::{AccountId, IdSource};
use crate::domain::payout_reconciliation::{PayoutReconciliation, Reading};
use crate::domain::rule::{BeginReconciliation, Command, Envelope, ReconcileDaily, RecordReconciliation};
use crate::outbound::provider::NotRead;
use crate::outbound::source::NoProvider;
use crate::store;
use reader::{Reader, Stop};

/// The worker's name.
pub const NAME: &str = "reconcile_payouts";

/// How many accounts are read at once.
const READINGS_MAX: usize = 8;

/// How often the worker looks for further ones while it reads.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// See the head of the file.
pub(super) struct ReconcilePayouts {
    pub(super) app: Arc<App>,
    pub(super) providers: Arc<dyn ProviderSource>,
}

impl Worker for ReconcilePayouts {
    const NAME: &'static str = NAME;

    /// An account that fails does not delay the others; the first error is returned at the end.
    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        let (mut busy, mut broken) = (BTreeSet::new(), BTreeSet::new());
        let mut first_error = self.begin_due(run, &mut broken).await.err();
        let mut readings = FuturesUnordered::new();
        loop {
            while first_error.as_ref().is_none_or(is_of_account) && !run.is_stopping() && busy.len() < READINGS_MAX {
                let left_out: Vec<AccountId> = busy.union(&broken).copied().collect();
                match store::payout_reconciliation::due(self.app.store(), self.app.clock().now(), &left_out).await {
                    Ok(Some(due)) => {
                        busy.insert(due.account_id);
                        readings.push(self.reading(due, run.stopping()));
                    }
                    Ok(None) => break,
                    Err(error) => first_error = Some(error.into()),
                }
            }
            if readings.is_empty() {
                return first_error.map_or(Ok(()), |error| Err(error.into()));
            }
            tokio::select! {
                Some((account_id, result)) = readings.next() => {
                    busy.remove(&account_id);
                    match result {
                        Ok(is_done) => {
                            run.count("reconciliations", u64::from(is_done));
                            // What another server reads, or what a stopping server left, is not looked at again in this run.
                            if !is_done {
                                broken.insert(account_id);
                            }
                        }
                        Err(error) => {
                            tracing::error!(%account_id, %error, "the payouts of an account cannot be reconciled");
                            broken.insert(account_id);
                            first_error.get_or_insert(error);
                        }
                    }
                }
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }
}

/// Whether the error concerns one account, so that the others go on.
fn is_of_account(error: &UpkeepError) -> bool {
    matches!(error, UpkeepError::Submit(SubmitError::Refused(_) | SubmitError::Internal(_)))
}

impl ReconcilePayouts {
    /// Begins the daily reconciliations that are due.
    async fn begin_due(&self, run: &Run, broken: &mut BTreeSet<AccountId>) -> Result<(), UpkeepError> {
        let mut first_error = None;
        while !run.is_stopping() {
            let left_out: Vec<AccountId> = broken.iter().copied().collect();
            let now = self.app.clock().now();
            let due = store::payout_reconciliation::due_connection(self.app.store(), now, &left_out).await?;
            let Some((due, due_at)) = due.and_then(|due| due.next_reconciliation_at.map(|at| (due.clone(), at))) else {
                break;
            };
            let command = ReconcileDaily { provider: due.provider, due_at };
            match submit(&self.app, due.account_id, command.into()).await.map_err(UpkeepError::from) {
                Ok(()) => {}
                Err(error) if is_of_account(&error) => {
                    tracing::error!(account_id = %due.account_id, %error, "a daily reconciliation cannot begin");
                    broken.insert(due.account_id);
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn reading(&self, due: PayoutReconciliation, stopping: Stopping) -> (AccountId, Result<bool, UpkeepError>) {
        (due.account_id, self.read(due, stopping).await)
    }

    /// Reads and records a reconciliation. False if another server has begun it, or if the server stops.
    async fn read(&self, before: PayoutReconciliation, stopping: Stopping) -> Result<bool, UpkeepError> {
        let (account_id, id, provider) = (before.account_id, before.id, before.provider);
        let lease_id = RandomIds.next_uuid();
        let begin = BeginReconciliation { id, after: before.lease_id, lease_id, goes_on: false };
        submit(&self.app, account_id, begin.into()).await?;
        let begun = store::payout_reconciliation::find(self.app.store(), account_id, id).await?;
        let Some(begun) = begun.filter(|begun| begun.lease_id == lease_id) else { return Ok(false) };
        let (lease_id, reading) = match self.providers.provider(account_id, provider).await {
            Ok(provider) => {
                let mut reader = Reader::new(&self.app, provider, begun, stopping);
                let reading = match reader.read_all().await {
                    Ok(findings) => Reading::Whole(findings),
                    Err(Stop::NotRead(not_read)) => of_not_read(not_read),
                    Err(Stop::TooMany) => Reading::Failed { code: "too_many_payments".to_owned() },
                    Err(Stop::Ended) => return Ok(false),
                    Err(Stop::Error(error)) => return Err(error),
                };
                (reader.lease_id(), reading)
            }
            Err(NoProvider::NotConnected) => (lease_id, Reading::Failed { code: "not_connected".to_owned() }),
            Err(NoProvider::Later(error)) => {
                tracing::warn!(%account_id, error, "a provider cannot be called now");
                (lease_id, Reading::Later { after_micros: None, code: "not_called".to_owned() })
            }
        };
        let connection = store::payout_connection::find(self.app.store(), account_id, provider).await?;
        let previous_id = connection.and_then(|connection| connection.last_reconciliation_id);
        let record = RecordReconciliation { id, provider, lease_id, previous_id, reading };
        submit(&self.app, account_id, record.into()).await?;
        Ok(true)
    }
}

fn of_not_read(not_read: NotRead) -> Reading {
    match not_read {
        NotRead::Refused { code } => Reading::Failed { code },
        NotRead::Later { after, code } => {
            let after_micros = after.map(|after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
            Reading::Later { after_micros, code }
        }
        // One payment alone is left out by the reader. A list that cannot be read tells nothing.
        NotRead::Unreadable { code } => Reading::Later { after_micros: None, code },
    }
}

async fn submit(app: &App, account_id: AccountId, command: Command) -> Result<(), SubmitError> {
    let envelope = Envelope { account_id, fingerprint: None, actor: None, command };
    app.submit(envelope, None).await.map(|_| ())
}
