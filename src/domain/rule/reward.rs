//! The rules of rewards: approval and denial.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::conversion::Conversion;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::set::Needs;

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
            to: RewardState::Approved,
            debit: LedgerAccount::AffiliatePending,
            credit: LedgerAccount::AffiliatePayable,
            reason: LedgerReason::Approved,
            kind: EventKind::RewardApproved,
            deny_reason: "",
            skip_others: self.skip_others,
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
            to: RewardState::Denied,
            debit: LedgerAccount::AffiliatePending,
            credit: LedgerAccount::CommissionExpense,
            reason: LedgerReason::Denied,
            kind: EventKind::RewardDenied,
            deny_reason: &self.reason,
            skip_others: self.skip_others,
        };
        move_on(context, &self.ids, &step)
    }
}

/// A change of the state of rewards: the new state, the ledger accounts, and the event.
struct Move<'run> {
    to: RewardState,
    debit: LedgerAccount,
    credit: LedgerAccount,
    reason: LedgerReason,
    kind: EventKind,
    deny_reason: &'run str,
    skip_others: bool,
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
        if !reward.state.may_become(step.to) {
            if step.skip_others {
                continue;
            }
            return Err(Refusal::RewardState { reward_id: *id, from: reward.state, to: step.to });
        }
        asked.push(*id);
        // Refunds may have taken back a part of the reward while it was pending. The rewards of those
        // refunds change state with it.
        let reversals = context.set.reversals_of(context.account_id, *id)?;
        let with_it = reversals.into_iter().filter(|other| other.state == RewardState::Pending).cloned();
        let rewards: Vec<_> = std::iter::once(reward).chain(with_it).collect();
        for reward in rewards {
            let next = context.put(Reward {
                state: step.to,
                updated_at: context.now,
                deny_reason: step.deny_reason.to_owned(),
                ..reward.as_ref().clone()
            });
            context.post(Posting::for_reward(&next, step.debit, step.credit, step.reason, context.now));
            moved.insert(next.id, next);
        }
    }
    let mut by_conversion: BTreeMap<ConversionId, Vec<Arc<Reward>>> = BTreeMap::new();
    for reward in moved.values() {
        by_conversion.entry(reward.conversion_id).or_default().push(Arc::clone(reward));
    }
    for (conversion_id, rewards) in by_conversion {
        rewards.into_iter().for_each(|reward| context.tell(step.kind, EventImage::Reward(reward)));
        tell_updated(context, conversion_id)?;
    }
    Ok(asked.iter().filter_map(|id| moved.get(id).cloned()).collect())
}

/// Adds the event that rewards of a conversion changed state, with the conversion as it is now.
pub(super) fn tell_updated(context: &mut Context<'_>, id: ConversionId) -> Result<(), Refusal> {
    let conversion = context.set.conversion(context.account_id, id)?.as_ref().clone();
    context.put(Conversion { version: conversion.version.saturating_add(1), ..conversion });
    let image = context.set.image(context.account_id, id)?;
    context.tell_conversion(EventKind::ConversionUpdated, context.now, image);
    Ok(())
}
