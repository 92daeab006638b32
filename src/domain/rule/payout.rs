//! The rules of payouts. Here is MarkPaid, for what was paid outside. The folder has the payouts that reserve what they will pay.

mod close;
mod create;
mod document;
mod export;
mod import;
mod parties;
mod purse;
mod record;
mod reopen;
mod send;
mod wake;

pub(super) use close::cancel;
pub use close::{ApprovePayouts, CancelPayout, ConfirmPayouts};
pub use create::CreatePayout;
pub(super) use create::{Reservation, check_connected, due, needs_of_routes, reserve, route};
pub use export::{ExportPayouts, PayoutFile};
pub use import::{ImportPayoutResults, PayoutResult, PayoutResultKind, problem_of_code};
pub use record::RecordPayoutStep;
pub use reopen::ReopenPayout;
pub use send::BeginPayoutStep;
pub use wake::{RetryPayout, WakePayouts};
pub(super) use wake::{needs_of_wake, wake_connected};

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::reward::tell_moved;
use crate::domain::account::Account;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, PayoutId, RewardId};
use crate::domain::ledger::{BalanceKey, LedgerAccount, LedgerReason, LedgerSubject, Posting};
use crate::domain::money::{Currency, Money, Overflow};
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
        needs.row::<Account>(account);
        needs.affiliate(account, &self.affiliate);
        needs.rewards.extend(self.reward_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate_id = context.set.affiliate(context.account_id, &self.affiliate)?.id;
        let rewards = payable(context, affiliate_id, &self.reward_ids, None)?;
        let amount = check_amount(&rewards, self.amount)?;
        check_owed(context, affiliate_id, amount)?;
        let payout = Payout {
            id: PayoutId::new(context.ids),
            account_id: context.account_id,
            affiliate_id,
            amount,
            provider: PayoutProvider::Manual,
            destination: None,
            is_test: context.set.account(context.account_id)?.is_test,
            state: PayoutState::Paid,
            reward_count: i32::try_from(rewards.len()).unwrap_or(i32::MAX),
            reference: self.reference.clone(),
            note: self.note.clone(),
            message: self.message.clone(),
            paid_at: Some(self.paid_at.unwrap_or(context.now)),
            run_id: None,
            created_by: context.key_id,
            approved_by: None,
            approved_at: None,
            cancelled_at: None,
            sending: None,
            export_id: None,
            document_id: None,
            document_number: String::new(),
            reopenings: Vec::new(),
            created_at: context.now,
            updated_at: context.now,
        };
        let rewards: Vec<_> = rewards.into_values().collect();
        let payout = document::finalize(context, payout, &rewards)?;
        let payout = context.put(payout);
        post(context, &payout, LedgerAccount::AffiliatePayable, LedgerAccount::ProviderCash, LedgerReason::Paid);
        context.tell(EventKind::PayoutPaid, EventImage::Payout(Arc::clone(&payout)));
        move_rewards(context, rewards, RewardState::Paid, Some(payout.id))?;
        Ok(payout)
    }
}

/// The sum of the rewards, if it is more than zero and the amount that was sent.
fn check_amount(rewards: &BTreeMap<RewardId, Arc<Reward>>, sent: Option<Money>) -> Result<Money, Refusal> {
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
    match sent {
        Some(amount) if amount != sum => Err(Refusal::PayoutAmount { sent: amount, sum }),
        _ => Ok(sum),
    }
}

/// Moves the amount of a payout from one ledger account to another.
fn post(context: &mut Context<'_>, payout: &Payout, debit: LedgerAccount, credit: LedgerAccount, reason: LedgerReason) {
    context.post(Posting {
        account_id: context.account_id,
        debit,
        credit,
        unit: RewardUnit::Cash,
        currency: payout.amount.currency,
        amount_minor: payout.amount.amount_minor,
        affiliate_id: payout.affiliate_id,
        subject: LedgerSubject::payout(payout.id),
        reason,
        posted_at: context.now,
    });
}

/// Posts what a provider took from the merchant for a payout. It may be in another currency.
fn post_fee(context: &mut Context<'_>, payout: &Payout, fee: Money) {
    context.post(Posting {
        account_id: context.account_id,
        debit: LedgerAccount::ProviderFee,
        credit: LedgerAccount::ProviderCash,
        unit: RewardUnit::Cash,
        currency: fee.currency,
        amount_minor: fee.amount_minor,
        affiliate_id: payout.affiliate_id,
        subject: LedgerSubject::payout(payout.id),
        reason: LedgerReason::Fee,
        posted_at: context.now,
    });
}

/// Gives the rewards of a payout another state, and tells it. Returns them as they are now.
fn move_rewards(
    context: &mut Context<'_>,
    rewards: impl IntoIterator<Item = Arc<Reward>>,
    state: RewardState,
    payout_id: Option<PayoutId>,
) -> Result<BTreeMap<RewardId, Arc<Reward>>, Refusal> {
    let mut moved = BTreeMap::new();
    for reward in rewards {
        if !reward.state.may_become(state) {
            return Err(Refusal::RewardState { reward_id: reward.id, from: reward.state, to: state });
        }
        let row = Reward { state, payout_id, updated_at: context.now, ..reward.as_ref().clone() };
        moved.insert(reward.id, context.put(row));
    }
    let kind = match state {
        RewardState::InPayout => EventKind::RewardReserved,
        RewardState::Approved => EventKind::RewardReturned,
        _ => EventKind::RewardPaid,
    };
    tell_moved(context, kind, &moved)?;
    Ok(moved)
}

/// The named rewards with those of refunds that took a part of them back, if all can be paid to the affiliate in one payout. Without a
/// currency it is that of the first one in cash.
fn payable(
    context: &mut Context<'_>,
    affiliate_id: AffiliateId,
    ids: &[RewardId],
    currency: Option<Currency>,
) -> Result<BTreeMap<RewardId, Arc<Reward>>, Refusal> {
    let (mut payable, mut faults) = (BTreeMap::new(), Vec::new());
    let mut first = currency.map(|currency| Money::new(0, currency));
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
    let state = original_of(context, original)?.state;
    Ok((!matches!(state, RewardState::InPayout | RewardState::Paid)).then_some(PayoutFault::TakesBack))
}

/// The reward that another one takes back from.
fn original_of(context: &mut Context<'_>, id: RewardId) -> Result<Arc<Reward>, Refusal> {
    let key = (context.account_id, id);
    if let Ok(original) = context.set.existing::<Reward>(&key) {
        return Ok(Arc::clone(original));
    }
    context.set.wanted().row::<Reward>(key);
    Err(Refusal::NotLoaded("the reward that another one changes"))
}

/// How much is owed to an affiliate in a currency, in minor units.
fn owed(context: &mut Context<'_>, affiliate_id: AffiliateId, currency: Currency) -> Result<i64, Refusal> {
    let key = BalanceKey { account_id: context.account_id, affiliate_id, unit: RewardUnit::Cash, currency };
    Ok(context.set.balance(key)?.owed_minor)
}

/// Refuses to pay more than is owed after claw-backs, because the affiliate would owe the difference.
fn check_owed(context: &mut Context<'_>, affiliate_id: AffiliateId, amount: Money) -> Result<(), Refusal> {
    let owed_minor = owed(context, affiliate_id, amount.currency)?;
    if amount.amount_minor > owed_minor {
        let owed = Money::new(owed_minor, amount.currency);
        return Err(Refusal::PayoutAboveOwed { affiliate_id, amount, owed });
    }
    Ok(())
}
