//! The rules of payouts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::reward::tell_moved;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, PayoutId, RewardId};
use crate::domain::ledger::{BalanceKey, LedgerAccount, LedgerReason, LedgerSubject, Posting};
use crate::domain::money::{Money, Overflow};
use crate::domain::payout::{Payout, PayoutFault, PayoutProvider, PayoutState, UnpayableReward};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::{Reward, RewardState, RewardUnit};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Record that an affiliate was paid outside Headwater: all of these rewards or none.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the payout")]
pub struct MarkPaid {
    pub affiliate: AffiliateSelector,
    /// The rewards that were paid, without repeats.
    pub reward_ids: Vec<RewardId>,
    /// The amount that was paid. `None`: the sum of the rewards, whatever it is.
    pub amount: Option<Money>,
    pub reference: String,
    pub note: String,
    pub message: String,
    /// `None`: now.
    pub paid_at: Option<Time>,
}

impl Rule for MarkPaid {
    type Answer = Arc<Payout>;

    fn weight(&self) -> usize {
        self.reward_ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        needs.rewards.extend(self.reward_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate_id = context.set.affiliate(context.account_id, &self.affiliate)?.id;
        let rewards = payable(context, affiliate_id, &self.reward_ids)?;
        let amount = self.check_amount(&rewards)?;
        check_owed(context, affiliate_id, amount)?;
        let payout = Payout {
            id: PayoutId::new(context.ids),
            account_id: context.account_id,
            affiliate_id,
            amount,
            provider: PayoutProvider::Manual,
            state: PayoutState::Paid,
            reward_count: i32::try_from(rewards.len()).unwrap_or(i32::MAX),
            reference: self.reference.clone(),
            note: self.note.clone(),
            message: self.message.clone(),
            paid_at: self.paid_at.unwrap_or(context.now),
            created_at: context.now,
            updated_at: context.now,
        };
        let payout = context.put(payout);
        context.post(Posting {
            account_id: context.account_id,
            debit: LedgerAccount::AffiliatePayable,
            credit: LedgerAccount::ProviderCash,
            unit: RewardUnit::Cash,
            currency: amount.currency,
            amount_minor: amount.amount_minor,
            affiliate_id,
            subject: LedgerSubject::payout(payout.id),
            reason: LedgerReason::Paid,
            posted_at: context.now,
        });
        context.tell(EventKind::PayoutPaid, EventImage::Payout(Arc::clone(&payout)));
        let paid = rewards.into_iter().map(|(id, reward)| {
            let row = Reward {
                state: RewardState::Paid,
                payout_id: Some(payout.id),
                updated_at: context.now,
                ..reward.as_ref().clone()
            };
            (id, context.put(row))
        });
        let paid: BTreeMap<_, _> = paid.collect();
        tell_moved(context, EventKind::RewardPaid, &paid)?;
        Ok(payout)
    }
}

impl MarkPaid {
    /// What the rewards add up to. More than zero, and what the request says.
    fn check_amount(&self, rewards: &BTreeMap<RewardId, Arc<Reward>>) -> Result<Money, Refusal> {
        let mut sum: Option<Money> = None;
        for reward in rewards.values() {
            let minor = sum.map_or(0, |sum| sum.amount_minor);
            let minor = minor.checked_add(reward.value.amount_minor).ok_or(Overflow)?;
            sum = Some(Money::new(minor, reward.value.currency));
        }
        let empty = || Refusal::InvalidField { field: Field::RewardIds, problem: "must not be empty".to_owned() };
        let sum = sum.ok_or_else(empty)?;
        if sum.amount_minor <= 0 {
            let problem = format!("add up to {sum}, and a payout is more than zero; later rewards reduce what is owed");
            return Err(Refusal::InvalidField { field: Field::RewardIds, problem });
        }
        match self.amount {
            Some(amount) if amount != sum => Err(Refusal::PayoutAmount { sent: amount, sum }),
            _ => Ok(sum),
        }
    }
}

/// The named rewards with those of refunds that took a part of them back, if all can be paid to the affiliate in one payout.
fn payable(
    context: &mut Context<'_>,
    affiliate_id: AffiliateId,
    ids: &[RewardId],
) -> Result<BTreeMap<RewardId, Arc<Reward>>, Refusal> {
    let (mut payable, mut faults) = (BTreeMap::new(), Vec::new());
    let mut first: Option<Money> = None;
    for id in ids {
        let reward = Arc::clone(context.get::<Reward, _>(*id)?);
        // What is no cash says nothing about the currency of the others.
        if reward.unit == RewardUnit::Cash {
            first = first.or(Some(reward.value));
        }
        let amount = first.unwrap_or(reward.value);
        let fault = PayoutFault::of(&reward, affiliate_id, amount);
        let fault = match (fault, reward.reverses) {
            (None, Some(original)) => fault_of_reversal(context, original)?,
            _ => fault,
        };
        if let Some(fault) = fault {
            faults.push(UnpayableReward { reward_id: *id, fault });
            continue;
        }
        if reward.reverses.is_none() {
            let reversals = context.set.reversals_of(context.account_id, *id)?;
            let with_it = reversals.into_iter().filter(|other| other.state == reward.state).cloned();
            payable.extend(with_it.map(|reversal| (reversal.id, reversal)));
        }
        payable.insert(reward.id, reward);
    }
    if faults.is_empty() { Ok(payable) } else { Err(Refusal::RewardsNotPayable { rewards: faults }) }
}

/// Why a reward that takes back from another one cannot be paid by itself.
fn fault_of_reversal(context: &mut Context<'_>, original: RewardId) -> Result<Option<PayoutFault>, Refusal> {
    let key = (context.account_id, original);
    let Ok(original) = context.set.existing::<Reward>(&key) else {
        context.set.wanted().row::<Reward>(key);
        return Err(Refusal::NotLoaded("the reward that another one changes"));
    };
    Ok((original.state != RewardState::Paid).then_some(PayoutFault::TakesBack))
}

/// Refuses to pay more than is owed after claw-backs, because the affiliate would owe the difference.
fn check_owed(context: &mut Context<'_>, affiliate_id: AffiliateId, amount: Money) -> Result<(), Refusal> {
    let key =
        BalanceKey { account_id: context.account_id, affiliate_id, unit: RewardUnit::Cash, currency: amount.currency };
    let owed_minor = context.set.balance(key)?.owed_minor;
    if amount.amount_minor > owed_minor {
        let owed = Money::new(owed_minor, amount.currency);
        return Err(Refusal::PayoutAboveOwed { affiliate_id, amount, owed });
    }
    Ok(())
}
