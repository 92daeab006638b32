//! Sends payouts to their providers, and asks what became of them, one step at a time. `domain/payout_attempt.rs` says what a step is. Several
//! servers may do so at once, because each step begins with a lease that only one of them gets.
//!
//! The steps of an account at a provider are a turn. Turns run beside each other, so that a slow provider delays no other account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};

use super::approve_due::UpkeepError;
use super::driver::{Run, Stopping, Worker};
use super::payout_result;
use super::report::Failure;
use crate::app::{App, SubmitError};
use crate::clock::RandomIds;
use crate::domain::id::{AccountId, IdSource};
use crate::domain::payout::{Payout, PayoutProvider};
use crate::domain::payout_attempt::{NextStep, PayoutAttempt, StepResult};
use crate::domain::rule::{BeginPayoutStep, Command, Envelope, RecordPayoutStep};
use crate::outbound::provider::{Attempt, EarlierTries};
use crate::outbound::source::NoProvider;
pub use crate::outbound::source::{CannotCall, NoConnections, ProviderSource};
use crate::store;

/// The worker's name.
pub const NAME: &str = "send_payouts";

/// How often the worker looks for steps that are due.
#[cfg(not(feature = "failpoints"))]
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// Often in a build for tests, which move the clock and do not wait.
#[cfg(feature = "failpoints")]
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// How often it looks for the steps of other accounts while a turn goes on.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// How many steps are read at a time.
const STEPS_MAX: u64 = 500;

/// How many steps one turn has.
const STEPS_PER_TURN: usize = 50;

/// How many steps of an account at a provider go on at once.
const STEPS_AT_ONCE: usize = 4;

/// How many turns go on at once.
const TURNS_MAX: usize = 64;

/// How soon after its beginning a step calls the provider, or never. Much shorter than a lease.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// Whose steps a turn has.
type Group = (AccountId, PayoutProvider);

/// See the head of the file.
pub(super) struct SendPayouts {
    pub(super) app: Arc<App>,
    pub(super) providers: Arc<dyn ProviderSource>,
}

impl Worker for SendPayouts {
    const NAME: &'static str = NAME;

