//! The rules of payout runs: one is created with its selection, and then continued until all affiliates were looked at. A cancelled one goes
//! on until those of its payouts that nobody has begun to pay are cancelled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::payout::{Reservation, cancel, check_connected, due, needs_of_routes, reserve, route};
use super::tax_profile;
use crate::domain::account::Account;
use crate::domain::affiliate::Affiliate;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutId, PayoutRunId};
use crate::domain::ledger::BalanceKey;
use crate::domain::money::{Currency, Money, Overflow};
use crate::domain::payout::{Payout, PayoutPolicy, PayoutProvider, PayoutState};
use crate::domain::payout_run::{Payee, PayoutRun, PayoutRunState, PayoutRunVerdict, RunPlan};
use crate::domain::refusal::Refusal;
use crate::domain::reward::RewardUnit;
use crate::domain::set::Needs;

/// Create a run. A worker creates its payouts.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the run")]
pub struct CreatePayoutRun {
    /// `None`: all affiliates.
    pub affiliate_ids: Option<Vec<AffiliateId>>,
    pub currency: Currency,
    pub minimum: Option<Money>,
    pub maximum_total: Option<Money>,
    pub provider: Option<PayoutProvider>,
    pub note: String,
    pub message: String,
}

impl Rule for CreatePayoutRun {
    type Answer = Arc<PayoutRun>;

