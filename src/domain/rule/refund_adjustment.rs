//! The commission adjustment of a refund: what its affiliate gets in addition to what the refund takes back.

use std::sync::Arc;

use super::context::Context;
use super::reversal::present_price;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::id::RewardId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, Overflow, Rounding, portion};
use crate::domain::program::Commission;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState, RewardUnit};

/// Gives the affiliate of a refund's sale the commission adjustment of the refund, less what the excess takes back. `None` if the refund
/// has no adjustment, if nobody is credited, and if it comes to nothing.
///
/// It is a reward of its own. It waits with the reward of the sale only if that one waits and it is more than zero, because the amounts
/// that wait are never negative in all.
pub(super) fn adjust(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    rewards: &[Arc<Reward>],
) -> Result<Option<Arc<Reward>>, Refusal> {
    let (Some(adjustment), Some(credit)) = (refund.order.commission_adjustment, sale.credits.first()) else {
        return Ok(None);
    };
    let earned = earned_for(credit, rewards);
    let (excess_minor, calculation) = excess_part(context, sale, refund, credit, earned)?;
    let value_minor = adjustment.amount_minor.checked_sub(excess_minor).ok_or(Overflow)?;
    if value_minor == 0 {
        return Ok(None);
    }
    let waits = |reward: &&Reward| matches!(reward.state_unless_frozen(), RewardState::Pending | RewardState::Held);
    let waiting = earned.filter(waits).filter(|_| value_minor > 0);
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: Some(refund.id),
        affiliate_id: credit.affiliate_id,
        enrollment_id: credit.enrollment_id,
        program_id: credit.program_id,
        unit: RewardUnit::Cash,
        value: Money::new(value_minor, adjustment.currency),
        reversed_minor: 0,
        reverses: None,
        state: waiting.map_or(RewardState::Approved, Reward::state_unless_frozen),
        calculation: Some(Calculation { adjustment: Some(adjustment), ..calculation }),
        by_hand: None,
        click: None,
        review: None,
        auto_approve_at: earned.map_or(context.now, |reward| reward.auto_approve_at),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: (waiting.is_none() && value_minor > 0).then_some(context.now),
        dispute: None,
    };
    let reward = context.put(reward);
    let account = if waiting.is_some() { LedgerAccount::AffiliatePending } else { LedgerAccount::AffiliatePayable };
    let reason = LedgerReason::Adjusted;
    context.post(Posting::for_reward(&reward, LedgerAccount::CommissionExpense, account, reason, context.now));
    Ok(Some(reward))
}

/// The reward that a credit has earned last, unless a person denied it.
fn earned_for<'rewards>(credit: &Credit, rewards: &'rewards [Arc<Reward>]) -> Option<&'rewards Reward> {
    let is_of_credit = |reward: &&Arc<Reward>| {
        let is_own = reward.reverses.is_none() && reward.is_of_credit(credit.enrollment_id);
        is_own && reward.state != RewardState::Denied
    };
    rewards.iter().rfind(is_of_credit).map(AsRef::as_ref)
}

/// What the excess of a refund with an adjustment takes back, `round(reward x excess / sale)`, and the calculation of the adjustment's
/// reward. Nothing, if the sale has earned nothing in the currency of the adjustment.
fn excess_part(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    credit: &Credit,
    earned: Option<&Reward>,
) -> Result<(i64, Calculation), Refusal> {
    let (amount, adjustment) = (sale.amount, refund.order.commission_adjustment);
    let amount = amount.or(adjustment).ok_or(Refusal::NoSaleToRefund)?;
    let base_amount = Money::new(-refund.excess_minor, amount.currency);
    let rule = RewardRule::Adjustment;
    let earned = earned.filter(|reward| Some(reward.value.currency) == adjustment.map(|money| money.currency));
    if let Some((reward, calculation)) = earned.and_then(|reward| Some((reward, reward.calculation.as_ref()?)))
        && let Some(present) = present_price(context, sale, calculation, reward, amount)?
    {
        let part = portion(present.value_minor, refund.excess_minor, amount.amount_minor, calculation.rounding)?;
        let calculation = present.calculation.unwrap_or_else(|| calculation.clone());
        return Ok((
            part,
            Calculation { rule, base_amount, sale_amount: amount, lines: Vec::new(), brackets: None, ..calculation },
        ));
    }
    let nothing = Calculation {
        split: None,
        rule,
        base_amount,
        sale_amount: amount,
        commission: Commission::PercentPpm(0),
        share_ppm: credit.share_ppm,
        terms_version: credit.terms_version,
        rounding: Rounding::HalfEven,
        adjustment: None,
        rule_taken: None,
        amount_not_compared: false,
        upline: None,
        caps: Vec::new(),
        tally_change: None,
        ladder: None,
        brackets: None,
        lines: Vec::new(),
    };
    Ok((0, nothing))
}
