//! The standing that a new reward of a sale gets from its former one, of which nothing was left, once a refund is undone. Knows no
//! command.

use std::sync::Arc;

use super::context::Context;
use crate::domain::id::ConversionId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};

/// Gives a new reward of a sale the standing that the one had of which nothing was left: held by a person, or approved.
pub(super) fn as_before(
    context: &mut Context<'_>,
    sale_id: ConversionId,
    reward: Arc<Reward>,
) -> Result<Arc<Reward>, Refusal> {
    let is_former = |other: &&&Arc<Reward>| {
        other.id != reward.id
            && other.reverses.is_none()
            && other.state == RewardState::Reversed
            && other.enrollment_id == reward.enrollment_id
            && other.upline() == reward.upline()
            && !other.is_tally_change()
    };
    let rewards = context.set.rewards_of(context.account_id, sale_id)?;
    let Some(former) = rewards.iter().rfind(is_former).map(|former| Arc::clone(former)) else {
        return Ok(reward);
    };
    let held = &context.set.conversion(context.account_id, sale_id)?.order.held_rewards;
    if held.contains(&former.id) {
        return Ok(context.put(Reward { state: RewardState::Held, ..reward.as_ref().clone() }));
    }
    if former.approved_at.is_none() {
        return Ok(reward);
    }
    let (pending, payable) = (LedgerAccount::AffiliatePending, LedgerAccount::AffiliatePayable);
    context.post(Posting::for_reward(&reward, pending, payable, LedgerReason::Approved, context.now));
    let (state, approved_at) = (RewardState::Approved, former.approved_at);
    Ok(context.put(Reward { state, approved_at, ..reward.as_ref().clone() }))
}
