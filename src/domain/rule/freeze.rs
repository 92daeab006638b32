//! Freezing the rewards of disputed sales, and giving them their former states back. What a payout has or has paid is not frozen, but it is
//! marked, so that it freezes if it comes back. Knows no command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::Context;
use super::customer;
use super::reward::tell_moved;
use crate::domain::conversion::Conversion;
use crate::domain::customer_reward::CustomerRewards;
use crate::domain::event::EventKind;
use crate::domain::id::{ConversionId, RewardId};
use crate::domain::lead::Lead;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardDispute, RewardState};
use crate::domain::time::Time;

/// The rewards that changed state.
pub(super) type Moved = BTreeMap<RewardId, Arc<Reward>>;

/// Freezes the rewards of a sale, and marks those that a payout has or has paid. A reward that takes what a tally lost is left as it is: it is
/// owed by the affiliate whatever becomes of the dispute.
pub(super) fn freeze(
    context: &mut Context<'_>,
    sale_id: ConversionId,
    dispute_id: ConversionId,
) -> Result<Moved, Refusal> {
    let mut moved = Moved::new();
    for reward in originals_of(context, sale_id)? {
        match reward.state {
            RewardState::Pending | RewardState::Held | RewardState::Approved => {
                freeze_family(context, &reward, dispute_id, &mut moved)?;
            }
            RewardState::InPayout | RewardState::Paid if reward.dispute.is_none() => {
                let dispute = Some(RewardDispute { dispute_id, frozen_from: None });
                context.put(Reward { dispute, ..reward.as_ref().clone() });
            }
            // Another dispute has frozen or marked it.
            RewardState::Frozen | RewardState::InPayout | RewardState::Paid => {}
            RewardState::Denied | RewardState::Reversed => {}
        }
    }
    Ok(moved)
}

/// Freezes those of these rewards that came back from a payout while their sale is disputed.
pub(super) fn freeze_returned(
    context: &mut Context<'_>,
    returned: impl Iterator<Item = RewardId>,
) -> Result<(), Refusal> {
    let mut moved = Moved::new();
    let mut families = BTreeSet::new();
    for id in returned {
        families.insert(context.get::<Reward, _>(id)?.reverses.unwrap_or(id));
    }
    for id in families {
        let reward = Arc::clone(context.get::<Reward, _>(id)?);
        let Some(dispute) = reward.dispute else { continue };
        match reward.state {
            RewardState::Approved => freeze_family(context, &reward, dispute.dispute_id, &mut moved)?,
            RewardState::Frozen => freeze_reversals(context, &reward, RewardState::Approved, &mut moved)?,
            _ => {}
        }
    }
    tell_moved(context, EventKind::RewardFrozen, &moved)
}

/// Freezes a reward, with what takes back from it.
fn freeze_family(
    context: &mut Context<'_>,
    reward: &Reward,
    dispute_id: ConversionId,
    moved: &mut Moved,
) -> Result<(), Refusal> {
    if reward.value.amount_minor <= 0 {
        return Ok(());
    }
    let from = reward.state;
    let frozen = freeze_one(context, reward, dispute_id);
    moved.insert(frozen.id, Arc::clone(&frozen));
    freeze_reversals(context, &frozen, from, moved)
}

/// Freezes what takes back from a frozen reward and is in this state.
fn freeze_reversals(
    context: &mut Context<'_>,
    frozen: &Reward,
    from: RewardState,
    moved: &mut Moved,
) -> Result<(), Refusal> {
    let Some(dispute) = frozen.dispute else { return Ok(()) };
    let reversals = context.set.reversals_of(context.account_id, frozen.id)?;
    let with_it: Vec<_> = reversals.into_iter().filter(|other| other.state == from).cloned().collect();
    for reversal in with_it {
        let reversal = freeze_one(context, &reversal, dispute.dispute_id);
        moved.insert(reversal.id, reversal);
    }
    Ok(())
}

