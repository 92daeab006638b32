//! The rules of rewards: approval, denial, holds, creation by hand, and fulfilment of what is no cash.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::suspicion;
use super::terms::applicable_terms;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::conversion::Conversion;
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::fraud::RewardReview;
use crate::domain::id::{AccountId, ConversionId, EnrollmentId, LeadId, RewardId};
use crate::domain::lead::LeadSelector;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::Money;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::{ByHand, Reward, RewardDispute, RewardState, RewardUnit};
use crate::domain::set::Needs;
use crate::domain::terms_period::Occasion;

/// Approve rewards: all of them or none.
#[derive(Debug, Clone)]
pub struct ApproveRewards {
    /// The rewards to approve, without repeats.
    pub ids: Vec<RewardId>,
    /// Skip rewards that are no longer pending. The worker sets this, because its list may be outdated when the command runs.
    pub skip_others: bool,
}

impl Rule for ApproveRewards {
    type Answer = Vec<Arc<Reward>>;

    fn weight(&self) -> usize {
        self.ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.rewards.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let step = Move {
            from: &[RewardState::Pending],
            to: RewardState::Approved,
            booked: Some((LedgerAccount::AffiliatePending, LedgerAccount::AffiliatePayable, LedgerReason::Approved)),
            kind: EventKind::RewardApproved,
            deny_reason: "",
            release_reason: "",
            skip_others: self.skip_others,
            reaches_frozen: false,
        };
        move_on(context, &self.ids, &step)
    }
}

/// Deny rewards: all of them or none.
#[derive(Debug, Clone)]
pub struct DenyRewards {
    /// The rewards to deny, without repeats.
    pub ids: Vec<RewardId>,
    /// Why the rewards are denied; stored in each of them.
    pub reason: String,
    /// Skip rewards that are no longer pending. Set if the list may be outdated when the command runs.
    pub skip_others: bool,
}

impl Rule for DenyRewards {
    type Answer = Vec<Arc<Reward>>;

    fn weight(&self) -> usize {
        self.ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.rewards.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let step = Move {
            from: &[RewardState::Pending, RewardState::Held],
            to: RewardState::Denied,
            booked: Some((LedgerAccount::AffiliatePending, LedgerAccount::CommissionExpense, LedgerReason::Denied)),
            kind: EventKind::RewardDenied,
            deny_reason: &self.reason,
            release_reason: "",
            skip_others: self.skip_others,
            reaches_frozen: true,
        };
        move_on(context, &self.ids, &step)
    }
}

/// Keep pending rewards from approval until they are released.
#[derive(Debug, Clone)]
pub struct HoldRewards {
    /// The rewards to hold, without repeats. Those that are no longer pending are skipped.
    pub ids: Vec<RewardId>,
}

impl Rule for HoldRewards {
    type Answer = Vec<Arc<Reward>>;

    fn weight(&self) -> usize {
        self.ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.rewards.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let step = Move {
            from: &[RewardState::Pending],
            to: RewardState::Held,
            booked: None,
            kind: EventKind::RewardHeld,
            deny_reason: "",
            release_reason: "",
            skip_others: true,
            reaches_frozen: true,
        };
        move_on(context, &self.ids, &step)
    }
}

/// Release held rewards: all of them or none.
#[derive(Debug, Clone)]
pub struct ReleaseRewards {
    /// The rewards to release, without repeats.
    pub ids: Vec<RewardId>,
    /// Why they are released. May be empty, unless a fraud rule holds one of them.
    pub reason: String,
}

impl Rule for ReleaseRewards {
    type Answer = Vec<Arc<Reward>>;

    fn weight(&self) -> usize {
        self.ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.rewards.extend(self.ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let step = Move {
            from: &[RewardState::Held],
            to: RewardState::Pending,
            booked: None,
            kind: EventKind::RewardReleased,
            deny_reason: "",
            release_reason: &self.reason,
            skip_others: false,
            reaches_frozen: true,
        };
        suspicion::release(context, &self.ids, &self.reason)?;
        move_on(context, &self.ids, &step)
    }
}

/// Who gets a reward that a person creates.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// The affiliate that the lead is bound to.
    Lead(LeadSelector),
    /// The affiliate of the enrollment with this id.
    Enrollment(EnrollmentId),
    /// The affiliate of the enrollment with this ref_id.
    RefId(String),
}

/// Create a reward by hand. An ended enrollment can get one too, because the owner decides what is owed.
#[derive(Debug, Clone)]
pub struct CreateReward {
    /// Who gets it.
    pub recipient: Recipient,
    /// What the value is counted in.
    pub unit: RewardUnit,
    /// The value, more than zero.
    pub value: Money,
    /// Pending, approved or denied.
    pub state: RewardState,
    /// Why it is created; may be empty.
    pub reason: String,
}

