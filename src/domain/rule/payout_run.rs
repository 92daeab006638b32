//! The rules of payout runs: one is created with its selection, and then continued until all affiliates were looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::payout::{Reservation, due, reserve};
use crate::domain::account::Account;
use crate::domain::affiliate::Affiliate;
use crate::domain::id::{AccountId, AffiliateId, PayoutRunId};
use crate::domain::ledger::BalanceKey;
use crate::domain::money::{Currency, Money, Overflow};
use crate::domain::payout_run::{PayoutRun, PayoutRunState, PayoutRunVerdict};
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
    pub note: String,
    pub message: String,
}

impl Rule for CreatePayoutRun {
    type Answer = Arc<PayoutRun>;

    fn weight(&self) -> usize {
        self.affiliate_ids.as_ref().map_or(1, Vec::len).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliates.extend(self.affiliate_ids.iter().flatten().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        for id in self.affiliate_ids.iter().flatten() {
            context.get::<Affiliate, _>(*id)?;
        }
        // Payouts are created in this order.
        let in_order = |ids: &Vec<AffiliateId>| ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let run = PayoutRun {
            id: PayoutRunId::new(context.ids),
            account_id: context.account_id,
            state: PayoutRunState::Creating,
            currency: self.currency,
            affiliate_ids: self.affiliate_ids.as_ref().map(in_order),
            minimum: self.minimum,
            note: self.note.clone(),
            message: self.message.clone(),
            cursor: None,
            payout_count: 0,
            total: Money::new(0, self.currency),
            created_by: context.key_id,
            created_at: context.now,
            updated_at: context.now,
        };
        Ok(context.put(run))
    }
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
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let run = Arc::clone(context.get::<PayoutRun, _>(self.id)?);
        if run.state != PayoutRunState::Creating || run.cursor != self.after {
            return Ok(run);
        }
        self.want_rows(context, &run)?;
        let policy = context.set.account(context.account_id)?.payout_policy.clone().unwrap_or_default();
        let (mut payout_count, mut total_minor) = (run.payout_count, run.total.amount_minor);
        for affiliate_id in &self.affiliate_ids {
            let due = due(context, *affiliate_id, run.currency, &policy)?;
            let state = context.get::<Affiliate, _>(*affiliate_id)?.state;
            let is_named = run.affiliate_ids.is_some();
            if PayoutRunVerdict::of(&due, run.minimum, state, is_named) != PayoutRunVerdict::Pays {
                continue;
            }
            let reservation = Reservation {
                affiliate_id: *affiliate_id,
                amount: Money::new(due.sum_minor, run.currency),
                rewards: due.rewards,
                note: &run.note,
                message: &run.message,
                run_id: Some(run.id),
                created_by: run.created_by,
            };
            let payout = reserve(context, &policy, reservation)?;
            payout_count += 1;
            total_minor = total_minor.checked_add(payout.amount.amount_minor).ok_or(Overflow)?;
        }
        Ok(context.put(PayoutRun {
            state: if self.is_last { PayoutRunState::Created } else { PayoutRunState::Creating },
            cursor: self.affiliate_ids.last().copied().or(run.cursor),
            payout_count,
            total: Money::new(total_minor, run.currency),
            updated_at: context.now,
            ..run.as_ref().clone()
        }))
    }
}

impl ContinuePayoutRun {
    /// Wants the rewards and the balances of all affiliates at once, so that they are loaded together.
    fn want_rows(&self, context: &mut Context<'_>, run: &PayoutRun) -> Result<(), Refusal> {
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
        }
        loaded
    }
}