fn freeze_one(context: &mut Context<'_>, reward: &Reward, dispute_id: ConversionId) -> Arc<Reward> {
    let from = reward.state;
    let frozen = context.put(Reward {
        state: RewardState::Frozen,
        dispute: Some(RewardDispute { dispute_id, frozen_from: Some(from) }),
        updated_at: context.now,
        ..reward.clone()
    });
    let (debit, credit) = (account_of(from), LedgerAccount::AffiliateFrozen);
    context.post(Posting::for_reward(&frozen, debit, credit, LedgerReason::Frozen, context.now));
    frozen
}

/// What the end of a dispute makes of the rewards of its sale.
#[derive(Default)]
pub(super) struct Thawed {
    /// Those that have their former state again.
    pub(super) restored: Moved,
    /// The conversions of those that name another dispute now.
    pub(super) renamed: BTreeSet<ConversionId>,
}

/// Gives the rewards of a sale their former states back after the end of a dispute, if no other one is open. They name the oldest open one
/// otherwise.
pub(super) fn thaw(context: &mut Context<'_>, sale: &Conversion, ended: ConversionId) -> Result<Thawed, Refusal> {
    let next = sale.open_dispute();
    let mut thawed = Thawed::default();
    for original in originals_of(context, sale.id)? {
        let reversals = context.set.reversals_of(context.account_id, original.id)?;
        let family: Vec<_> = std::iter::once(&original).chain(reversals).cloned().collect();
        for reward in family {
            let Some(dispute) = reward.dispute else { continue };
            match (next, dispute.frozen_from) {
                (Some(dispute_id), _) if dispute.dispute_id == ended => {
                    let dispute = Some(RewardDispute { dispute_id, ..dispute });
                    context.put(Reward { dispute, ..reward.as_ref().clone() });
                    thawed.renamed.extend(reward.conversion_id);
                }
                (Some(_), _) => {}
                (None, None) => {
                    context.put(Reward { dispute: None, ..reward.as_ref().clone() });
                }
                (None, Some(from)) => {
                    let restored = thaw_one(context, &reward, from);
                    thawed.restored.insert(restored.id, restored);
                }
            }
        }
    }
    Ok(thawed)
}

fn thaw_one(context: &mut Context<'_>, reward: &Reward, state: RewardState) -> Arc<Reward> {
    let restored = context.put(Reward { state, dispute: None, updated_at: context.now, ..reward.clone() });
    let (debit, credit) = (LedgerAccount::AffiliateFrozen, account_of(state));
    context.post(Posting::for_reward(&restored, debit, credit, LedgerReason::Restored, context.now));
    restored
}

/// The ledger account of a reward that can be frozen.
const fn account_of(state: RewardState) -> LedgerAccount {
    match state {
        RewardState::Approved => LedgerAccount::AffiliatePayable,
        _ => LedgerAccount::AffiliatePending,
    }
}

/// The rewards of a sale, without those that change another one.
fn originals_of(context: &Context<'_>, sale_id: ConversionId) -> Result<Vec<Arc<Reward>>, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, sale_id)?;
    Ok(rewards.into_iter().filter(|reward| reward.reverses.is_none()).cloned().collect())
}

/// Freezes what a sale granted its customer.
pub(super) fn freeze_of_customer(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    change_of_customer(context, sale, CustomerRewards::freeze)
}

/// Grants what a sale granted its customer again.
pub(super) fn thaw_of_customer(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    change_of_customer(context, sale, CustomerRewards::thaw)
}

fn change_of_customer(
    context: &mut Context<'_>,
    sale: &Conversion,
    change: fn(&mut CustomerRewards, ConversionId, Time) -> bool,
) -> Result<(), Refusal> {
    let Some(lead_id) = sale.lead_id else { return Ok(()) };
    let account_id = context.account_id;
    context.set.wanted().row::<Lead>((account_id, lead_id));
    let own = Arc::clone(context.set.existing::<Lead>(&(account_id, lead_id))?);
    let known = match own.merged_into {
        Some(id) => Arc::clone(context.set.existing::<Lead>(&(account_id, id))?),
        None => own,
    };
    let mut lead = known.as_ref().clone();
    if change(&mut lead.details.customer_rewards, sale.id, context.now) {
        customer::put_told(context, EventKind::LeadUpdated, lead, Some(&known));
    }
    Ok(())
}