impl Rule for CreateReward {
    type Answer = Arc<Reward>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        match &self.recipient {
            Recipient::Lead(selector) => needs.lead(account, selector.clone()),
            Recipient::Enrollment(id) => needs.row::<Enrollment>((account, *id)),
            Recipient::RefId(ref_id) => needs.affiliate(account, &AffiliateSelector::RefId(ref_id.clone())),
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let (enrollment, lead_id) = self.enrollment(context)?;
        let program = context.set.program(context.account_id, enrollment.program_id)?;
        let occasion = Occasion::of(&enrollment, context.now);
        let hold_period_days = applicable_terms(context.set, program, &occasion)?.rules.hold_period_days;
        let is_denied = self.state == RewardState::Denied;
        let reward = Reward {
            id: RewardId::new(context.ids),
            account_id: context.account_id,
            conversion_id: None,
            affiliate_id: enrollment.affiliate_id,
            enrollment_id: enrollment.id,
            program_id: enrollment.program_id,
            unit: self.unit,
            value: self.value,
            reversed_minor: 0,
            reverses: None,
            state: self.state,
            calculation: None,
            by_hand: Some(ByHand { reason: self.reason.clone(), lead_id, ..ByHand::default() }),
            click: None,
            review: None,
            auto_approve_at: context.now.plus_days(hold_period_days),
            created_at: context.now,
            updated_at: context.now,
            deny_reason: if is_denied { self.reason.clone() } else { String::new() },
            payout_id: None,
            approved_at: (self.state == RewardState::Approved).then_some(context.now),
            dispute: None,
        };
        let reward = context.put(reward);
        if !is_denied {
            post(
                context,
                &reward,
                LedgerAccount::CommissionExpense,
                LedgerAccount::AffiliatePending,
                LedgerReason::Earned,
            );
        }
        if self.state == RewardState::Approved {
            post(
                context,
                &reward,
                LedgerAccount::AffiliatePending,
                LedgerAccount::AffiliatePayable,
                LedgerReason::Approved,
            );
        }
        context.tell(EventKind::RewardCreated, EventImage::Reward(Arc::clone(&reward)));
        Ok(reward)
    }
}

impl CreateReward {
    /// The enrollment that gets the reward, and the lead that was named.
    fn enrollment(&self, context: &Context<'_>) -> Result<(Arc<Enrollment>, Option<LeadId>), Refusal> {
        let (set, account_id) = (&context.set, context.account_id);
        match &self.recipient {
            Recipient::Lead(selector) => {
                let lead = set.find_lead(account_id, selector)?;
                let lead = lead.ok_or_else(|| Refusal::not_found(Resource::Lead, selector))?;
                let credit = lead.credits().first().ok_or(Refusal::LeadNotBound { lead_id: lead.id })?;
                let bound = set.enrollment(account_id, credit.enrollment_id)?;
                Ok((Arc::clone(set.serving_bound(bound, context.now)?), Some(lead.id)))
            }
            Recipient::Enrollment(id) => Ok((Arc::clone(set.enrollment(account_id, *id)?), None)),
            Recipient::RefId(ref_id) => {
                let enrollment = set.enrollment_with_ref_id(account_id, ref_id)?;
                let enrollment = enrollment.ok_or_else(|| Refusal::not_found(Resource::Enrollment, ref_id))?;
                Ok((Arc::clone(enrollment), None))
            }
        }
    }
}

/// Fulfil a reward that is no cash: the affiliate was given what it is.
#[derive(Debug, Clone)]
pub struct FulfillReward {
    /// The reward.
    pub id: RewardId,
}

impl Rule for FulfillReward {
    type Answer = Arc<Reward>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Reward>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let reward = Arc::clone(context.get::<Reward, _>(self.id)?);
        if reward.unit == RewardUnit::Cash {
            return Err(Refusal::RewardInCash { reward_id: self.id });
        }
        let to = RewardState::Paid;
        if !reward.state.may_become(to) {
            return Err(Refusal::RewardState { reward_id: self.id, from: reward.state, to });
        }
        let reward = context.put(Reward { state: to, updated_at: context.now, ..reward.as_ref().clone() });
        post(context, &reward, LedgerAccount::AffiliatePayable, LedgerAccount::Fulfilled, LedgerReason::Fulfilled);
        context.tell(EventKind::RewardFulfilled, EventImage::Reward(Arc::clone(&reward)));
        Ok(reward)
    }
}

fn post(context: &mut Context<'_>, reward: &Reward, debit: LedgerAccount, credit: LedgerAccount, reason: LedgerReason) {
    context.post(Posting::for_reward(reward, debit, credit, reason, context.now));
}

