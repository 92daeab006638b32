//! The steps of a payout after its creation: approval, confirmation that it was paid, cancellation.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::send::enqueue;
use super::{document, move_rewards, original_of, parties, post};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::payout::{Payout, PayoutProvider, PayoutState, Sending};
use crate::domain::payout_attempt::{NextStep, PayoutAttempt};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::freeze;
use crate::domain::rule::reversal::{has_paid_reversal, settle_earlier};
use crate::domain::rule::reward::tell_updated;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// The most rewards of all payouts that one command moves, so that its transaction stays short. One payout always fits.
const REWARDS_PER_CONFIRMATION: i64 = 10_000;

/// Approve payouts: all of them or none.
#[derive(Debug, Clone)]
pub struct ApprovePayouts {
    /// The payouts, without repeats.
    pub ids: Vec<PayoutId>,
    /// The etags that they must have, in the same order. Those that were not sent are missing or empty.
    pub etags: Vec<String>,
}

impl Rule for ApprovePayouts {
    type Answer = Vec<Arc<Payout>>;

    fn weight(&self) -> usize {
        self.ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.payouts.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut approved = Vec::with_capacity(self.ids.len());
        for (index, id) in self.ids.iter().enumerate() {
            let payout = may_become(context, *id, PayoutState::Ready)?;
            if payout.state != PayoutState::NeedsApproval {
                return Err(Refusal::PayoutState { payout_id: *id, from: payout.state, to: PayoutState::Ready });
            }
            check_etag(&payout, self.etags.get(index))?;
            if context.key_id.is_none() || context.key_id == payout.created_by {
                return Err(Refusal::PayoutOwnApproval { payout_id: *id });
            }
            let payout = context.put(Payout {
                state: PayoutState::Ready,
                approved_by: context.key_id,
                approved_at: Some(context.now),
                updated_at: context.now,
                ..payout.as_ref().clone()
            });
            context.tell(EventKind::PayoutApproved, EventImage::Payout(Arc::clone(&payout)));
            enqueue(context, &payout);
            approved.push(payout);
        }
        Ok(approved)
    }
}

/// Record that the owner has paid payouts: all of them or none.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the payout")]
pub struct ConfirmPayouts {
    /// The payouts, without repeats.
    pub ids: Vec<PayoutId>,
    /// The etags that they must have, in the same order. Those that were not sent are missing or empty.
    pub etags: Vec<String>,
    pub reference: String,
    /// `None`: now.
    pub paid_at: Option<Time>,
}

impl Rule for ConfirmPayouts {
    type Answer = Vec<Arc<Payout>>;

    fn weight(&self) -> usize {
        self.ids.len().saturating_mul(10).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.payouts.extend(self.ids.iter().map(|id| (account, *id)));
        needs.payout_attempts.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        check_size(context, &self.ids)?;
        want_rewards(context, &self.ids)?;
        parties::want(context, &self.ids)?;
        let mut paid = Vec::with_capacity(self.ids.len());
        for (index, id) in self.ids.iter().enumerate() {
            let payout = may_become(context, *id, PayoutState::Paid)?;
            // What the provider may have is confirmed by the provider alone.
            if payout.state.is_at_provider() {
                let (from, to) = (payout.state, PayoutState::Paid);
                return Err(Refusal::PayoutState { payout_id: *id, from, to });
            }
            check_etag(&payout, self.etags.get(index))?;
            paid.push(pay(context, &payout, &self.reference, self.paid_at)?);
        }
        Ok(paid)
    }
}

/// Records that the owner has paid a payout that may become paid.
pub(super) fn pay(
    context: &mut Context<'_>,
    payout: &Payout,
    reference: &str,
    paid_at: Option<Time>,
) -> Result<Arc<Payout>, Refusal> {
    park(context, payout.id)?;
    let rewards = context.set.rewards_of_payout(context.account_id, payout.id)?;
    let payout = Payout {
        state: PayoutState::Paid,
        reference: reference.to_owned(),
        paid_at: Some(paid_at.unwrap_or(context.now)),
        updated_at: context.now,
        ..payout.clone()
    };
    let payout = document::finalize(context, payout, &rewards)?;
    let payout = context.put(payout);
    post(context, &payout, LedgerAccount::PayoutInFlight, LedgerAccount::ProviderCash, LedgerReason::Paid);
    context.tell(EventKind::PayoutPaid, EventImage::Payout(Arc::clone(&payout)));
    move_rewards(context, rewards, RewardState::Paid, Some(payout.id))?;
    Ok(payout)
}