    fn weight(&self) -> usize {
        self.affiliate_ids.as_ref().map_or(1, Vec::len).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs_of_routes(account, needs);
        needs.affiliates.extend(self.affiliate_ids.iter().flatten().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        check_connected(context, self.provider)?;
        for id in self.affiliate_ids.iter().flatten() {
            context.get::<Affiliate, _>(*id)?;
        }
        Ok(begin(context, self, None, context.key_id))
    }
}

/// The ids in the order in which payouts are created, each once.
pub(super) fn in_order(ids: &[AffiliateId]) -> Vec<AffiliateId> {
    ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Begins a run, in the name of a key.
pub(super) fn begin(
    context: &mut Context<'_>,
    wanted: &CreatePayoutRun,
    plan: Option<RunPlan>,
    created_by: Option<ApiKeyId>,
) -> Arc<PayoutRun> {
    let run = PayoutRun {
        id: PayoutRunId::new(context.ids),
        account_id: context.account_id,
        state: PayoutRunState::Creating,
        currency: wanted.currency,
        affiliate_ids: wanted.affiliate_ids.as_deref().map(in_order),
        minimum: wanted.minimum,
        maximum_total: wanted.maximum_total,
        provider: wanted.provider,
        plan,
        note: wanted.note.clone(),
        message: wanted.message.clone(),
        cursor: None,
        payout_count: 0,
        total: Money::new(0, wanted.currency),
        created_by,
        cancelled_by: None,
        cancelled_at: None,
        created_at: context.now,
        updated_at: context.now,
    };
    let run = context.put(run);
    context.tell(EventKind::PayoutRunCreated, EventImage::PayoutRun(Arc::clone(&run)));
    run
}

/// Create the payouts of the next affiliates of a run. For the worker. Nothing is done if another server has done it.
#[derive(Debug, Clone)]
pub struct ContinuePayoutRun {
    /// The run.
    pub id: PayoutRunId,
    /// The run's cursor before these affiliates.
    pub after: Option<AffiliateId>,
    /// The next affiliates, in the order of their ids.
    pub affiliate_ids: Vec<AffiliateId>,
    /// Whether there are no further ones.
    pub is_last: bool,
}

impl Rule for ContinuePayoutRun {
    type Answer = Arc<PayoutRun>;

    fn weight(&self) -> usize {
        self.affiliate_ids.len().saturating_mul(10).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<PayoutRun>((account, self.id));
        needs_of_routes(account, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let run = Arc::clone(context.get::<PayoutRun, _>(self.id)?);
        if run.state != PayoutRunState::Creating || run.cursor != self.after {
            return Ok(run);
        }
        let policy = context.set.account(context.account_id)?.payout_policy.clone().unwrap_or_default();
        self.want_rows(context, &run, &policy)?;
        let planned_until = run.plan.and_then(|plan| plan.due_until);
        let due_until = planned_until.unwrap_or_else(|| policy.due_until(context.now));
        let (mut payout_count, mut total_minor) = (run.payout_count, run.total.amount_minor);
        for affiliate_id in &self.affiliate_ids {
            let due = due(context, *affiliate_id, run.currency, due_until)?;
            let route = route(context, *affiliate_id, run.provider)?;
            let Ok(route) = route else { continue };
            let state = context.get::<Affiliate, _>(*affiliate_id)?.state;
            let lacks_tax_profile = tax_profile::fault(context, &policy, *affiliate_id)?.is_some();
            let payee = Payee { state, is_named: run.affiliate_ids.is_some(), fault: None, lacks_tax_profile };
            if PayoutRunVerdict::of(&due, run.limits(), total_minor, payee) != PayoutRunVerdict::Pays {
                continue;
            }
            let reservation = Reservation {
                affiliate_id: *affiliate_id,
                amount: Money::new(due.sum_minor, run.currency),
                rewards: due.rewards,
                route,
                needs_approval: run.plan.is_some_and(|plan| plan.needs_approval),
                note: &run.note,
                message: &run.message,
                run_id: Some(run.id),
                created_by: run.created_by,
            };
            let payout = reserve(context, &policy, reservation)?;
            payout_count += 1;
            total_minor = total_minor.checked_add(payout.amount.amount_minor).ok_or(Overflow)?;
        }
        let run = context.put(PayoutRun {
            state: if self.is_last { PayoutRunState::Created } else { PayoutRunState::Creating },
            cursor: self.affiliate_ids.last().copied().or(run.cursor),
            payout_count,
            total: Money::new(total_minor, run.currency),
            updated_at: context.now,
            ..run.as_ref().clone()
        });
        if self.is_last {
            context.tell(EventKind::PayoutRunFinished, EventImage::PayoutRun(Arc::clone(&run)));
        }
        Ok(run)
    }
}

impl ContinuePayoutRun {
    /// Wants the rewards, the balances the payout methods and the tax profiles of all affiliates at once, so that they are loaded together.
    fn want_rows(&self, context: &mut Context<'_>, run: &PayoutRun, policy: &PayoutPolicy) -> Result<(), Refusal> {
        let mut loaded = Ok(());
        for affiliate_id in &self.affiliate_ids {
            context.set.wanted().row::<Affiliate>((context.account_id, *affiliate_id));
            let rewards = context.set.payable_of(context.account_id, *affiliate_id, run.currency);
            loaded = loaded.and(rewards.map(|_| ()));
            let balance = context.set.balance(BalanceKey {
                account_id: context.account_id,
                affiliate_id: *affiliate_id,
                unit: RewardUnit::Cash,
                currency: run.currency,
            });
            loaded = loaded.and(balance.map(|_| ()));
            let method = context.set.payout_method(context.account_id, *affiliate_id);
            loaded = loaded.and(method.map(|_| ()));
            loaded = loaded.and(tax_profile::fault(context, policy, *affiliate_id).map(|_| ()));
        }
        loaded
    }
}

/// Cancel a run. A worker cancels its payouts.
#[derive(Debug, Clone)]
pub struct CancelPayoutRun {
    /// The run.
    pub id: PayoutRunId,
}

impl Rule for CancelPayoutRun {
    type Answer = Arc<PayoutRun>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutRun>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let run = Arc::clone(context.get::<PayoutRun, _>(self.id)?);
        let to = PayoutRunState::Cancelling;
        if !run.state.may_become(to) {
            return Err(Refusal::PayoutRunState { payout_run_id: self.id, from: run.state, to });
        }
        let run = context.put(PayoutRun {
            state: to,
            cancelled_by: context.key_id,
            cancelled_at: Some(context.now),
            updated_at: context.now,
            ..run.as_ref().clone()
        });
        context.tell(EventKind::PayoutRunCancelled, EventImage::PayoutRun(Arc::clone(&run)));
        Ok(run)
    }
}

/// Cancel some of the payouts of a run that is being cancelled. For the worker. A payout that somebody has begun to pay meanwhile is left alone.
#[derive(Debug, Clone)]
pub struct CancelPayoutsOfRun {
    /// The run.
    pub id: PayoutRunId,
    /// The payouts, without repeats.
    pub payout_ids: Vec<PayoutId>,
    /// Whether there are no further ones.
    pub is_last: bool,
}

impl Rule for CancelPayoutsOfRun {
    type Answer = Arc<PayoutRun>;

    fn weight(&self) -> usize {
        self.payout_ids.len().saturating_mul(10).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutRun>((account, self.id));
        needs.payouts.extend(self.payout_ids.iter().map(|id| (account, *id)));
        needs.payout_attempts.extend(self.payout_ids.iter().map(|id| (account, *id)));
        needs.names.rewards_of_payout.extend(self.payout_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let run = Arc::clone(context.get::<PayoutRun, _>(self.id)?);
        if run.state != PayoutRunState::Cancelling {
            return Ok(run);
        }
        for id in &self.payout_ids {
            let payout = Arc::clone(context.get::<Payout, _>(*id)?);
            if payout.run_id == Some(run.id) && PayoutState::UNSENT.contains(&payout.state) {
                cancel(context, &payout)?;
            }
        }
        if !self.is_last {
            return Ok(run);
        }
        let run = context.put(PayoutRun {
            state: PayoutRunState::Cancelled,
            updated_at: context.now,
            ..run.as_ref().clone()
        });
        context.tell(EventKind::PayoutRunFinished, EventImage::PayoutRun(Arc::clone(&run)));
        Ok(run)
    }
}