    /// An account that fails does not delay the others; the first error is returned at the end.
    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        let (mut busy, mut broken) = (BTreeSet::new(), BTreeSet::new());
        let mut turns = FuturesUnordered::new();
        let mut first_error = None;
        loop {
            if first_error.as_ref().is_none_or(is_of_account) && !run.is_stopping() && busy.len() < TURNS_MAX {
                match self.due(busy.union(&broken).copied().collect()).await {
                    Ok(due) => {
                        for (group, attempts) in due {
                            busy.insert(group);
                            turns.push(self.turn(group, attempts, run.stopping()));
                        }
                    }
                    Err(error) => first_error = Some(error),
                }
            }
            if turns.is_empty() {
                return first_error.map_or(Ok(()), |error| Err(error.into()));
            }
            tokio::select! {
                Some((group, count, result)) = turns.next() => {
                    busy.remove(&group);
                    run.count("payout steps", count);
                    if let Err(error) = result {
                        tracing::error!(account_id = %group.0, provider = %group.1, %error, "the payouts of an account cannot be sent");
                        broken.insert(group);
                        first_error.get_or_insert(error);
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

impl SendPayouts {
    /// The steps that are due, by group.
    async fn due(&self, left_out: Vec<Group>) -> Result<BTreeMap<Group, Vec<PayoutAttempt>>, UpkeepError> {
        let (store, now) = (self.app.store(), self.app.clock().now());
        let mut due = store::payout_attempt::due(store, now, &left_out, STEPS_MAX).await?;
        let known: BTreeSet<_> = due.iter().map(|attempt| attempt.payout_id).collect();
        let woken = store::payout_attempt::woken(store, &left_out, STEPS_MAX).await?;
        due.extend(woken.into_iter().filter(|attempt| !known.contains(&attempt.payout_id)));
        let mut groups: BTreeMap<Group, Vec<PayoutAttempt>> = BTreeMap::new();
        for attempt in due {
            let group = groups.entry((attempt.account_id, attempt.provider)).or_default();
            if group.len() < STEPS_PER_TURN {
                group.push(attempt);
            }
        }
        Ok(groups)
    }

    /// Carries out steps of one group. Returns how many.
    async fn turn(
        &self,
        group: Group,
        attempts: Vec<PayoutAttempt>,
        stopping: Stopping,
    ) -> (Group, u64, Result<(), UpkeepError>) {
        let steps = attempts.into_iter().map(|attempt| {
            let stopping = &stopping;
            async move { if stopping.is_stopping() { Ok(false) } else { self.step(attempt).await } }
        });
        let mut steps = stream::iter(steps).buffer_unordered(STEPS_AT_ONCE);
        let (mut count, mut result) = (0, Ok(()));
        while let Some(step) = steps.next().await {
            match step {
                Ok(is_done) => count += u64::from(is_done),
                Err(error) if result.is_ok() => result = Err(error),
                Err(_) => {}
            }
        }
        (group, count, result)
    }

    /// Carries out the next step of a payout. False if another server has begun it, or if the payout waits for money.
    async fn step(&self, before: PayoutAttempt) -> Result<bool, UpkeepError> {
        let (account_id, payout_id, provider) = (before.account_id, before.payout_id, before.provider);
        let lease_id = RandomIds.next_uuid();
        let begun_at = self.app.clock().monotonic();
        let begin = BeginPayoutStep { payout_id, provider, after: before.lease_id, lease_id };
        self.submit(account_id, begin.into()).await?;
        let begun = store::payout_attempt::find(self.app.store(), account_id, payout_id).await?;
        let Some(begun) = begun.filter(|attempt| attempt.lease_id == lease_id) else { return Ok(false) };
        let Some(payout) = store::payout::find(self.app.store(), account_id, payout_id).await? else {
            return Ok(false);
        };
        failpoint!(BeforePayoutCall);
        // A server that stood still may have been given up, and another one may have proved that nothing was made.
        if self.app.clock().monotonic().saturating_sub(begun_at) > CALL_WITHIN {
            return Ok(false);
        }
        let result = self.call(&before, &begun, &payout).await;
        failpoint!(AfterPayoutCall);
        let tries_before = before.first_try_at.zip(before.last_try_at);
        let step = before.next_step;
        let record = RecordPayoutStep { payout_id, provider, lease_id, step, tries_before, result };
        self.submit(account_id, record.into()).await?;
        Ok(true)
    }

    async fn submit(&self, account_id: AccountId, command: Command) -> Result<(), SubmitError> {
        let envelope = Envelope { account_id, fingerprint: None, actor: None, command };
        self.app.submit(envelope, None).await.map(|_| ())
    }

    /// Calls the provider. A submission gets the attempt as it was before the step, because its tries are the earlier ones.
    async fn call(&self, before: &PayoutAttempt, begun: &PayoutAttempt, payout: &Payout) -> StepResult {
        let of_problem = |problem| match problem {
            NoProvider::NotConnected => StepResult::NotConnected,
            NoProvider::Later(error) => {
                tracing::warn!(payout_id = %payout.id, error, "a provider cannot be called now");
                StepResult::Later { after_micros: None }
            }
        };
        let provider = match self.providers.provider(payout.account_id, payout.provider).await {
            Ok(provider) => provider,
            Err(problem) => return of_problem(problem),
        };
        let receiver = match self.providers.receiver(payout).await {
            Ok(receiver) => receiver,
            Err(problem) => return of_problem(problem),
        };
        let tried = if before.next_step == NextStep::Submit { before } else { begun };
        let attempt = Attempt {
            payout_id: payout.id,
            number: u32::try_from(tried.number).unwrap_or(1),
            amount: payout.amount,
            receiver,
            note: payout.message.clone(),
            provider_id: (!tried.provider_payment_id.is_empty()).then(|| tried.provider_payment_id.clone()),
            earlier: tried
                .first_try_at
                .zip(tried.last_try_at)
                .map(|(first_at, last_at)| EarlierTries { first_at, last_at }),
        };
        let now = self.app.clock().now();
        match before.next_step {
            NextStep::Submit => payout_result::of_submission(provider.submit(&attempt, now).await),
            NextStep::LookUp | NextStep::Watch => payout_result::of_look_up(provider.look_up(&attempt, now).await),
            NextStep::Cancel => payout_result::of_cancellation(provider.cancel(&attempt, now).await),
        }
    }
}