/// Refuses payouts with more rewards than one command moves.
pub(super) fn check_size(context: &Context<'_>, ids: &[PayoutId]) -> Result<(), Refusal> {
    let mut reward_count = 0;
    for id in ids {
        reward_count += i64::from(context.get::<Payout, _>(*id)?.reward_count);
    }
    if reward_count > REWARDS_PER_CONFIRMATION {
        let problem = format!(
            "pay {reward_count} rewards, and one call takes at most {REWARDS_PER_CONFIRMATION}; name fewer payouts"
        );
        return Err(Refusal::InvalidField { field: Field::PayoutIds, problem });
    }
    Ok(())
}

/// Wants the rewards of all payouts at once, so that they are loaded together.
pub(super) fn want_rewards(context: &mut Context<'_>, ids: &[PayoutId]) -> Result<(), Refusal> {
    let mut loaded = Ok(());
    for id in ids {
        loaded = loaded.and(context.set.rewards_of_payout(context.account_id, *id).map(|_| ()));
    }
    loaded
}

/// Cancel a payout that was not paid. Its rewards are approved again. If the provider has it, the provider is asked to cancel it, and the
/// payout is cancelled when that is done.
#[derive(Debug, Clone)]
pub struct CancelPayout {
    /// The payout.
    pub id: PayoutId,
    /// The etag that it must have.
    pub etag: Option<String>,
}