/// A change of the state of rewards: the new state, the booking, and the event.
struct Move<'run> {
    /// The states from which it goes. Others may lead to the new state too, but by other commands: a payout gives its rewards back.
    from: &'run [RewardState],
    to: RewardState,
    /// The accounts between which the value moves, debit first, and the reason. `None`: it stays where it is.
    booked: Option<(LedgerAccount, LedgerAccount, LedgerReason)>,
    kind: EventKind,
    deny_reason: &'run str,
    release_reason: &'run str,
    skip_others: bool,
    /// Whether it goes from one of these states for a frozen reward that would get it back, too.
    reaches_frozen: bool,
}

fn move_on(context: &mut Context<'_>, ids: &[RewardId], step: &Move<'_>) -> Result<Vec<Arc<Reward>>, Refusal> {
    let mut moved: BTreeMap<RewardId, Arc<Reward>> = BTreeMap::new();
    let mut asked = Vec::new();
    for id in ids {
        let reward = Arc::clone(context.get::<Reward, _>(*id)?);
        if let Some(original) = reward.reverses {
            return Err(Refusal::InvalidField {
                field: Field::RewardIds,
                problem: format!("{id} takes back from {original} and moves with it; name that one"),
            });
        }
        let state = if step.reaches_frozen { reward.state_unless_frozen() } else { reward.state };
        if !step.from.contains(&state) {
            if step.skip_others {
                continue;
            }
            return Err(Refusal::RewardState { reward_id: *id, from: reward.state, to: step.to });
        }
        asked.push(*id);
        // Refunds may have taken back a part of the reward while it was pending or held. The rewards of those refunds have its state,
        // and change it with it.
        let reversals = context.set.reversals_of(context.account_id, *id)?;
        let with_it = reversals.into_iter().filter(|other| other.state == reward.state).cloned();
        let rewards: Vec<_> = std::iter::once(Arc::clone(&reward)).chain(with_it).collect();
        for reward in rewards {
            let next = moved_on(context, &reward, step);
            moved.insert(next.id, next);
        }
    }
    tell_moved(context, step.kind, &moved)?;
    Ok(asked.iter().filter_map(|id| moved.get(id).cloned()).collect())
}

/// What is said about a reward after a change of its state. A refund's reward that moves with another one has no reason of its own.
fn reviewed(reward: &Reward, step: &Move<'_>) -> Option<Arc<RewardReview>> {
    if step.release_reason.is_empty() || reward.reverses.is_some() {
        return reward.review.clone();
    }
    let flags = reward.review.as_ref().map(|review| review.flags.clone()).unwrap_or_default();
    Some(Arc::new(RewardReview { flags, release_reason: step.release_reason.to_owned() }))
}

/// Moves one reward. What is frozen stays frozen unless it is denied: it gets another state back.
fn moved_on(context: &mut Context<'_>, reward: &Reward, step: &Move<'_>) -> Arc<Reward> {
    let is_frozen = reward.state == RewardState::Frozen;
    let stays_frozen = is_frozen && step.to != RewardState::Denied;
    let frozen = reward.dispute.map(|dispute| RewardDispute { frozen_from: Some(step.to), ..dispute });
    let next = context.put(Reward {
        state: if stays_frozen { RewardState::Frozen } else { step.to },
        dispute: frozen.filter(|_| stays_frozen),
        updated_at: context.now,
        deny_reason: step.deny_reason.to_owned(),
        review: reviewed(reward, step),
        approved_at: (step.to == RewardState::Approved).then_some(context.now),
        ..reward.clone()
    });
    if let Some((debit, credit, reason)) = step.booked {
        post(context, &next, if is_frozen { LedgerAccount::AffiliateFrozen } else { debit }, credit, reason);
    }
    next
}

/// Adds an event for each reward that changed state, and one for each of their conversions.
pub(super) fn tell_moved(
    context: &mut Context<'_>,
    kind: EventKind,
    moved: &BTreeMap<RewardId, Arc<Reward>>,
) -> Result<(), Refusal> {
    let mut by_conversion: BTreeMap<Option<ConversionId>, Vec<Arc<Reward>>> = BTreeMap::new();
    for reward in moved.values() {
        by_conversion.entry(reward.conversion_id).or_default().push(Arc::clone(reward));
    }
    for (conversion_id, rewards) in by_conversion {
        rewards.into_iter().for_each(|reward| context.tell(kind, EventImage::Reward(reward)));
        conversion_id.map_or(Ok(()), |id| tell_updated(context, id))?;
    }
    Ok(())
}

/// Adds the event that rewards of a conversion changed state, with the conversion as it is now.
pub(super) fn tell_updated(context: &mut Context<'_>, id: ConversionId) -> Result<(), Refusal> {
    let conversion = context.set.conversion(context.account_id, id)?.as_ref().clone();
    context.put(Conversion { version: conversion.version.saturating_add(1), ..conversion });
    let image = context.set.image(context.account_id, id)?;
    context.tell_conversion(EventKind::ConversionUpdated, context.now, image);
    Ok(())
}
