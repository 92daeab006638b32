//! Taking rewards back, in part or whole: by refunds, and when another affiliate turns out to have earned them. A reward's value
//! never changes; what is taken back is a reward of its own with a negative value. Knows no command.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Context;
use super::reward::tell_updated;
use crate::domain::conversion::Conversion;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{ConversionId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, portion};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState};

/// Why rewards are taken back.
pub(super) struct Cause {
    /// The conversion that the negative rewards belong to: a refund, or the sale itself.
    pub(super) conversion_id: ConversionId,
    /// The amount from which they are computed; negative.
    pub(super) base_amount: Option<Money>,
    pub(super) reason: LedgerReason,
}

/// How much of a reward the refunds of its sale have taken back: `round(reward x refunded / base)`.
pub(super) fn refunded_part(sale: &Conversion, reward: &Reward) -> Result<i64, Refusal> {
    let base_minor = reward.calculation.base_amount.amount_minor;
    let value_minor = reward.value.amount_minor;
    if base_minor == 0 {
        // A refund of a free order takes all of its flat commission back.
        return Ok(if sale.refund_count > 0 { value_minor } else { 0 });
    }
    Ok(portion(value_minor, sale.refunded_minor, base_minor, reward.calculation.rounding)?)
}

/// Takes so much of a reward back that `target_minor` of it is taken back in all. `None` when there is nothing more to take back.
/// Adds the rewards that are settled by this to `settled`.
pub(super) fn take_back(
    context: &mut Context<'_>,
    reward: &Reward,
    target_minor: i64,
    cause: &Cause,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let ledger_account = match reward.state {
        RewardState::Pending => LedgerAccount::AffiliatePending,
        RewardState::Approved | RewardState::Paid => LedgerAccount::AffiliatePayable,
        // A denied reward earned nothing. A reversed reward has nothing left to take back.
        RewardState::Denied | RewardState::Reversed => return Ok(None),
    };
    let difference_minor = target_minor - reward.reversed_minor;
    if difference_minor == 0 || reward.reverses.is_some() {
        return Ok(None);
    }
    // When nothing is left of an unpaid reward, the reward and its reversals are settled against each other.
    let is_settled = target_minor == reward.value.amount_minor && reward.state.may_become(RewardState::Reversed);
    if is_settled {
        settle_earlier(context, reward.id, settled)?;
    }
    let reward = context.put(Reward {
        reversed_minor: target_minor,
        state: if is_settled { RewardState::Reversed } else { reward.state },
        updated_at: context.now,
        ..reward.clone()
    });
    if is_settled {
        settled.push(Arc::clone(&reward));
    }
    let reversal = Reward {
        id: RewardId::new(context.ids),
        conversion_id: cause.conversion_id,
        value: Money::new(-difference_minor, reward.value.currency),
        reversed_minor: 0,
        reverses: Some(reward.id),
        calculation: Calculation {
            rule: RewardRule::Reversal,
            base_amount: cause.base_amount.unwrap_or(reward.calculation.base_amount),
            ..reward.calculation.clone()
        },
        state: match reward.state {
            RewardState::Paid => RewardState::Approved,
            state => state,
        },
        created_at: context.now,
        ..reward.as_ref().clone()
    };
    let reversal = context.put(reversal);
    context.post(Posting::for_reward(
        &reversal,
        LedgerAccount::CommissionExpense,
        ledger_account,
        cause.reason,
        context.now,
    ));
    Ok(Some(reversal))
}

/// Settles the earlier reversals of a reward.
fn settle_earlier(
    context: &mut Context<'_>,
    reward_id: RewardId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let earlier = context.set.reversals_of(context.account_id, reward_id)?;
    let earlier: Vec<_> = earlier.into_iter().cloned().collect();
    for reversal in earlier {
        let row = Reward { state: RewardState::Reversed, updated_at: context.now, ..reversal.as_ref().clone() };
        settled.push(context.put(row));
    }
    Ok(())
}

/// Adds an event for each settled reward, and one for each earlier refund that has a settled reward. The sale gets no event here,
/// because its new image is already in the feed.
pub(super) fn tell_settled(
    context: &mut Context<'_>,
    settled: Vec<Arc<Reward>>,
    sale_id: ConversionId,
) -> Result<(), Refusal> {
    let conversions: BTreeSet<_> = settled.iter().map(|reward| reward.conversion_id).collect();
    settled.into_iter().for_each(|reward| context.tell(EventKind::RewardReversed, EventImage::Reward(reward)));
    for id in conversions.into_iter().filter(|id| *id != sale_id) {
        tell_updated(context, id)?;
    }
    Ok(())
}