impl Rule for CancelPayout {
    type Answer = Arc<Payout>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Payout>((account, self.id));
        needs.row::<PayoutAttempt>((account, self.id));
        needs.names.rewards_of_payout.insert((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let payout = may_become(context, self.id, PayoutState::Cancelled)?;
        check_etag(&payout, self.etag.as_ref())?;
        if payout.state.is_at_provider() {
            return ask_provider(context, &payout);
        }
        let attempt = context.set.payout_attempt(context.account_id, self.id)?;
        if payout.state == PayoutState::NeedsAttention && attempt.is_some_and(|attempt| !attempt.has_made_nothing()) {
            return Err(Refusal::PayoutMayBeMade { payout_id: self.id });
        }
        cancel(context, &payout)
    }
}

/// Cancels a payout that may be cancelled and that no provider has.
pub(in crate::domain::rule) fn cancel(context: &mut Context<'_>, payout: &Payout) -> Result<Arc<Payout>, Refusal> {
    park(context, payout.id)?;
    let payout = document::withdraw(context, payout.clone())?;
    let payout = context.put(Payout {
        state: PayoutState::Cancelled,
        cancelled_at: Some(context.now),
        updated_at: context.now,
        ..payout
    });
    context.tell(EventKind::PayoutCancelled, EventImage::Payout(Arc::clone(&payout)));
    release(context, &payout, false)?;
    Ok(payout)
}

/// Has the provider asked to take a payment back that its receiver does not have yet.
fn ask_provider(context: &mut Context<'_>, payout: &Arc<Payout>) -> Result<Arc<Payout>, Refusal> {
    let can_cancel = match payout.provider {
        PayoutProvider::PayPal => payout.state == PayoutState::Unclaimed,
        PayoutProvider::Wise => matches!(payout.state, PayoutState::Processing | PayoutState::OnHold),
        PayoutProvider::Stripe | PayoutProvider::Manual => false,
    };
    let attempt = context.set.payout_attempt(context.account_id, payout.id)?.cloned();
    let Some(attempt) = attempt.filter(|_| can_cancel) else {
        return Err(Refusal::PayoutNotCancellable {
            payout_id: payout.id,
            provider: payout.provider,
            state: payout.state,
        });
    };
    // While a step is under way, its record makes the cancellation the next one.
    if !attempt.is_under_way {
        let (next_step, next_at) = (NextStep::Cancel, Some(context.now));
        context.put(PayoutAttempt { next_step, next_at, tries: 0, ..attempt.as_ref().clone() });
    }
    let sending = payout.sending.as_deref().cloned().unwrap_or_default();
    let cancel_requested_at = sending.cancel_requested_at.or(Some(context.now));
    Ok(context.put(Payout {
        sending: Some(Arc::new(Sending { cancel_requested_at, ..sending })),
        updated_at: context.now,
        ..payout.as_ref().clone()
    }))
}

/// Sends a payout no more.
fn park(context: &mut Context<'_>, id: PayoutId) -> Result<(), Refusal> {
    if let Some(attempt) = context.set.payout_attempt(context.account_id, id)?.cloned() {
        context.put(PayoutAttempt { next_at: None, ..attempt.as_ref().clone() });
    }
    Ok(())
}

/// Gives back what a payout had reserved or paid: its rewards are approved again, and its amount is owed again.
pub(super) fn release(context: &mut Context<'_>, payout: &Payout, was_paid: bool) -> Result<(), Refusal> {
    let from = if was_paid { LedgerAccount::ProviderCash } else { LedgerAccount::PayoutInFlight };
    post(context, payout, from, LedgerAccount::AffiliatePayable, LedgerReason::Returned);
    let rewards = context.set.rewards_of_payout(context.account_id, payout.id)?;
    let returned = move_rewards(context, rewards, RewardState::Approved, None)?;
    let families: BTreeSet<RewardId> = returned.values().map(|reward| reward.reverses.unwrap_or(reward.id)).collect();
    families.into_iter().try_for_each(|id| settle(context, id))?;
    freeze::freeze_returned(context, returned.into_keys())
}

/// Settles a reward that refunds took back as a whole while a payout had it or one of its reversals.
fn settle(context: &mut Context<'_>, id: RewardId) -> Result<(), Refusal> {
    let reward = original_of(context, id)?;
    let is_whole = reward.reversed_minor != 0 && reward.reversed_minor == reward.value.amount_minor;
    if reward.state != RewardState::Approved {
        return Ok(());
    }
    if !is_whole || has_paid_reversal(context, id)? {
        return be_due_together(context, &reward);
    }
    let mut settled = Vec::new();
    settle_earlier(context, id, &mut settled)?;
    let row =
        Reward { state: RewardState::Reversed, dispute: None, updated_at: context.now, ..reward.as_ref().clone() };
    settled.push(context.put(row));
    let conversions: BTreeSet<_> = settled.iter().filter_map(|reward| reward.conversion_id).collect();
    settled.into_iter().for_each(|reward| context.tell(EventKind::RewardReversed, EventImage::Reward(reward)));
    conversions.into_iter().try_for_each(|id| tell_updated(context, id))
}

/// Makes what was taken back from a reward while a payout had it due when the reward is.
fn be_due_together(context: &mut Context<'_>, reward: &Reward) -> Result<(), Refusal> {
    let reversals = context.set.reversals_of(context.account_id, reward.id)?;
    let is_of_payout = |other: &&Arc<Reward>| other.state == RewardState::Approved && other.approved_at.is_none();
    let reversals: Vec<_> = reversals.into_iter().filter(is_of_payout).cloned().collect();
    for reversal in reversals {
        context.put(Reward { approved_at: reward.approved_at, ..reversal.as_ref().clone() });
    }
    Ok(())
}

/// The payout with this id, if it may change to this state.
pub(super) fn may_become(context: &Context<'_>, id: PayoutId, to: PayoutState) -> Result<Arc<Payout>, Refusal> {
    let payout = context.get::<Payout, _>(id)?;
    if !payout.state.may_become(to) {
        return Err(Refusal::PayoutState { payout_id: id, from: payout.state, to });
    }
    Ok(Arc::clone(payout))
}

/// Refuses a payout with another etag than the one that was sent.
pub(super) fn check_etag(payout: &Payout, etag: Option<&String>) -> Result<(), Refusal> {
    match etag {
        Some(etag) if !etag.is_empty() && *etag != payout.etag() => {
            Err(Refusal::EtagMismatch { resource: Resource::Payout, current_etag: payout.etag() })
        }
        _ => Ok(()),
    }
}
